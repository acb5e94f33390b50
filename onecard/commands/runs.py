"""`invoke runs`."""

from __future__ import annotations

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from onecard import cli
from onecard.runs import Run, find_runs
from onecard.runs.folder import runs_folder
from onecard.runs.summary import summary

STYLES = {"done": "green", "failed": "bold red", "interrupted": "yellow", "open": "yellow"}


def runs(host: str, *, as_json: bool) -> int:
    """List the records, oldest first; reads files only."""
    found, trouble = find_runs(host)
    for line in trouble:
        print(f"warning: {line}", file=sys.stderr)
    if as_json:
        cli.print_json({"folder": str(runs_folder()), "runs": [_row(run) for run in found]})
        return 0
    if not found:
        of = f" of {host}" if host else ""
        print(f"no runs{of} are recorded in {runs_folder()} yet")
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("begun (UTC)", "host", "kind", "status"):
        table.add_column(name, no_wrap=True)
    table.add_column("seconds", justify="right")
    table.add_column("result", overflow="fold")
    for run in found:
        begun = run.time[:19].replace("T", " ")
        status = f"[{STYLES.get(run.status, '')}]{run.status}[/]" if run.status in STYLES else "?"
        table.add_row(begun, run.host, run.kind, status, f"{run.seconds:.1f}", summary(run))
    output = Console(highlight=False)
    output.print(table)
    output.print(f"[dim]records lie in {runs_folder()}[/]", soft_wrap=True)
    return 0


def _row(run: Run) -> dict[str, Any]:
    return {
        "time": run.time,
        "host": run.host,
        "kind": run.kind,
        "status": run.status,
        "exit_code": (run.end or {}).get("exit_code"),
        "seconds": round(run.seconds, 2),
        "result": summary(run),
        "broken_lines": run.broken,
        "file": str(run.path),
    }
