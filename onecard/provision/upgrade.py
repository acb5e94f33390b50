"""Moves a host's lock to the newest build, built beside the one that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import roles
from onecard.box.paths import UV
from onecard.console.host_console import HostConsole
from onecard.engine.converge import gather
from onecard.engine.host_report import HostReport
from onecard.errors import OnecardError, PreflightError, UnreachableError
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, Move, moves
from onecard.inventory.lock_files import owner, write
from onecard.locks.cleanup import remove_unused
from onecard.locks.resolve import adopt
from onecard.provision.host_run import HostRun, refuse_unfit
from onecard.provision.provision_hosts import ready_to_install
from onecard.ssh.login import connected, holder


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did. moved: packages of another version. venv: the new environment.

    removed: environments that nothing uses any more.
    """

    moved: tuple[Move, ...]
    venv: str
    removed: tuple[str, ...]


def upgrade_host(
    host: Host,
    known_hosts: Path,
    console: HostConsole,
    on_moves: Callable[[Sequence[Move]], None],
    *,
    check: bool,
) -> Upgrade:
    """Move a host's lock to the newest build, build it beside the one that runs, then switch.

    on_moves: called with what differs from the lock, before anything is built.
    Raises what is in errors.py; then the lock file, the link and what is served are as before.
    """
    host = ready_to_install(host)
    with connected(host, known_hosts) as box:
        run = HostRun(box, known_hosts.parent, console, holder("upgrade"))
        facts = gather(box.session, None if check else run.holder)
        refuse_unfit(facts, replace(host, lock=None), console)
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
        on_moves(moved)
        removed = () if check else _switch(run, host, new, old)
    return Upgrade(tuple(moved), replace(host, lock=new).venv, removed)


def _switch(run: HostRun, host: Host, new: Lock, old: Lock | None) -> tuple[str, ...]:
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
    run.console.say(f"wrote {write(run.inventory, owner(host), new)}")
    return remove_unused(run.session, outdated)


def _first(lock: Lock) -> tuple[tuple[str, str, str], ...]:
    return (("vLLM", "", lock.vllm), ("torch", "", lock.torch), ("Python", "", lock.python))
