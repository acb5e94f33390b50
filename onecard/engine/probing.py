"""The probes of a run, and their answers. Probes with the same shell text are sent once.

The facts decide which resources the roles want, and so which probes there are; but they are nearly
always those of the last run. So the probes that the last run sent (facts_cache.py) are sent with
those of the facts, in one script, and a second round trip sends only what the fresh facts add.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from onecard.engine.facts_cache import FactsCache
from onecard.engine.first_requests import first_requests, with_facts
from onecard.engine.host_plan import RolePlan
from onecard.errors import ProbeError, UsageError
from onecard.facts import PROBES, Facts, read_facts
from onecard.inventory.host import Host
from onecard.resources.base import Batch, Resource
from onecard.resources.skipped import Skipped
from onecard.ssh.probe_batch import Answer, compose, parse
from onecard.ssh.shell import Session

Roles = Callable[[Host, Facts], Sequence[RolePlan]]


@dataclass(frozen=True)
class Probe:
    """One probe, and the resources that it is about: one, or those that a batch reads together."""

    text: str
    resources: tuple[Resource, ...]
    batch: Batch | None = None

    @property
    def name(self) -> str:
        """Return the resource's name, for a batch the first one's and the number of the others."""
        first, *others = (resource.name for resource in self.resources)
        return f"{first} and {len(others)} others" if others else first

    def split(self, answer: Answer) -> Iterator[tuple[Resource, Answer]]:
        """Yield each resource with its own answer. Raises ProbeError for an unexpected output."""
        if self.batch is None:
            yield from ((resource, answer) for resource in self.resources)
            return
        try:
            parts = self.batch.split(self.resources, answer)
        except (ValueError, LookupError) as error:
            raise ProbeError(
                f"{self.name}: the probe printed unexpected output",
                detail=(answer.errors or answer.output)[-2000:],
            ) from error
        yield from zip(self.resources, parts, strict=True)


def probes_of(resources: Iterable[Resource]) -> tuple[Probe, ...]:
    """Return the probes of the resources of one plan; those of a batch are one probe.

    Raises UsageError when two resources claim the same thing.
    """
    found: list[Probe] = []
    batches: dict[Batch, list[Resource]] = {}
    names: set[str] = set()
    for resource in resources:
        if resource.name in names:
            raise UsageError(f"two roles both want {resource.name}: leave one of them out")
        names.add(resource.name)
        if isinstance(resource, Skipped):
            continue
        if resource.batch is None:
            found.append(Probe(resource.probe(), (resource,)))
        else:
            batches.setdefault(resource.batch, []).append(resource)
    for batch, members in batches.items():
        found.append(Probe(batch.probe(members), tuple(members), batch))
    return tuple(found)


def probes_of_roles(roles: Iterable[RolePlan]) -> tuple[Probe, ...]:
    """Return the probes of every resource of the roles. Raises as `probes_of` does."""
    return probes_of(resource for role in roles for resource in role.resources)


class Prober:
    """Sends the probes of one pass of a run to a box, and stores their answers.

    cache: where facts and probes are stored for the next run; None for nowhere.
    """

    def __init__(self, session: Session, cache: FactsCache | None = None) -> None:
        self._session = session
        self._cache = cache
        self._answers: dict[str, Answer] = {}

    def facts(self, holder: str | None, expected: Sequence[str] = ()) -> Facts:
        """Return the box's facts, and store them; see `first_requests`. Raises BusyError."""
        probes = with_facts(expected)
        output = self._session.send(first_requests(holder, expected))[-1].output
        answers = parse(output, probes)
        facts = read_facts(answers, now=time.time())
        self._answers.update(answers)
        self.store(expected)
        return facts

    def store(self, expected: Iterable[str]) -> None:
        """Store the answers to the facts' probes, and what the next run is to expect."""
        if self._cache is not None:
            self._cache.store({name: self._answers[name] for name in PROBES}, expected)

    def answers(self, probes: Sequence[Probe]) -> dict[str, Answer]:
        """Return name of the resource -> its answer; one round trip, if anything is not known."""
        missing = {each.text: each.text for each in probes if each.text not in self._answers}
        if missing:
            output = self._session.run(compose(missing)).output
            self._answers.update(parse(output, missing))
        return {
            resource.name: answer
            for probe in probes
            for resource, answer in probe.split(self._answers[probe.text])
        }

    def seconds(self, probes: Sequence[Probe]) -> Mapping[str, float]:
        """Return name of a fact, a resource or several -> the seconds of its probe on the box."""
        names = {probe.text: probe.name for probe in probes}
        return {
            names.get(key, key): answer.seconds
            for key, answer in self._answers.items()
            if key in names or key in PROBES
        }
