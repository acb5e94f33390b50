"""`invoke scale`."""

from __future__ import annotations

from collections.abc import Sequence

from onecard.cli import targets
from onecard.cli.output import print_json, show_error
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.measure.scale.scale_run import run_scale
from onecard.measure.scale.scale_table import print_scale


def scale(
    requested: str, *, contexts: Sequence[int], try_all: bool, fresh: bool, as_json: bool
) -> int:
    """Measure each context; return 1 unless all are served, and filled by a right answer."""
    host = targets.chosen_host(requested)
    result = run_scale(
        host,
        contexts,
        targets.known_hosts(),
        progress_console(),
        show_error,
        try_all=try_all,
        fresh=fresh,
    )
    if as_json:
        print_json({"host": host.name, "rows": result.rows})
    else:
        print_scale(result.rows, Terminal())
    return result.exit_code
