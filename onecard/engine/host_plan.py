"""What would have to change on a host, and the one job that changes it. Pure: no I/O.

A plan is every resource of every role with its actual state and differences. The changes become
one shell script, run detached on the box, that announces each change before and after it and stops
at the first that fails.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onecard.errors import ProbeError
from onecard.resources.base import NEEDS_REBOOT, Difference, Resource, State, diff
from onecard.resources.skipped import Skipped
from onecard.ssh.disk_space import DISK_PROBE
from onecard.ssh.prelude import PRELUDE
from onecard.ssh.probe_batch import Answer

MARK = "@onecard-step"
PROGRESS = "@onecard-progress"
DISKS = "@onecard-disks"
_EVENT = re.compile(
    rf"{MARK} (?P<kind>begin|end) (?P<index>[0-9]{{1,9}}) (?P<code>[0-9]{{1,9}})", re.ASCII
)


@dataclass(frozen=True)
class RolePlan:
    """A role's name and the resources that it wants on this host, in order.

    waits: it depends on facts that a role before it is about to change: its resources are not
        known yet, and the roles are called again when that one is in order.
    """

    name: str
    resources: tuple[Resource, ...]
    waits: bool = False


@dataclass(frozen=True)
class Item:
    """One resource as the box has it. No differences means that it is in order."""

    role: str
    resource: Resource
    actual: State
    differences: Mapping[str, Difference]


@dataclass(frozen=True)
class SkippedItem:
    """What a role leaves out on this host."""

    role: str
    resource: Skipped


@dataclass(frozen=True)
class HostPlan:
    """Every item of every role, in order. waiting: the roles that are not planned yet."""

    items: tuple[Item, ...]
    waiting: tuple[str, ...] = ()
    skipped: tuple[SkippedItem, ...] = ()

    @property
    def changes(self) -> tuple[Item, ...]:
        """Return the items that differ."""
        return tuple(item for item in self.items if item.differences)


def make_plan(roles: Sequence[RolePlan], answers: Mapping[str, Answer]) -> HostPlan:
    """Return the plan that the probes' answers lead to.

    answers: name of the resource -> answer.
    """
    items = []
    skipped = []
    pairs = [(role.name, resource) for role in roles for resource in role.resources]
    for role, resource in pairs:
        if isinstance(resource, Skipped):
            skipped.append(SkippedItem(role, resource))
            continue
        if resource.name not in answers:
            raise ProbeError(f"{resource.name}: the box gave no answer")
        actual = resource.understand(answers[resource.name])
        items.append(Item(role, resource, actual, diff(resource.desired(), actual)))
    waiting = tuple(role.name for role in roles if role.waits)
    return HostPlan(tuple(items), waiting, tuple(skipped))


def job_script(changes: Sequence[Item], *, go_on: bool = False) -> str:
    """Return the shell script that makes every change, in order.

    go_on: also make those after one that failed.
    """
    lines = [
        "export LC_ALL=C",
        PRELUDE,
        "code=0",
        # A disk that is full now may not be so any more when what the step made is gone.
        f"look_at_disks() {{\necho\nprintf '{DISKS} '",
        f"{{\n{DISK_PROBE}}} | base64 | tr -d '\\n'\necho\n}}",
    ]
    for index, item in enumerate(changes):
        lines += [
            f'echo "{MARK} begin {index} 0"',
            "( set -e",
            item.resource.fix(item.differences, item.actual),
            ") </dev/null",
            "code=$?",
            f"[ $code -eq 0 ] || [ $code -eq {NEEDS_REBOOT} ] || {{",
            "look_at_disks",
            item.resource.clean_up(),
            "}",
            f'echo; echo "{MARK} end {index} $code"',
            "" if go_on else "[ $code -eq 0 ] || exit $code",
        ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class StepEvent:
    """A line of the job's output that announces its progress.

    kind: `begin` or `end`; index: of the change; code: exit code for `end`.
    """

    kind: str
    index: int
    code: int


def read_event(line: str) -> StepEvent | None:
    """Return what an output line of the job announces, None for an ordinary or garbled line."""
    found = _EVENT.fullmatch(line)
    return StepEvent(found["kind"], int(found["index"]), int(found["code"])) if found else None


def read_disks(line: str) -> str | None:
    """Return what disk_space.DISK_PROBE printed after a change failed; None for other lines."""
    word, _, encoded = line.partition(" ")
    if word != DISKS:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8", "replace")
    except ValueError:
        return ""


def read_progress(line: str) -> tuple[float, str] | None:
    """Return the share done (0 to 1) and the text of a line `@onecard-progress SHARE TEXT`."""
    word, _, rest = line.partition(" ")
    share, _, text = rest.partition(" ")
    if word != PROGRESS:
        return None
    try:
        done = float(share)
    except ValueError:
        return None
    return None if math.isnan(done) else (min(max(done, 0.0), 1.0), text)
