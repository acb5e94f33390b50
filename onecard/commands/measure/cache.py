"""`invoke cache`."""

from __future__ import annotations

from onecard.cli import flag_values, targets
from onecard.cli.output import print_json
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.measure.cache.cache_run import CacheSettings, run_cache
from onecard.measure.cache.cache_table import print_reuse
from onecard.records.write import plain


def settings(*, tokens: str, at_once: str, repeats: str) -> CacheSettings:
    """Return what the flags request. Raises UsageError naming the flag."""
    return CacheSettings(
        flag_values.tokens("--tokens", tokens) if tokens else 0,
        flag_values.positive("--at-once", at_once),
        flag_values.repeats("--repeats", repeats),
    )


def cache(requested: str, settings: CacheSettings, *, as_json: bool) -> int:
    """Measure what the server reuses of earlier requests; 0 when every request was answered."""
    host = targets.chosen_host(requested)
    found = run_cache(host, settings, targets.known_hosts(), progress_console())
    if as_json:
        print_json({"host": host.name, **plain(found.values())})
    else:
        print_reuse(found, Terminal())
    return 0
