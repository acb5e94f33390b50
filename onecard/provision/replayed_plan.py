"""What `provision` would want on a box that is known from replayed facts only. No connection.

The facts say what the driver role does. What the other roles want is known too, but not which of it
the box has already: their resources are listed, not compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import roles
from onecard.doctor import blockers, preflight
from onecard.doctor.build_checks import lock_checks
from onecard.doctor.check import Check
from onecard.doctor.replay import Replay
from onecard.driver import DriverPlan, decide
from onecard.engine.host_plan import RolePlan
from onecard.inventory.host import Host
from onecard.resources.base import Resource
from onecard.resources.skipped import Skipped
from roles import own_role


@dataclass(frozen=True)
class ReplayedPlan:
    """The plan for replayed facts.

    driver: None where the host has no cards to drive, or the facts do not tell.
    checks: what `provision` checks first, without what is in order.
    roles: empty where a check forbids the run, or the driver is unknown.
    """

    host: str
    driver: DriverPlan | None
    checks: tuple[Check, ...]
    roles: tuple[RolePlan, ...]
    unknown: tuple[str, ...]

    @property
    def blockers(self) -> tuple[Check, ...]:
        """Return the checks that forbid the run."""
        return blockers(self.checks)

    @property
    def pending(self) -> bool:
        """Return whether the driver would change; of the rest the facts tell nothing."""
        return self.driver is not None and self.driver.pending

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "host": self.host,
            "driver": None if self.driver is None else _driver(self.driver),
            "checks": [vars(check) for check in self.checks],
            "roles": [
                {
                    "name": role.name,
                    "waits": role.waits,
                    "resources": [resource.name for resource in wanted(role)],
                    "skipped": [each.name for each in role.resources if isinstance(each, Skipped)],
                }
                for role in self.roles
            ],
            "unknown": list(self.unknown),
        }


def replayed_plan(replay: Replay, host: Host) -> ReplayedPlan:
    """Return the plan for a host whose box has these facts."""
    own_role.check(host)
    facts = replay.facts
    found = replay.marked((*preflight(facts, host.settings), *lock_checks(facts, host)))
    checks = tuple(check for check in found if check.status != "ok")
    driver = None
    if host.settings.accelerator == "nvidia" and not replay.missing("driver"):
        driver = decide(facts, host.settings.driver)
    known = driver is not None or host.settings.accelerator == "cpu"
    planned = roles.provision(host, facts) if known and not blockers(checks) else ()
    return ReplayedPlan(host.name, driver, checks, planned, replay.unknown)


def wanted(role: RolePlan) -> tuple[Resource, ...]:
    """Return a role's resources without those that it skips on this box."""
    return tuple(each for each in role.resources if not isinstance(each, Skipped))


def _driver(plan: DriverPlan) -> dict[str, Any]:
    return {
        "action": plan.action,
        "reason": plan.reason,
        "fix": plan.fix,
        "reboot": plan.reboot,
        "packages": list(plan.packages),
        "removed": list(plan.remove),
    }
