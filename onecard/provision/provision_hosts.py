"""`invoke provision` and `invoke plan`: several hosts at once, each with a report of its own.

What a login does not need is loaded while it waits for the box (`_load`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from onecard import served_model
from onecard.engine.facts_cache import FactsCache, cache_of
from onecard.engine.first_requests import first_requests
from onecard.engine.host_report import HostReport
from onecard.engine.timings import Stage, Timings
from onecard.errors import OnecardError, RebootNeededError
from onecard.inventory.host import Host, with_index_login
from onecard.inventory.lock_files import refuse_other_settings
from onecard.locks.cpu_build import refuse_impossible
from onecard.locks.indexes import netrc
from onecard.provision.begun_login import BegunLogin
from onecard.ssh.login import Connected, connected, holder
from onecard.ssh.shell import Request

if TYPE_CHECKING:
    from onecard.console.host_console import HostConsole


def provision(
    hosts: Sequence[Host],
    known_hosts: Path,
    make_console: Callable[[Host], HostConsole],
    *,
    command: str,
    check: bool = False,
    allow_reboot: bool = False,
    parallel: int = 8,
    any_errors_fatal: bool = False,
    before: Sequence[Stage] = (),
    begun: Mapping[str, BegunLogin] = MappingProxyType({}),
) -> list[HostReport]:
    """Provision every host and return a report for each; an error ends its host alone.

    make_console: called when the host has answered. command: the task's name, shown to a run that
    finds the box locked. check: only show the plan. allow_reboot: reboot where a change needs it,
    also where the host's settings do not allow it. parallel: hosts at once, at most; the others
    wait. any_errors_fatal: after an error the hosts that still wait are not begun.
    before: the stages of this process until now, for the reports' timings. begun: the logins that
    have begun, by the host's name.
    """
    inventory, boxes, failed = known_hosts.parent, _Boxes(known_hosts), threading.Event()

    def one(host: Host) -> HostReport:
        report, login = HostReport(host.name), begun.get(host.name)
        report.timings.stages.extend(before)
        try:
            if any_errors_fatal and failed.is_set():
                raise OnecardError("not begun: another host failed")
            with report.timings.stage("settings"):
                refuse_other_settings(host, inventory)
                host = ready_to_install(host)
                cache = cache_of(inventory, host.name)
                who = holder(command)
                first = _first_requests(host, cache, None if check else who)
                if login is not None:
                    login.go_on(first)
            loader = _loading(host)
            from onecard.records import recorded
            from onecard.records.record_listener import RecordListener

            with (
                recorded("provision", host, keep=not check, report=report) as record,
                boxes.opened(host, report.timings, first, login) as box,
            ):
                loader.join()
                from onecard.provision.host_run import HostRun

                console, own = make_console(host), (RecordListener(record),)
                may_reboot = allow_reboot or host.settings.allow_reboot
                run = HostRun(box, inventory, console, who, may_reboot, own, cache)
                run.provision(host, report, check=check)
        except OnecardError as error:
            _end(report, error, login)
            failed.set()
        return report

    return _at_once(one, hosts, parallel, boxes.leave)


def _first_requests(host: Host, cache: FactsCache, holder: str | None) -> tuple[Request, ...]:
    """Return what goes with the login; nothing to a host that must be given its lock first."""
    known = cache.expected and host.lock is not None
    return first_requests(holder, cache.expected) if known else ()


def _end(report: HostReport, error: OnecardError, login: BegunLogin | None) -> None:
    report.error, report.detail = error.message, error.detail
    report.reboot_needed = isinstance(error, RebootNeededError)
    report.exit_code = error.exit_code
    if login is not None:
        login.cancel()


def _at_once(
    one: Callable[[Host], HostReport],
    hosts: Sequence[Host],
    parallel: int,
    stop: Callable[[], None],
) -> list[HostReport]:
    """Return the report of each host, so many at once; `stop` ends the others after Ctrl-C."""
    with ThreadPoolExecutor(min(parallel, len(hosts))) as pool:
        try:
            return list(pool.map(one, hosts))
        except KeyboardInterrupt:
            # The jobs on the boxes end by themselves; only the watching ends here and now.
            stop()
            raise


class _Boxes:
    """The connections to the hosts of one run, which Ctrl-C ends all at once."""

    def __init__(self, known_hosts: Path) -> None:
        self._known_hosts = known_hosts
        self._opened: list[Connected] = []
        self._left = threading.Event()

    def leave(self) -> None:
        """Close every connection. The jobs on the boxes end by themselves."""
        self._left.set()
        for box in self._opened:
            box.connection.close()

    @contextmanager
    def opened(
        self, host: Host, timings: Timings, first: Sequence[Request], begun: BegunLogin | None
    ) -> Iterator[Connected]:
        """Log in to a host, where that has not begun; `first` are its first requests.

        Raises KeyboardInterrupt in place of what `leave` caused.
        """
        try:
            with ExitStack() as stack:
                with timings.stage("login"):
                    ended = begun.end if begun else None
                    box = stack.enter_context(connected(host, self._known_hosts, first, ended))
                self._opened.append(box)
                if self._left.is_set():  # while it logged in, when there was nothing to close yet
                    raise KeyboardInterrupt
                yield box
                with timings.stage("close"):
                    stack.close()
        except OnecardError:
            if self._left.is_set():  # the connection was closed under it: no fault of the box's
                raise KeyboardInterrupt from None
            raise


def _loading(host: Host) -> threading.Thread:
    """Begin to load what is needed once the box has answered."""
    thread = threading.Thread(target=_load, args=(host,), daemon=True)
    thread.start()
    return thread


def _load(host: Host) -> None:
    import onecard.console.host_console
    import onecard.provision.host_run
    import onecard.records.usual  # noqa: F401
    from roles import own_role

    own_role.load(host)


def ready_to_install(host: Host) -> Host:
    """Return the host with the login to its indexes.

    Raises UsageError for settings that no box can be brought to: no build of that kind, a role,
    a folder of wheels or of the model that does not exist, an invalid login.
    """
    from roles import own_role

    refuse_impossible(host)
    own_role.check(host)
    if host.settings.wheelhouse:
        from roles.python import wheelhouse

        wheelhouse(host)
    served_model.folder(host)
    host = with_index_login(host)
    netrc(host)
    return host
