"""`invoke upgrade`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.host_console import HostConsole, progress_console
from onecard.console.terminal import Terminal
from onecard.inventory.host import Host
from onecard.inventory.lock import Move
from onecard.provision.upgrade import upgrade_host
from onecard.records.usual import Usual

LONGEST_TABLE = 40


def upgrade(requested: str, *, check: bool, as_json: bool) -> int:
    """Move a host's lock to the newest build; with `check` only show what would move."""
    host = targets.chosen_host(requested)
    console = HostConsole(progress_console(), host.name, usual=Usual(host))

    def on_moves(moved: Sequence[Move]) -> None:
        if not as_json:
            _show(host, moved, Terminal(), check=check)

    done = upgrade_host(host, targets.known_hosts(), console, on_moves, check=check)
    if as_json:
        print_json(
            {
                "host": host.name,
                "status": "changed" if done.moved else "ok",
                "moved": [{"name": m.name, "old": m.old, "new": m.new} for m in done.moved],
                "venv": done.venv,
                "removed": list(done.removed),
            }
        )
    elif not check:
        for path in done.removed:
            print(f"removed {path}: no release, unit or link names it")
        if done.moved:
            print(f"next    invoke deploy --host {host.name}")
    return 0


def _show(host: Host, moved: Sequence[Move], output: Console, *, check: bool) -> None:
    if not moved:
        output.print(f"{host.name}: nothing newer than the lock")
        return
    table = Table("what", "old", "new", box=None, padding=(0, 2, 0, 0))
    for move in moved[:LONGEST_TABLE]:
        table.add_row(move.name, move.old or "-", move.new or "-")
    output.print(table)
    if len(moved) > LONGEST_TABLE:
        output.print(f"and {len(moved) - LONGEST_TABLE} more packages")
    if check:
        output.print("nothing was changed (--check)")
