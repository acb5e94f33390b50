"""What would have to change on a host, and the one job that changes it. Pure: no I/O.

A plan is every resource of every role with its actual state and differences. The changes become
one shell script, run detached on the box, that announces each change before and after it and stops
at the first that fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onecard.errors import UsageError
from onecard.resources.base import Difference, Resource, State, diff
from onecard.script import Answer

MARK = "@onecard-step"
PROGRESS = "@onecard-progress"


@dataclass(frozen=True)
class RolePlan:
    """A role's name and the resources that it wants on this host, in order.

    waits: it depends on facts that a role before it is about to change: its resources are not
        known yet, and the roles are asked again when that one is in order.
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
class Plan:
    """Every item of every role, in order. waiting: the roles that are not planned yet."""

    items: tuple[Item, ...]
    waiting: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[Item, ...]:
        """Return the items that differ."""
        return tuple(item for item in self.items if item.differences)


def probes(resources: Iterable[Resource]) -> dict[str, str]:
    """Return each resource's probe under its index, for script.compose.

    Raises UsageError when two resources of one plan claim the same thing.
    """
    found: dict[str, str] = {}
    names: set[str] = set()
    for index, resource in enumerate(resources):
        if resource.name in names:
            raise UsageError(f"two roles both want {resource.name}: leave one of them out")
        names.add(resource.name)
        found[str(index)] = resource.probe()
    return found


def make_plan(roles: Sequence[RolePlan], answers: Mapping[str, Answer]) -> Plan:
    """Return the plan that the probes' answers lead to."""
    items = []
    pairs = [(role.name, resource) for role in roles for resource in role.resources]
    for index, (role, resource) in enumerate(pairs):
        actual = resource.understand(answers[str(index)])
        items.append(Item(role, resource, actual, diff(resource.desired(), actual)))
    return Plan(tuple(items), tuple(role.name for role in roles if role.waits))


def job_script(changes: Sequence[Item], *, go_on: bool = False) -> str:
    """Return the shell script that mends every change, in order.

    go_on: make the others all the same after one that failed.
    """
    lines = ["export LC_ALL=C", "code=0"]
    for index, item in enumerate(changes):
        lines += [
            f'echo "{MARK} begin {index} 0"',
            "( set -e",
            item.resource.fix(item.differences, item.actual),
            ") </dev/null",
            "code=$?",
            f'echo; echo "{MARK} end {index} $code"',
            "" if go_on else "[ $code -eq 0 ] || exit $code",
        ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class StepEvent:
    """A line of the job's output that tells where it is.

    kind: `begin` or `end`; index: of the change; code: exit code for `end`.
    """

    kind: str
    index: int
    code: int


def read_event(line: str) -> StepEvent | None:
    """Return what an output line of the job announces, None for an ordinary line."""
    if not line.startswith(MARK + " "):
        return None
    _, kind, index, code = line.split(" ")
    return StepEvent(kind, int(index), int(code))


def read_progress(line: str) -> tuple[float, str] | None:
    """Return the share done (0 to 1) and the text of a line `@onecard-progress SHARE TEXT`."""
    word, _, rest = line.partition(" ")
    share, _, text = rest.partition(" ")
    if word != PROGRESS:
        return None
    try:
        return min(max(float(share), 0.0), 1.0), text
    except ValueError:
        return None
