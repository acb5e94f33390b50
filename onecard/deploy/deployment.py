"""Makes a release the current one on a box, and returns the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import roles
from onecard.console.host_console import HostConsole
from onecard.deploy import memory_table, start_table
from onecard.deploy.console import DeployConsole
from onecard.deploy.startup_check import StartupCheck
from onecard.deploy.watch import StartWatch, check_installed
from onecard.doctor import serving
from onecard.engine.converge import converge
from onecard.engine.host_plan import HostPlan, RolePlan
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener, EventListeners
from onecard.engine.probing import Roles
from onecard.errors import CommandError, PreflightError, UnhealthyError
from onecard.facts import Facts
from onecard.fit import Plan
from onecard.fit.on_host import BoxModel, Settled, read_box_model, refuse_old_vllm, settle
from onecard.inventory.host import Host
from onecard.locks.resolve import adopt
from onecard.served_model import served_name
from onecard.settings.settings import Settings
from onecard.ssh.login import Connected, holder
from roles import serve


@dataclass(frozen=True)
class Deployment:
    """The result of a deploy.

    settled: what was decided for the host, and its memory as planned. changes: what differed on
    the box. check: the startup check; None with --check.
    """

    settled: Settled
    changes: HostPlan
    check: StartupCheck | None

    @property
    def host(self) -> Host:
        """Return the host, with its decisions made."""
        return self.settled.host

    @property
    def planned(self) -> Plan | None:
        """Return the memory as planned; None where the model or the card is not modelled."""
        return self.settled.planned

    @property
    def now_known(self) -> Plan | None:
        """Return the plan with the KV memory that vLLM logged; None without a plan or a log."""
        logged = self.check.first.tracker.facts.kv_available_gib if self.check else None
        return self.settled.plan(kv_gib=logged) if logged and self.planned else None

    @property
    def restarted(self) -> bool:
        """Return whether the server's configuration differed from what ran."""
        return any(item.role == "serve" for item in self.changes.changes)

    @property
    def error(self) -> UnhealthyError | None:
        """Return why it failed, None when it did not."""
        return None if self.check is None else self.check.error(self.host.name)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for --json."""
        error = self.error
        start = self.check.first if self.check else None
        facts = start.tracker.facts if start else None
        is_new = start is not None and start.answered and not start.already
        return {
            "host": self.host.name,
            "status": "failed" if error else "changed" if self.changes.changes else "ok",
            "ctx": self.host.settings.serve.ctx,
            "model": served_name(self.host),
            "unit_changed": self.restarted,
            "ready_s": None,
            "release": None,
            **(self.check.to_json() if self.check else {}),
            "memory": memory_table.measured(facts) if facts else {},
            "planned": self.planned.to_json() if self.planned else None,
            **({"start": start_table.start_budget(start)} if start and is_new else {}),
            **({"error": error.message} if error else {}),
        }


def deploy_host(
    box: Connected,
    host: Host,
    console: DeployConsole,
    *,
    listeners: Sequence[EventListener] = (),
    given: tuple[str, ...] = (),
    command: str = "deploy",
    check: bool = False,
    force: bool = False,
) -> Deployment:
    """Deploy the host's settings to the box that is connected.

    listeners: receive the run's events beside the console. given: the flags of this deploy, which
    the advice after a failed start repeats. command: the task's name, for the release and for who
    finds the box locked. force: also try a context length that the plan says does not fit.
    Raises PreflightError where the box cannot carry it, and what `converge` raises; a start that
    did not answer is in the result.
    """
    if host.lock is None:
        host = replace(host, lock=adopt(box.session, host))
    found = read_box_model(box.session, host)
    require_provisioned(host, found)
    decided: list[Settled] = []

    def guard(facts: Facts) -> None:
        if not force:
            refuse_old_vllm(host, found)
        settled = settle(host, facts, found)
        decided.append(settled)
        warn_of_shortages(facts, settled.host.settings, console)
        warn_of_code(host.settings, console)
        if not force:
            settled.refuse()
            if settled.doubt:
                ctx = host.settings.serve.ctx
                console.say(f"ctx {ctx:,} may not start: {settled.doubt}", "yellow")

    def wanted(host: Host, facts: Facts) -> Sequence[RolePlan]:
        return roles.deploy(decided[-1].host, facts)

    startup = None
    if check:
        both = EventListeners(console, *listeners)
        changes = _converge(box, host, wanted, command, both, check=True, guard=guard)
    else:
        changes, startup = activate(
            box, host, wanted, command, console, listeners=listeners, given=given, guard=guard
        )
    return Deployment(decided[-1], changes, startup)


def warn_of_shortages(facts: Facts, settings: Settings, console: HostConsole) -> None:
    """Print what the server's processes need more of than the box has."""
    for check in serving(facts, settings):
        if check.status != "ok":
            console.say_once(f"warning: {check.message}; {check.fix}", "yellow")


def warn_of_code(settings: Settings, console: HostConsole) -> None:
    """Print that the model's repository brings code, which vLLM runs only where it is allowed."""
    for word in settings.serve.extra_args:
        if word.replace("_", "-").startswith("--trust"):
            console.say_once(f"warning: code in the model's repository will run ({word})", "yellow")


def require_provisioned(host: Host, found: BoxModel) -> None:
    """Raise PreflightError where the host's lock is not what lies on the box."""
    if missing := _missing(host, found):
        raise PreflightError(f"{host.name}: {missing}; run: invoke provision --host {host.name}")


def _missing(host: Host, found: BoxModel) -> str:
    if host.lock is None:
        return "this box is not provisioned yet"
    if not found.vllm:
        return "what this host's lock says is not installed here yet"
    return f"the environment is damaged: {found.damage}" if found.damage else ""


def activate(
    box: Connected,
    host: Host,
    wanted: Roles,
    command: str,
    console: DeployConsole,
    *,
    listeners: Sequence[EventListener] = (),
    given: tuple[str, ...] = (),
    guard: Callable[[Facts], None] = lambda facts: None,
) -> tuple[HostPlan, StartupCheck]:
    """Converge a box to roles that end in a start; return the plan as it was before, and the check.

    Where nothing differed, what is installed is checked. A start that did not answer raises
    nothing: the check has it.
    """
    # The console prints the step's end, so the watch comes first: it removes the live line.
    watch = StartWatch(console, given)
    deadline_s = host.settings.serve.ready_timeout
    try:
        changes = _converge(
            box, host, wanted, command, EventListeners(watch, console, *listeners), guard=guard
        )
    except CommandError:
        if watch.plan is None or watch.check is None:
            raise
        changes, check = watch.plan, watch.check
        if watch.ended and not check.reported:
            # Whatever hid the result, the server may be healthy.
            check = check_installed(box, deadline_s, console, given=given)
        if not check.first.answered and not check.first.reason:
            raise
        return changes, check
    except KeyboardInterrupt:
        if watch.check is not None:
            console.start_ends()
            console.say("the box goes on with this start by itself, and goes back if it fails")
        raise
    finally:
        console.start_ends()
    return changes, watch.check or check_installed(box, deadline_s, console, given=given)


def restore_release(
    box: Connected,
    host: Host,
    console: DeployConsole,
    *,
    command: str,
    release: int,
    fingerprint: str,
) -> tuple[HostPlan, StartupCheck]:
    """Make an earlier release the current one again; return as `activate` does."""

    def wanted(host: Host, facts: Facts) -> Sequence[RolePlan]:
        return (RolePlan("serve", serve.restored(host, release, fingerprint)),)

    return activate(box, host, wanted, command, console)


def _converge(
    box: Connected,
    host: Host,
    wanted: Roles,
    command: str,
    listener: EventListener,
    *,
    check: bool = False,
    guard: Callable[[Facts], None],
) -> HostPlan:
    return converge(
        box.session,
        host,
        wanted,
        listener=listener,
        report=HostReport(host.name),
        holder=holder(command),
        check=check,
        guard=guard,
    )
