"""`invoke runs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.markup import escape
from rich.text import Text

from onecard.cli.output import print_json
from onecard.console.terminal import Terminal
from onecard.project import runs_folder
from onecard.records import Run, find_runs
from onecard.records.summary import summary

STYLES = {"done": "green", "failed": "bold red", "interrupted": "yellow", "open": "yellow"}


def runs(host: str, *, as_json: bool) -> int:
    """List the records, oldest first; reads files only."""
    found, trouble = find_runs(host)
    for line in trouble:
        print(f"warning: {line}", file=sys.stderr)
    if as_json:
        print_json({"folder": str(runs_folder()), "runs": [_row(run) for run in found]})
        return 0
    if not found:
        of = f" of {host}" if host else ""
        print(f"no runs{of} are recorded in {runs_folder()} yet")
        return 0
    output = Terminal()
    for row in _rows(found):
        # Left to the terminal to wrap, so that elsewhere a run is one line.
        output.print(row, soft_wrap=True)
    output.print(f"[dim]records lie in {escape(str(runs_folder()))}[/]", soft_wrap=True)
    return 0


def _rows(found: Sequence[Run]) -> Iterator[Text]:
    rows = [("begun (UTC)", "host", "kind", "status", "seconds", "result")]
    for run in found:
        begun, status = run.time[:16].replace("T", " "), run.status
        status = status if status in STYLES else "?"
        rows.append((begun, run.host, run.kind, status, f"{run.seconds:.1f}", summary(run)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for begun, host, kind, status, seconds, result in rows:
        yield Text("  ").join(
            (
                Text(begun.ljust(widths[0])),
                Text(host.ljust(widths[1])),
                Text(kind.ljust(widths[2])),
                Text(status.ljust(widths[3]), STYLES.get(status, "")),
                Text(seconds.rjust(widths[4])),
                Text(result),
            )
        )


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
