"""`invoke smoke`."""

from __future__ import annotations

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.host_console import progress_console
from onecard.console.terminal import Terminal
from onecard.smoke.smoke_host import smoke_host
from onecard.smoke.smoke_table import print_smoke


def smoke(requested: str, *, cases: str, repeats: int, as_json: bool) -> int:
    """Test the running server; return 1 when an answer is wrong or no picture was needed."""
    host = targets.chosen_host(requested)
    report = smoke_host(
        host, targets.known_hosts(), progress_console(), cases=cases, repeats=repeats
    )
    if as_json:
        print_json(report.to_json())
    else:
        print_smoke(report, Terminal())
    return 0 if report.ok else 1
