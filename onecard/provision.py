"""`invoke provision` and `invoke plan`: several hosts at once, each in a report of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import roles
import roles.model
import roles.python
from onecard.connect import Connected, connected, holder
from onecard.console import HostConsole
from onecard.doctor import blockers
from onecard.doctor import preflight as checks_before
from onecard.doctor.build_checks import lock_checks
from onecard.engine import Roles, converge, gather
from onecard.errors import OnecardError, PreflightError, RebootNeededError
from onecard.facts import Facts
from onecard.host import Host
from onecard.locks.indexes import netrc
from onecard.locks.lock import Lock, asked
from onecard.locks.question import refuse_impossible
from onecard.locks.resolve import adopt, resolve
from onecard.locks.store import refuse_other_settings, write
from onecard.reboot import reboot
from onecard.report import HostReport
from onecard.resources.hub import note_probe, resolved_revision
from onecard.runs import recorded
from onecard.runs.reporter import NotedConsole
from onecard.secret_store import find
from onecard.session import Session

AT_ONCE = 8


def provision(
    hosts: Sequence[Host],
    known_hosts: Path,
    make_console: Callable[[Host], NotedConsole],
    *,
    command: str,
    check: bool = False,
    allow_reboot: bool = False,
) -> list[HostReport]:
    """Provision every host and return a report for each; an error ends its host alone.

    command: the task's name, for whoever finds the box locked. check: only say what would change.
    allow_reboot: reboot where a change needs it, also where the host's settings do not allow it.
    """

    opened: list[Connected] = []
    stopped = threading.Event()

    @contextmanager
    def interruptible() -> Iterator[None]:
        try:
            yield
        except OnecardError:
            if stopped.is_set():  # the connection was closed under it: no fault of the box's
                raise KeyboardInterrupt from None
            raise

    def one(host: Host) -> HostReport:
        report = HostReport(host.name)
        console = make_console(host)
        try:
            refuse_other_settings(host, known_hosts.parent)
            host = ready_to_install(host)
            with (
                recorded("provision", host, keep=not check, report=report) as console.record,
                interruptible(),
                connected(host, known_hosts) as box,
            ):
                opened.append(box)
                if stopped.is_set():  # while it logged in, when there was nothing to close yet
                    raise KeyboardInterrupt
                may_reboot = allow_reboot or host.settings.allow_reboot
                run = Run(box, known_hosts.parent, console, holder(command), may_reboot)
                run.provision(host, report, check=check)
        except OnecardError as error:
            report.error, report.detail = error.message, error.detail
            report.reboot_needed = isinstance(error, RebootNeededError)
            report.exit_code = error.exit_code
        return report

    with ThreadPoolExecutor(min(AT_ONCE, len(hosts))) as pool:
        try:
            return list(pool.map(one, hosts))
        except KeyboardInterrupt:
            # The jobs on the boxes end by themselves; only the watching ends here and now.
            stopped.set()
            for box in opened:
                box.wire.close()
            raise


def ready_to_install(host: Host) -> Host:
    """Return the host with the login to its indexes.

    Raises UsageError for settings that no box can be brought to: no build of that kind, a folder of
    wheels or of the model that is not there, a login that is none.
    """
    refuse_impossible(host)
    roles.python.wheelhouse(host)
    roles.model.folder(host)
    host = replace(host, index_login=find("index-login", host.name))
    netrc(host)
    return host


@dataclass(frozen=True)
class Run:
    """One run of provision or upgrade on one box.

    inventory: the folder that locks are kept in. holder: who we are, for whoever finds the box
    locked. may_reboot: whether the box is rebooted where a change needs it.
    """

    box: Connected
    inventory: Path
    console: HostConsole
    holder: str
    may_reboot: bool = False

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
        """Write the commit of the model's files into the lock, when it is another model's."""
        asked = roles.model.asked(host)
        if host.lock is None or not asked or host.lock.model == asked:
            return
        told = self.session.run(note_probe(roles.model.folder(host)))
        commit = resolved_revision(told.output)
        if commit:
            moved = {"model_revision": commit, "model": asked}
            write(self.inventory, host.name, host.lock.model_copy(update=moved))

    def resolve(self, host: Host) -> Lock:
        """Return the newest build for the box, after looking at it anew. Raises CommandError."""
        with self.console.working(f"resolving {asked(host.settings)}"):
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
            self.console.say(f"wrote {write(self.inventory, host.name, lock)}")
        return replace(host, lock=lock)

    def converge(self, host: Host, wanted: Roles, report: HostReport, *, check: bool) -> None:
        """Bring the box to what `wanted` says of it, or only say what that would take."""
        converge(
            self.session,
            host,
            wanted,
            reporter=self.console,
            guard=lambda facts: preflight(facts, host, self.console),
            report=report,
            holder=self.holder,
            check=check,
            reboot=self._reboot if self.may_reboot else None,
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


def preflight(facts: Facts, host: Host, console: HostConsole) -> None:
    """Tell the warnings; raise PreflightError where a fact forbids the run."""
    checks = [*checks_before(facts, host.settings), *lock_checks(facts, host)]
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
