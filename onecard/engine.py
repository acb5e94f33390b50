"""The one place that executes a plan.

facts (and the lock)   1 round trip
probe everything       1 round trip     --check stops here; so does a box in order
apply what differs     1 round trip     detached on the box, watched
probe what differed    1 round trip     an empty difference is success; exit 0 is not
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from onecard.errors import CommandError, DriftError, OnecardError
from onecard.facts import PROBES, Facts, read_facts
from onecard.host import Host
from onecard.job import StepResult, Watcher, run_job
from onecard.plan import Item, Plan, RolePlan, make_plan, probes
from onecard.report import HostReport, RoleReport
from onecard.resources.base import diff
from onecard.script import compose, parse
from onecard.session import Request, Session

Roles = Callable[[Host, Facts], Sequence[RolePlan]]


class Reporter(Watcher):
    """What wants to know how a host gets on."""

    def facts(self, facts: Facts) -> None:
        """Note the facts."""

    def planned(self, plan: Plan) -> None:
        """Note what differs."""


def gather(session: Session, holder: str | None) -> Facts:
    """Return the box's facts, taking the lock in the same round trip unless `holder` is None.

    holder: who we are, for whoever finds the lock taken. Raises BusyError.
    """
    lock = [] if holder is None else [Request("lock", holder.encode())]
    output = session.ask([*lock, Request.run(compose(PROBES))])[-1].output
    return read_facts(parse(output, PROBES), now=time.time())


def inspect(session: Session, roles: Sequence[RolePlan]) -> Plan:
    """Return the plan for roles whose resources are all asked in one round trip."""
    questions = probes(resource for role in roles for resource in role.resources)
    answers = parse(session.run(compose(questions)).output, questions)
    return make_plan(roles, answers)


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
) -> Plan:
    """Bring a host to what its roles want, or only say what that would take.

    report: filled in as it goes, also when an error ends the run.
    go_on: try every change, also those behind one that fails.
    guard: raises PreflightError when the facts forbid the run.
    Returns the plan as it was before any change. Raises what is in errors.py.
    """
    started = time.monotonic()
    try:
        facts = gather(session, None if check else holder)
        reporter.facts(facts)
        guard(facts)
        wanted = roles(host, facts)
        report.roles = [RoleReport(role.name) for role in wanted]
        plan = inspect(session, wanted)
        reporter.planned(plan)
        _count(report, plan, check=check)
        if plan.changes and not check:
            _apply(session, plan.changes, reporter, report, go_on=go_on)
        return plan
    finally:
        report.seconds = time.monotonic() - started
        report.round_trips = session.round_trips


def _count(report: HostReport, plan: Plan, *, check: bool) -> None:
    by_name = {role.name: role for role in report.roles}
    for item in plan.items:
        if not item.differences:
            by_name[item.role].ok += 1
        elif check:
            by_name[item.role].changed += 1
            report.pending.append(
                {
                    "role": item.role,
                    "resource": item.resource.name,
                    "changes": [str(difference) for difference in item.differences.values()],
                }
            )


def _apply(
    session: Session,
    changes: Sequence[Item],
    reporter: Reporter,
    report: HostReport,
    *,
    go_on: bool,
) -> None:
    by_name = {role.name: role for role in report.roles}
    results = run_job(session, changes, reporter, go_on=go_on)
    for result in results:
        by_name[result.item.role].seconds += result.seconds
    left = _look_again(session, results)
    for result in results:
        role = by_name[result.item.role]
        if result.code is None:
            continue
        if result.item.resource.name in left:
            role.failed += 1
        else:
            role.changed += 1
    _raise_for(results, left)


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
    for result in results:
        name = result.item.resource.name
        advice = result.item.resource.advice()
        hint = f"; {advice}" if advice else ""
        output = "\n".join(result.output)
        if result.code not in (0, None):
            raise CommandError(
                f"{result.item.role}: {name}: its commands ended with code {result.code}{hint}",
                output,
            )
        if name in left and result.code == 0:
            raise DriftError(
                f"{result.item.role}: {name}: its commands succeeded but the box still differs: "
                f"{left[name]}{hint}",
                output,
            )
    missed = sum(result.code is None for result in results)
    if missed:
        raise CommandError(
            f"the job on the box ended before {missed} of {len(results)} changes; run this again"
        )
