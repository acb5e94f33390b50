"""A thing that a role does not want on this box, and why: shown in the plan, never probed."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.resources.base import ABSENT, Differences, Resource, State
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class Skipped(Resource):
    """What the box forbids or already has from outside. why: one word, such as `container`."""

    what: str
    why: str

    @property
    def name(self) -> str:
        return self.what

    def probe(self) -> str:
        return ":"

    def read(self, answer: Answer) -> State:
        return ABSENT

    def desired(self) -> State:
        return ABSENT

    def fix(self, differences: Differences, actual: State) -> str:
        return ":"
