"""`invoke soak`."""

from __future__ import annotations

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.measure.soak.soak_run import SoakSettings, run_soak
from onecard.measure.soak.soak_table import print_soak


def soak(requested: str, settings: SoakSettings, *, as_json: bool) -> int:
    """Keep the server under mixed load; return 1 when it died, leaked or failed a request."""
    host = targets.chosen_host(requested)
    found = run_soak(host, settings, targets.known_hosts(), progress_console())
    if as_json:
        print_json({"host": host.name, **found.values()})
    else:
        print_soak(found, Terminal())
    return 1 if found.faults else 0
