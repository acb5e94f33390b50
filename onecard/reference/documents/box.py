"""The documents of provision, plan, upgrade, teardown, doctor and sandbox.list."""

from __future__ import annotations

from typing import Literal

from onecard.doctor.check import Check
from onecard.facts.model import Facts
from onecard.reference.documents.document import Document


class RoleResult(Document):
    """One role on one host."""

    name: str
    status: Literal["ok", "changed", "failed"]
    ok: int
    """resources that were in order"""
    changed: int
    failed: int
    skipped: int = 0
    """resources that the box forbids"""
    seconds: float


class PendingChange(Document):
    """One resource that would change."""

    role: str
    resource: str
    changes: list[str]


class StageTime(Document):
    """One stage of the run on a host."""

    stage: str
    began_ms: int
    """since the start of the process"""
    ms: int
    box_ms: dict[str, int] = {}
    """the time of each fact and each resource on the box, where two are read at a time"""


class HostResult(Document):
    """The run on one host."""

    host: str
    status: Literal["ok", "changed", "failed", "unreachable"]
    changed: int
    """resources; with --check, those that would change"""
    ok: int
    failed: int
    skipped: int = 0
    seconds: float
    round_trips: int
    """answers waited for after the login"""
    roles: list[RoleResult]
    error: str = ""
    reboot_needed: Literal[True] = True
    """what can be done is done; the rest waits for a reboot"""
    pending: list[PendingChange] = []
    """with `plan` or --check"""
    warm: str = ""
    """with --warm: what filled the compile caches, or why nothing did"""
    timings: list[StageTime] = []
    """where the time went; `--timings` shows it"""


class Hosts(Document):
    """Of `provision` and `plan`."""

    hosts: list[HostResult]


class PlannedDriver(Document):
    """What the driver role would do."""

    action: Literal["leave", "install", "reboot", "refuse"]
    reason: str
    fix: str
    reboot: bool
    packages: list[str]
    """to install"""
    removed: list[str]
    """packages that these replace"""


class PlannedRole(Document):
    """What a role wants; which of it the box has is not known."""

    name: str
    waits: bool
    """its resources are known when the driver is in order"""
    resources: list[str]
    skipped: list[str]
    """resources that the box forbids"""


class PlanOfFacts(Document):
    """Of `plan --facts`."""

    host: str
    """the file, or the host whose settings were used"""
    driver: PlannedDriver | None
    """null without cards, or where the facts do not tell"""
    checks: list[Check]
    """those of `provision` that are not in order"""
    roles: list[PlannedRole]
    unknown: list[str]
    """parts of the facts that the file does not have"""


class MovedPackage(Document):
    """One package that another build has in another version."""

    name: str
    old: str
    new: str


class Upgraded(Document):
    """The new build of a host."""

    host: str
    status: Literal["ok", "changed"]
    moved: list[MovedPackage]
    """the packages of the lock that moved"""
    venv: str
    removed: list[str]
    """environments that nothing names any more"""


class TeardownRow(Document):
    """One thing that was verified."""

    what: str
    left: str
    """empty: nothing"""


class TornDown(Document):
    """The cleaned-up host."""

    host: str
    status: Literal["clean", "left"]
    checked: list[TeardownRow]
    wiped: list[str]
    stays: list[str]


class TeardownCheck(Document):
    """With --check."""

    host: str
    status: Literal["clean", "left"]
    left: list[TeardownRow]


class Doctor(Document):
    """The facts of a host, and the checks of them."""

    facts: Facts
    checks: list[Check]
    unknown: list[str] = []
    """with --facts: the parts that the file does not have; their values here are defaults"""


class BoxRow(Document):
    """One sandbox box."""

    name: str
    address: str
    port: int
    user: str
    state: str
    driver: str
    systemd: bool
