"""`invoke upgrade`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.table import Table

import roles
from onecard import cli
from onecard.connect import connected, holder
from onecard.console import HostConsole, progress_console
from onecard.engine import gather
from onecard.errors import OnecardError, PreflightError, UnreachableError
from onecard.host import Host
from onecard.layout import UV
from onecard.locks.cleanup import remove_unused
from onecard.locks.lock import Lock, Move, moves
from onecard.locks.resolve import adopt
from onecard.locks.store import write
from onecard.places import inventory_folder
from onecard.provision import Run, preflight, ready_to_install
from onecard.report import HostReport
from onecard.runs.usual import Usual

LONGEST_TABLE = 40


def upgrade(requested: str, *, check: bool, as_json: bool) -> int:
    """Move a host's lock to the newest build, build it beside the one at work, then switch.

    Raises what is in errors.py; then the lock file, the link and what is served are as before.
    """
    host = ready_to_install(cli.chosen_host(requested))
    console = HostConsole(progress_console(), host.name, usual=Usual(host))
    with connected(host, cli.known_hosts()) as box:
        run = Run(box, inventory_folder(), console, holder("upgrade"))
        facts = gather(box.session, None if check else run.holder)
        preflight(facts, replace(host, lock=None), console)
        if box.session.run(f"test -x {UV}").code != 0:
            raise PreflightError(
                f"{host.name}: nothing is installed here yet; run: invoke provision "
                f"--host {host.name}"
            )
        if not check:
            run.converge(host, roles.system, HostReport(host.name), check=False)
        old = host.lock or adopt(box.session, host)
        new = run.resolve(host)
        new = new.with_model_of(old) if old else new
        moved = moves(old, new) if old else tuple(Move(*row) for row in _first(new))
        if not as_json:
            _show(host, moved, Console(highlight=False), check=check)
        removed: tuple[str, ...] = ()
        if not check:
            removed = _switch(run, host, new, old)
    if as_json:
        cli.print_json(
            {
                "host": host.name,
                "status": "changed" if moved else "ok",
                "moved": [{"name": m.name, "old": m.old, "new": m.new} for m in moved],
                "venv": replace(host, lock=new).venv,
                "removed": list(removed),
            }
        )
    elif not check:
        for path in removed:
            print(f"removed {path}: no release, unit or link names it")
        if moved:
            print(f"next    invoke deploy --host {host.name}")
    return 0


def _switch(run: Run, host: Host, new: Lock, old: Lock | None) -> tuple[str, ...]:
    """Build and prove the new environment, move the link and the lock file, clear up behind."""
    before = old.packages if old else {}
    outdated = [name for name, version in before.items() if new.packages.get(name) != version]
    try:
        run.converge(replace(host, lock=new), roles.provision, HostReport(host.name), check=False)
    except UnreachableError:
        raise
    except OnecardError:
        # This removes the new environment: the link still names the old one. After Ctrl-C or a lost
        # connection it stays, since the job may still be at it; the next upgrade removes it.
        remove_unused(run.session, ())
        raise
    run.console.say(f"wrote {write(run.inventory, host.name, new)}")
    return remove_unused(run.session, outdated)


def _first(lock: Lock) -> tuple[tuple[str, str, str], ...]:
    return (("vLLM", "", lock.vllm), ("torch", "", lock.torch), ("Python", "", lock.python))


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
