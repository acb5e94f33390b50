"""A whole run of the engine: one folder is the box."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from onecard.engine.converge import converge
from onecard.engine.facts_cache import FactsCache
from onecard.engine.host_plan import HostPlan, Item, RolePlan
from onecard.engine.host_report import HostReport
from onecard.engine.listener import EventListener, StepResult
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.base import ABSENT, Differences, Resource, State, Upload
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.ssh.probe_batch import Answer
from onecard.ssh.shell import Session
from tests.support.local_pipe import LocalBox

FACTS = json.loads(
    (Path(__file__).parent.parent / "unit/fixtures/facts/debian12-container.json").read_text()
)
HOST = Host("a100-1", Connection("192.0.2.7"), Settings())


@dataclass(frozen=True)
class Marker(Resource):
    """A file that has to be there, and any commands for it: right ones and wrong ones."""

    path: Path
    commands: str = ""
    upload: bytes | None = None
    probe_code: int = 0

    @property
    def name(self) -> str:
        return f"marker {self.path.name}"

    def probe(self) -> str:
        return f"[ ! -e {self.path} ] || echo yes; exit {self.probe_code}"

    def read(self, answer: Answer) -> State:
        return {"there": "yes"} if answer.output else ABSENT

    def desired(self) -> State:
        return {"there": "yes"}

    def fix(self, differences: Differences, actual: State) -> str:
        return self.commands or f"touch {self.path}"

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        return () if self.upload is None else (Upload(f"{self.path}.staged/x", self.upload),)

    def advice(self) -> str:
        return "think again"


class Notes(EventListener):
    """Collects the events of a run."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.lines: list[str] = []

    def facts(self, facts: Facts) -> None:
        self.events.append(f"facts {facts.os.id} {facts.os.version}")

    def planned(self, plan: HostPlan) -> None:
        self.events.append(f"planned {len(plan.changes)}/{len(plan.items)}")

    def begin(self, item: Item) -> None:
        self.events.append(f"begin {item.resource.name}")

    def line(self, item: Item, text: str) -> None:
        self.lines.append(text)

    def progress(self, item: Item, share: float, text: str) -> None:
        self.events.append(f"{share} {text}")

    def end(self, result: StepResult) -> None:
        self.events.append(f"end {result.item.resource.name} {result.code}")


class Run:
    """One box, and runs against it one after the other, each with a session of its own."""

    def __init__(self, folder: Path) -> None:
        (folder / "box").mkdir()
        self.box = LocalBox(folder / "box", FACTS)
        self.notes = Notes()
        self.report = HostReport(HOST.name)

    def __call__(
        self,
        *roles: Sequence[Resource],
        check: bool = False,
        notes: Notes | None = None,
        session: Session | None = None,
        guard: Callable[[Facts], None] = lambda facts: None,
        later: Callable[[], Sequence[RolePlan]] = tuple,
        reboot: Callable[[str], Session] | None = None,
        cache: FactsCache | None = None,
    ) -> HostPlan:
        """Converge to these roles, and to what `later` returns each time that they are probes."""
        plans = [RolePlan(f"role{index}", tuple(each)) for index, each in enumerate(roles)]
        self.notes, self.report = notes or Notes(), HostReport(HOST.name)
        try:
            return converge(
                session or self.box.session(),
                HOST,
                lambda host, facts: [*plans, *later()],
                listener=self.notes,
                report=self.report,
                holder="`invoke provision` of ann",
                check=check,
                guard=guard,
                reboot=reboot,
                cache=cache,
            )
        finally:
            self.box.close()

    @property
    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.box.pipes[-1].requests]

    @property
    def counts(self) -> list[tuple[int, int, int]]:
        return [(role.ok, role.changed, role.failed) for role in self.report.roles]
