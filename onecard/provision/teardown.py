"""Removes everything of onecard from a box and its copies on this computer, and verifies it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from onecard.console.host_console import HostConsole
from onecard.credentials import client_copies, secret_store
from onecard.credentials.secret import Secret
from onecard.engine.converge import converge, gather, inspect, remove_own_traces
from onecard.engine.host_plan import HostPlan, Item, RolePlan
from onecard.engine.host_report import HostReport
from onecard.errors import CommandError, DriftError, OnecardError
from onecard.facts import Facts
from onecard.facts.teardown import TeardownFacts, read_teardown_facts, teardown_facts_script
from onecard.inventory.host import Host
from onecard.inventory.selection import read_pin, write_pin
from onecard.project import own_folder
from onecard.ssh.login import Connected, connected, holder
from roles import teardown as role

SHORTEST_SECRET = 12  # characters; a shorter one is found where it does not stand


@dataclass(frozen=True)
class Teardown:
    """What a teardown found and did.

    plan: what was there before. proof: the same resources afterwards, None with `check`.
    wiped: files out of which a secret was wiped. forgotten: what this computer no longer stores.
    error: why the job on the box ended early.
    """

    plan: HostPlan
    proof: HostPlan | None = None
    wiped: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    error: OnecardError | None = None


class _Before(HostConsole):
    """Lists what would go, one line each."""

    def planned(self, plan: HostPlan) -> None:
        for item in plan.changes:
            self.say(f"goes: {item.resource.name}  {left(item)}", "yellow")


class _During(HostConsole):
    """Prints the changes alone, since the plan was shown before; collects what was wiped."""

    def __init__(self, console: Console, host: str) -> None:
        super().__init__(console, host)
        self.wiped: list[str] = []

    def facts(self, facts: Facts) -> None:
        pass

    def planned(self, plan: HostPlan) -> None:
        pass

    def line(self, item: Item, text: str) -> None:
        if text.startswith("wiped "):
            self.wiped.append(f"{item.resource.name}: {text.removeprefix('wiped ')}")
        super().line(item, text)


def teardown_host(
    host: Host,
    known_hosts: Path,
    console: Console,
    confirm: Callable[[], None],
    *,
    check: bool,
) -> Teardown:
    """Remove everything from a box, verify that it is gone, then remove the copies here.

    confirm: called before the first change; raises what ends the teardown. check: change nothing.
    """
    during = _During(console, host.name)
    error: OnecardError | None = None
    with connected(host, known_hosts) as box:
        facts = _teardown_facts(box)
        plan = _converge(box, facts, _Before(console, host.name), check=True)
        if check:
            return Teardown(plan)
        if plan.changes:
            confirm()
        try:
            _converge(box, facts, during, check=False)
        except (CommandError, DriftError) as failed:
            error = failed
        proof = _prove(box, facts)
    forgotten = () if proof.changes else forget(host)
    return Teardown(plan, proof, tuple(during.wiped), forgotten, error)


def left(item: Item) -> str:
    """Return what is there of an item that must go, as one line."""
    return ", ".join(str(each.actual) for each in item.differences.values())


def forget(host: Host) -> tuple[str, ...]:
    """Remove what this computer no longer needs; return what that was."""
    forgotten, project = [], own_folder()
    if client_copies.remove(host.name):
        forgotten.append("the copy of its API key and certificate")
    if read_pin(project) == host.name:
        write_pin(project, "")
        forgotten.append("that it was pinned by `invoke use`")
    return tuple(forgotten)


def known_secrets(host: str) -> tuple[Secret, ...]:
    """Return the secrets of a host that this computer stores, long enough to search for."""
    here = (
        client_copies.key(host),
        *(secret_store.find(name, host) for name in secret_store.NAMES),
    )
    return tuple(each for each in here if each and len(each.reveal()) >= SHORTEST_SECRET)


def _teardown_facts(box: Connected) -> TeardownFacts:
    """Read what is about to be removed; add the secrets that this computer stores."""
    settings = box.host.settings
    output = box.session.run(teardown_facts_script(settings.user)).output
    return read_teardown_facts(output, settings.serve.port, known_secrets(box.host.name))


def _converge(
    box: Connected, facts: TeardownFacts, console: HostConsole, *, check: bool
) -> HostPlan:
    return converge(
        box.session,
        box.host,
        lambda host, found: (RolePlan("teardown", role.desired(host, found, facts)),),
        listener=console,
        report=HostReport(box.host.name),
        holder=holder("teardown"),
        check=check,
        go_on=True,
    )


def _prove(box: Connected, facts: TeardownFacts) -> HostPlan:
    """Remove what the run itself left, and verify everything once more."""
    remove_own_traces(box.session, role.run_files())
    resources = (*role.desired(box.host, gather(box.session, None), facts), *role.run_files())
    return inspect(box.session, [RolePlan("teardown", resources)])
