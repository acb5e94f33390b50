"""One run of provision or upgrade on one box: the lock, the roles, reboots between them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import roles
from onecard import served_model
from onecard.console.host_console import HostConsole
from onecard.doctor import blockers, preflight
from onecard.doctor.build_checks import lock_checks
from onecard.engine.converge import converge, gather
from onecard.engine.facts_cache import FactsCache
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener, EventListeners
from onecard.engine.probing import Roles
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.inventory.lock import Lock, build_request
from onecard.inventory.lock_files import owner, write
from onecard.locks.resolve import adopt, resolve
from onecard.provision.reboot import reboot
from onecard.resources.files.hub import note_probe, resolved_revision
from onecard.ssh.login import Connected
from onecard.ssh.shell import Session


@dataclass(frozen=True)
class HostRun:
    """One run of provision or upgrade on one box.

    inventory: the folder of the lock files. holder: who we are, shown to a run that finds the
    box locked. may_reboot: whether the box is rebooted where a change needs it. listeners:
    receive the run's events beside the console. cache: of the last run's probes.
    """

    box: Connected
    inventory: Path
    console: HostConsole
    holder: str
    may_reboot: bool = False
    listeners: tuple[EventListener, ...] = ()
    cache: FactsCache | None = None

    @property
    def session(self) -> Session:
        """Return the shell on the box, which is another one after a reboot."""
        return self.box.session

    def provision(self, host: Host, report: HostReport, *, check: bool) -> None:
        """Bring the box to its lock; a host without one gets it first. Fills in `report`."""
        if host.lock is None:
            host = self._locked(host, report, check=check)
        earlier = HostReport(host.name, roles=report.roles, seconds=report.seconds)
        report.roles = []
        try:
            self.converge(host, roles.provision, report, check=check)
        finally:
            report.add(earlier)
        if not check:
            self._note_model(host)

    def _note_model(self, host: Host) -> None:
        """Write the commit of the model's files into a lock that names another model."""
        reference = served_model.hub_reference(host)
        if host.lock is None or not reference or host.lock.model == reference:
            return
        note = self.session.run(note_probe(served_model.folder(host)))
        commit = resolved_revision(note.output)
        if commit:
            moved = {"model_revision": commit, "model": reference}
            write(self.inventory, owner(host), host.lock.model_copy(update=moved))

    def resolve(self, host: Host) -> Lock:
        """Return the newest build for the box, from fresh facts. Raises CommandError."""
        with self.console.working(f"resolving {build_request(host.settings)}"):
            lock = resolve(self.session, host, gather(self.session, None))
        self.console.say(
            f"resolved: vLLM {lock.vllm}, torch {lock.torch}, Python {lock.python}, "
            f"{len(lock.packages)} packages"
        )
        return lock

    def _locked(self, host: Host, report: HostReport, *, check: bool) -> Host:
        """Return the host with a lock, its file written; with `check` one that is there already."""
        lock = adopt(self.session, host)
        if lock is not None:
            self.console.say("took the lock from the box")
        elif check:
            return host
        else:
            self.converge(host, roles.system, report, check=False)
            lock = self.resolve(host)
        if not check:
            self.console.say(f"wrote {write(self.inventory, owner(host), lock)}")
        return replace(host, lock=lock)

    def converge(self, host: Host, wanted: Roles, report: HostReport, *, check: bool) -> None:
        """Bring the box to what `wanted` returns, or only show what differs."""
        converge(
            self.session,
            host,
            wanted,
            listener=EventListeners(self.console, *self.listeners),
            guard=lambda facts: refuse_unfit(facts, host, self.console),
            report=report,
            holder=self.holder,
            check=check,
            reboot=self._reboot if self.may_reboot else None,
            cache=self.cache,
        )

    def _reboot(self, reason: str) -> Session:
        self.console.say(f"{reason}: rebooting", "yellow")
        started = time.monotonic()
        session = reboot(
            self.box,
            deadline_s=self.box.host.settings.reboot_timeout,
            waiting=lambda seconds: self.console.waiting("rebooting", seconds),
        )
        self.console.arrived(f"back after {time.monotonic() - started:.0f} s")
        return session


def refuse_unfit(facts: Facts, host: Host, console: HostConsole) -> None:
    """Print the warnings; raise PreflightError where a fact forbids the run."""
    checks = [*preflight(facts, host.settings), *lock_checks(facts, host)]
    for check in checks:
        if check.status != "warning":
            continue
        if check.fix.startswith("invoke provision"):  # which is what runs here
            console.say_once(f"{check.name}: {check.message}")
        else:
            console.say_once(f"warning: {check.message}; {check.fix}", "yellow")
    found = blockers(tuple(checks))
    if found:
        others = "\n".join(f"{check.message}; {check.fix}" for check in found[1:])
        raise PreflightError(f"{found[0].message}; {found[0].fix} (nothing was changed)", others)
