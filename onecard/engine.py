"""The one place that executes a plan.

facts (and the lock)   1 round trip
probe everything       1 round trip     --check stops here; so does a box in order
apply what differs     1 round trip     detached on the box, watched
probe what differed    1 round trip     an empty difference is success; exit 0 is not

A change that only a reboot completes ends the run, or, where a reboot is allowed, is followed by
one; then, and when roles wait for what was changed, all of this is done once more from the facts
on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onecard.errors import CommandError, DriftError, OnecardError, RebootNeededError
from onecard.facts import PROBES, Facts, read_facts
from onecard.host import Host
from onecard.job import StepResult, Watcher, run_job
from onecard.plan import Item, Plan, RolePlan, make_plan, probes
from onecard.report import HostReport, RoleReport
from onecard.resources.base import NEEDS_REBOOT, Resource, diff
from onecard.script import compose, parse
from onecard.session import Request, Session

Roles = Callable[[Host, Facts], Sequence[RolePlan]]
# As is; with the driver installed; after a reboot. A box that wants a fourth goes in circles.
_MOST_PASSES = 3


class Reporter(Watcher):
    """What wants to know how a host gets on."""

    def facts(self, facts: Facts) -> None:
        """Note the facts."""

    def planned(self, plan: Plan) -> None:
        """Note what differs."""


def gather(session: Session, holder: str | None) -> Facts:
    """Return the box's facts, taking the lock in the same round trip unless `holder` is None.

    holder: who we are, for whoever finds the box locked. Raises BusyError.
    """
    lock = [] if holder is None else [Request("lock", holder.encode())]
    output = session.ask([*lock, Request.run(compose(PROBES))])[-1].output
    return read_facts(parse(output, PROBES), now=time.time())


def inspect(session: Session, roles: Sequence[RolePlan]) -> Plan:
    """Return the plan for roles whose resources are all asked in one round trip."""
    questions = probes(resource for role in roles for resource in role.resources)
    answers = parse(session.run(compose(questions)).output, questions)
    return make_plan(roles, answers)


def remove_own_traces(session: Session, resources: Sequence[Resource]) -> None:
    """Mend resources outside of a job: the files that every job needs cannot go in one.

    Whether they are gone is for a later look to say.
    """
    session.ask([Request.run(resource.fix({}, {})) for resource in resources])


def converge(
    session: Session,
    host: Host,
    roles: Roles,
    *,
    reporter: Reporter,
    report: HostReport,
    holder: str,
    check: bool = False,
    go_on: bool = False,
    guard: Callable[[Facts], None] = lambda facts: None,
    reboot: Callable[[str], Session] | None = None,
) -> Plan:
    """Bring a host to what its roles want, or only say what that would take.

    report: filled in as it goes, also when an error ends the run.
    go_on: try every change, also those behind one that fails.
    guard: raises PreflightError when the facts forbid the run.
    reboot: given the reason, reboots the box and returns a session on it; None: not allowed.
    Returns the plan as it was before any change. Raises what is in errors.py.
    """
    started = time.monotonic()
    tally = _Tally(report)
    before: Plan | None = None
    rebooted = False
    lock: str | None = None if check else holder
    try:
        for _ in range(_MOST_PASSES):
            facts = gather(session, lock)
            reporter.facts(facts)
            guard(facts)
            wanted = roles(host, facts)
            plan = inspect(session, wanted)
            before = before or plan
            reporter.planned(plan)
            tally.begin(wanted, plan, check=check)
            if check or not (plan.changes or plan.waiting):
                return before
            reason = _apply(session, plan.changes, reporter, tally, go_on=go_on)
            lock = None
            if reason:
                waiting = [role.name for role in wanted if role.waits]
                _allow_reboot(reason, waiting, allowed=reboot is not None, again=rebooted)
                tally.round_trips += session.round_trips
                assert reboot is not None
                session, rebooted, lock = reboot(reason), True, holder
            elif not plan.waiting:
                return before
        raise DriftError(f"after {_MOST_PASSES} passes {', '.join(plan.waiting)} still cannot run")
    finally:
        report.seconds = time.monotonic() - started
        report.round_trips = tally.round_trips + session.round_trips


@dataclass
class _Tally:
    """Fills the report in over several passes.

    round_trips: of the sessions before the present one. mended: names of resources.
    """

    report: HostReport
    round_trips: int = 0
    mended: set[str] = field(default_factory=set)

    def role(self, name: str) -> RoleReport:
        return next(role for role in self.report.roles if role.name == name)

    def begin(self, wanted: Sequence[RolePlan], plan: Plan, *, check: bool) -> None:
        known = {role.name: role for role in self.report.roles}
        self.report.roles = [known.get(role.name, RoleReport(role.name)) for role in wanted]
        for report in self.report.roles:
            report.ok = 0
        for item in plan.items:
            if not item.differences:
                self.role(item.role).ok += item.resource.name not in self.mended
            elif check:
                self.role(item.role).changed += 1
                self.report.pending.append(
                    {
                        "role": item.role,
                        "resource": item.resource.name,
                        "changes": [str(difference) for difference in item.differences.values()],
                    }
                )

    def end(self, results: Sequence[StepResult], left: dict[str, str]) -> None:
        for result in results:
            name = result.item.resource.name
            role = self.role(result.item.role)
            role.seconds += result.seconds
            if result.code in (None, NEEDS_REBOOT):
                continue
            if name in left:
                role.failed += 1
            elif name not in self.mended:
                self.mended.add(name)
                role.changed += 1


def _apply(
    session: Session,
    changes: Sequence[Item],
    reporter: Reporter,
    tally: _Tally,
    *,
    go_on: bool,
) -> str:
    """Make the changes and look again; return why a reboot is needed, else an empty string."""
    if not changes:
        return ""
    results = run_job(session, changes, reporter, go_on=go_on)
    left = _look_again(session, results)
    tally.end(results, left)
    _raise_for(results, left)
    for result in results:
        if result.code == NEEDS_REBOOT:
            reason = next((line for line in reversed(result.output) if line), "it says so")
            return f"{result.item.role}: {result.item.resource.name}: {reason}"
    return ""


def _allow_reboot(reason: str, waiting: Sequence[str], *, allowed: bool, again: bool) -> None:
    if again:
        raise DriftError(f"{reason} (after the reboot too)")
    if not allowed:
        rest = f"; {', '.join(waiting)} wait for it" if waiting else ""
        raise RebootNeededError(
            f"{reason}; a reboot is needed{rest}: run this again with --reboot, or set "
            "allow_reboot: true (what was done until here stays)"
        )


def _look_again(session: Session, results: Sequence[StepResult]) -> dict[str, str]:
    """Return name -> what still differs, for the resources whose change was tried."""
    resources = [result.item.resource for result in results if result.code is not None]
    questions = probes(resources)
    answers = parse(session.run(compose(questions)).output, questions)
    left = {}
    for index, resource in enumerate(resources):
        try:
            actual = resource.understand(answers[str(index)])
        except OnecardError as error:
            left[resource.name] = error.message
            continue
        differences = diff(resource.desired(), actual)
        if differences:
            left[resource.name] = ", ".join(str(each) for each in differences.values())
    return left


def _raise_for(results: Sequence[StepResult], left: dict[str, str]) -> None:
    # A failed command first: what was mended before it may have been taken back because of it.
    for result in results:
        if result.code not in (0, None, NEEDS_REBOOT):
            said = [line for line in result.output if line.startswith("error: ")]
            if said:
                reason = said[-1].removeprefix("error: ")
                raise CommandError(f"{result.item.role}: {result.item.resource.name}: {reason}")
            raise CommandError(
                f"{result.item.role}: {result.item.resource.name}: its commands ended with code "
                f"{result.code}{_hint(result)}",
                "\n".join(result.output),
            )
    for result in results:
        name = result.item.resource.name
        if name in left and result.code == 0:
            raise DriftError(
                f"{result.item.role}: {name}: its commands succeeded but the box still differs: "
                f"{left[name]}{_hint(result)}",
                "\n".join(result.output),
            )
    missed = sum(result.code is None for result in results)
    if missed and not any(result.code == NEEDS_REBOOT for result in results):
        raise CommandError(
            f"the job on the box ended before {missed} of {len(results)} changes; run this again"
        )


def _hint(result: StepResult) -> str:
    resource = result.item.resource
    advice = resource.trouble(result.output) or resource.advice()
    return f"; {advice}" if advice else ""
