"""What a run changed on each host, in numbers: the source of the recap and the JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from onecard.engine.timings import Timings


@dataclass
class RoleReport:
    """One role on one host.

    skipped: resources that the box forbids. seconds: spent on its changes; 0 when it was in order.
    """

    name: str
    ok: int = 0
    changed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0

    @property
    def status(self) -> str:
        """Return `ok`, `changed` or `failed`."""
        return "failed" if self.failed else "changed" if self.changed else "ok"

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "name": self.name,
            "status": self.status,
            "ok": self.ok,
            "changed": self.changed,
            "failed": self.failed,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 2),
        }


@dataclass
class HostReport:
    """One host.

    round_trips: waits for an answer of the box after the login.
    error: one line when the run could not be finished; detail: further lines of it.
    exit_code: 0 when all went well.
    reboot_needed: what could be done is done, and the rest waits for a reboot.
    pending: with --check, the changes that would be made; `changed` counts them.
    timings: where the time went, stage by stage.
    warm: with --warm, what filled the compile caches, or why nothing did.
    """

    host: str
    roles: list[RoleReport] = field(default_factory=list)
    seconds: float = 0.0
    round_trips: int = 0
    error: str = ""
    detail: str = ""
    exit_code: int = 0
    reboot_needed: bool = False
    pending: list[dict[str, Any]] = field(default_factory=list)
    timings: Timings = field(default_factory=Timings)
    warm: str = ""

    @property
    def ok(self) -> int:
        """Return how many resources were in order."""
        return sum(role.ok for role in self.roles)

    @property
    def changed(self) -> int:
        """Return how many resources were changed (with --check: would be)."""
        return sum(role.changed for role in self.roles)

    @property
    def failed(self) -> int:
        """Return how many resources could not be changed."""
        return sum(role.failed for role in self.roles)

    @property
    def skipped(self) -> int:
        """Return how many resources were left out because the box forbids them."""
        return sum(role.skipped for role in self.roles)

    @property
    def status(self) -> str:
        """Return `ok`, `changed`, `failed` or `unreachable`."""
        if self.exit_code == 3:
            return "unreachable"
        if self.error or self.failed:
            return "failed"
        return "changed" if self.changed else "ok"

    def add(self, earlier: HostReport) -> None:
        """Count what an earlier part of the same run did: those resources are in order by now."""
        roles = {role.name: role for role in self.roles}
        for before in earlier.roles:
            role = roles.get(before.name)
            if role is None:
                self.roles.append(before)
                continue
            role.changed += before.changed
            role.ok = max(0, role.ok - before.changed)
            role.seconds += before.seconds
        self.seconds += earlier.seconds

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        shown: dict[str, Any] = {
            "host": self.host,
            "status": self.status,
            "changed": self.changed,
            "ok": self.ok,
            "failed": self.failed,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 2),
            "round_trips": self.round_trips,
            "roles": [role.to_json() for role in self.roles],
        }
        if self.error:
            shown["error"] = self.error
        if self.reboot_needed:
            shown["reboot_needed"] = True
        if self.pending:
            shown["pending"] = self.pending
        if self.warm:
            shown["warm"] = self.warm
        if self.timings.stages:
            shown["timings"] = self.timings.to_json()
        return shown
