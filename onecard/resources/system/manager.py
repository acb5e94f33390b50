"""The service manager of a box without systemd."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.resources.absent import Absence
from onecard.resources.base import Differences, Resource, State
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class ServiceManager(Resource):
    """The manager runs (onecard/box/supervision). Its start is the box's boot: units start too."""

    @property
    def name(self) -> str:
        return "service manager"

    def probe(self) -> str:
        return "services manager"

    def read(self, answer: Answer) -> State:
        return {"running": answer.output.strip() == "running"}

    def desired(self) -> State:
        return {"running": True}

    def fix(self, differences: Differences, actual: State) -> str:
        return "services boot"


@dataclass(frozen=True)
class NoServiceManager(Absence):
    """The manager does not run, and so none of its units."""

    @property
    def name(self) -> str:
        return "service manager"

    def probe(self) -> str:
        return "services manager"

    def fix(self, differences: Differences, actual: State) -> str:
        return "services shutdown"
