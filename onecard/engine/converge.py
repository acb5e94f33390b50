"""The one place that executes a plan.

facts (and the lock)   1 round trip     with the probes of the run before
probe the rest         0 or 1           --check stops here; so does a box in order
apply what differs     1 round trip     detached on the box, watched
probe what differed    1 round trip     an empty difference is success; exit 0 is not

A change that only a reboot completes ends the run, or, where a reboot is allowed, is followed by
one; then, and when roles wait for what was changed, all of this is done once more from the facts
on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from onecard.engine.facts_cache import FactsCache
from onecard.engine.host_plan import HostPlan, Item, RolePlan, make_plan
from onecard.engine.host_report import HostReport, RoleReport
from onecard.engine.job import run_job
from onecard.engine.listener import EventListener, StepResult
from onecard.engine.probing import Prober, Roles, probes_of, probes_of_roles
from onecard.engine.timings import Timings
from onecard.errors import CommandError, DriftError, FailedStep, OnecardError, RebootNeededError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.base import NEEDS_REBOOT, Resource, diff
from onecard.ssh.shell import Request, Session

# As is; with the driver installed; after a reboot. A box that wants a fourth goes in circles.
_MOST_PASSES = 3
# Below uv's last line of error; in its earlier releases "Caused by".
_CAUSE = re.compile(r"\s+(?:cause|Caused by): (?P<cause>.+)")


def gather(session: Session, holder: str | None) -> Facts:
    """Return the box's facts, taking the lock in the same round trip unless `holder` is None.

    holder: who we are, shown to a run that finds the box locked. Raises BusyError.
    """
    return Prober(session).facts(holder)


def inspect(session: Session, roles: Sequence[RolePlan]) -> HostPlan:
    """Return the plan for roles whose resources are all probed in one round trip."""
    return make_plan(roles, Prober(session).answers(probes_of_roles(roles)))


def remove_own_traces(session: Session, resources: Sequence[Resource]) -> None:
    """Apply resources outside of a job: the files that every job needs cannot be removed by one.

    A later `inspect` verifies that they are gone.
    """
    session.send([Request.run(resource.fix({}, {})) for resource in resources])


def converge(
    session: Session,
    host: Host,
    roles: Roles,
    *,
    listener: EventListener,
    report: HostReport,
    holder: str,
    check: bool = False,
    go_on: bool = False,
    guard: Callable[[Facts], None] = lambda facts: None,
    reboot: Callable[[str], Session] | None = None,
    cache: FactsCache | None = None,
) -> HostPlan:
    """Bring a host to what its roles want, or only return what differs.

    report: filled in as it goes, also when an error ends the run.
    go_on: try every change, also those behind one that fails.
    guard: raises PreflightError when the facts forbid the run.
    reboot: given the reason, reboots the box and returns a session on it; None: not allowed.
    cache: of the last run's probes, which are sent with those of the facts; without it, the
    resources' probes take a second round trip.
    Returns the plan as it was before any change. Raises what is in errors.py.
    """
    started = time.monotonic()
    tally = _Tally(report)
    before: HostPlan | None = None
    rebooted = False
    lock: str | None = None if check else holder
    try:
        for _ in range(_MOST_PASSES):
            prober = Prober(session, cache)
            texts = cache.expected if cache and not before else ()
            with report.timings.stage("facts and probes") as on_box:
                facts = prober.facts(lock, texts)
            listener.facts(facts)
            with report.timings.stage("decide"):
                guard(facts)
                wanted = roles(host, facts)
            plan = _plan(prober, wanted, report.timings, on_box, texts)
            before = before or plan
            listener.planned(plan)
            tally.begin(wanted, plan, check=check)
            if check or not (plan.changes or plan.waiting):
                return before
            with report.timings.stage("apply and verify"):
                reason = _apply(session, plan.changes, listener, tally, go_on=go_on)
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


def _plan(
    prober: Prober,
    wanted: Sequence[RolePlan],
    timings: Timings,
    on_box: dict[str, float],
    expected: Sequence[str],
) -> HostPlan:
    """Return what differs; note in `on_box` how long each answer took.

    expected: the probes that were sent with those of the facts.
    """
    probes = probes_of_roles(wanted)
    with timings.stage("further probes"):
        answers = prober.answers(probes)
    on_box.update(prober.seconds(probes))
    texts = [probe.text for probe in probes]
    if texts != list(expected):
        prober.store(texts)
    return make_plan(wanted, answers)


@dataclass
class _Tally:
    """Fills the report in over several passes.

    round_trips: of the sessions before the present one. applied: names of resources.
    """

    report: HostReport
    round_trips: int = 0
    applied: set[str] = field(default_factory=set)

    def role(self, name: str) -> RoleReport:
        return next(role for role in self.report.roles if role.name == name)

    def begin(self, wanted: Sequence[RolePlan], plan: HostPlan, *, check: bool) -> None:
        known = {role.name: role for role in self.report.roles}
        self.report.roles = [known.get(role.name, RoleReport(role.name)) for role in wanted]
        for report in self.report.roles:
            report.ok = report.skipped = 0
        for left_out in plan.skipped:
            self.role(left_out.role).skipped += 1
        for item in plan.items:
            if not item.differences:
                self.role(item.role).ok += item.resource.name not in self.applied
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
            elif name not in self.applied:
                self.applied.add(name)
                role.changed += 1


def _apply(
    session: Session,
    changes: Sequence[Item],
    listener: EventListener,
    tally: _Tally,
    *,
    go_on: bool,
) -> str:
    """Make the changes and verify them; return why a reboot is needed, else an empty string."""
    if not changes:
        return ""
    results = run_job(session, changes, listener, go_on=go_on)
    left = _verify(session, results)
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


def _verify(session: Session, results: Sequence[StepResult]) -> dict[str, str]:
    """Return name -> what still differs, for the resources whose change was tried."""
    resources = [result.item.resource for result in results if result.code is not None]
    answers = Prober(session).answers(probes_of(resources))
    left = {}
    for resource in resources:
        try:
            actual = resource.understand(answers[resource.name])
        except OnecardError as error:
            left[resource.name] = error.message
            continue
        differences = diff(resource.desired(), actual)
        if differences:
            left[resource.name] = ", ".join(str(each) for each in differences.values())
    return left


def _named_reason(output: Sequence[str]) -> str:
    """Return the last `error: ` line, with the causes that uv indents below it; '' without one."""
    at = max((at for at, line in enumerate(output) if line.startswith("error: ")), default=None)
    if at is None:
        return ""
    below = (_CAUSE.match(line) for line in output[at + 1 :])
    causes = [match["cause"] for match in takewhile(bool, below) if match]
    return ": ".join([output[at].removeprefix("error: "), *causes])


def _raise_for(results: Sequence[StepResult], left: dict[str, str]) -> None:
    # A failed command first: what was changed before it may have been undone because of it.
    for result in results:
        if result.code not in (0, None, NEEDS_REBOOT):
            step = _step(result)
            if reason := _named_reason(result.output):
                raise CommandError(f"{step.name}: {reason}", step=step)
            raise CommandError(
                f"{step.name}: its commands ended with code {result.code}{_hint(result)}",
                step.output,
                step=step,
            )
    for result in results:
        left_over = left.get(result.item.resource.name)
        if left_over and result.code == 0:
            step = _step(result)
            raise DriftError(
                f"{step.name}: its commands succeeded but the box still differs: "
                f"{left_over}{_hint(result)}",
                step.output,
                step=step,
            )
    missed = sum(result.code is None for result in results)
    if missed and not any(result.code == NEEDS_REBOOT for result in results):
        raise CommandError(
            f"the job on the box ended before {missed} of {len(results)} changes; run this again"
        )


def _step(result: StepResult) -> FailedStep:
    item = result.item
    return FailedStep(
        f"{item.role}: {item.resource.name}",
        "\n".join(result.output),
        result.disks,
        item.resource.needed_gib,
    )


def _hint(result: StepResult) -> str:
    resource = result.item.resource
    advice = resource.trouble(result.output) or resource.advice()
    return f"; {advice}" if advice else ""
