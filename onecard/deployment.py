"""Bringing a release into force on a box, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import roles
from onecard import memory_table
from onecard.connect import Connected, holder
from onecard.engine import Roles, converge
from onecard.errors import CommandError, PreflightError, UnhealthyError
from onecard.facts import Facts
from onecard.fit import NotModelledError, Plan
from onecard.host import Host
from onecard.host_fit import (
    BoxModel,
    doubt,
    plan_for,
    read_box_model,
    refuse_old_vllm,
    refuse_what_cannot_start,
)
from onecard.locks.resolve import adopt
from onecard.plan import Plan as Changes
from onecard.report import HostReport
from onecard.trial import Trial
from onecard.trial_console import TrialConsole
from roles.serve import served_name


@dataclass(frozen=True)
class Deployment:
    """What came of a deploy.

    changes: what differed on the box. trial: how the start went; None with --check.
    planned: the memory as planned; None where the model or the card is not modelled.
    now_known: the same, with the KV memory that vLLM logged.
    """

    host: Host
    changes: Changes
    trial: Trial | None
    planned: Plan | None = None
    now_known: Plan | None = None

    @property
    def restarted(self) -> bool:
        """Tell whether the server's configuration was not what runs."""
        return any(item.role == "serve" for item in self.changes.changes)

    @property
    def error(self) -> UnhealthyError | None:
        """Return why it failed, None when it did not."""
        if self.trial is None or self.trial.first.answered:
            return None
        return self.trial.error(self.host.name)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for --json."""
        error = self.error
        facts = self.trial.first.tracker.facts if self.trial else None
        return {
            "host": self.host.name,
            "status": "failed" if error else "changed" if self.changes.changes else "ok",
            "ctx": self.host.settings.serve.ctx,
            "model": served_name(self.host),
            "unit_changed": self.restarted,
            "ready_s": None,
            "release": None,
            **(self.trial.to_json() if self.trial else {}),
            "memory": memory_table.measured(facts) if facts else {},
            "planned": self.planned.to_json() if self.planned else None,
            **({"error": error.message} if error else {}),
        }


def deploy_host(
    box: Connected,
    host: Host,
    shown: TrialConsole,
    *,
    command: str = "deploy",
    check: bool = False,
    force: bool = False,
) -> Deployment:
    """Deploy the host's settings to the box that is connected.

    command: the task that does so, for the release and whoever finds the box locked.
    force: try a context length too that the card is planned not to hold.
    Raises PreflightError where the box cannot carry it, and what `converge` raises; a start that
    did not answer is in the result.
    """
    if host.lock is None:
        host = replace(host, lock=adopt(box.session, host))
    found = read_box_model(box.session, host)
    if host.lock is None or not found.vllm:
        raise PreflightError(
            f"{host.name}: {_missing(host)}; run: invoke provision --host {host.name}"
        )
    box_facts: list[Facts] = []

    def guard(facts: Facts) -> None:
        box_facts.append(facts)
        if not force:
            refuse_old_vllm(host, found)
            planned = refuse_what_cannot_start(host, facts, found)
            if why := doubt(planned):
                shown.say(f"ctx {host.settings.serve.ctx:,} may not start: {why}", "yellow")

    changes = bring_into_force(box, host, roles.deploy, command, shown, check=check, guard=guard)
    if not check and shown.trial is None:
        shown.look(box.session, host.settings.serve.ready_timeout)
    planned, known = _plans(host, box_facts[0], found, shown.trial)
    return Deployment(host, changes, shown.trial, planned, known)


def _missing(host: Host) -> str:
    if host.lock is None:
        return "this box is not provisioned yet"
    return "what this host's lock says is not installed here yet"


def bring_into_force(
    box: Connected,
    host: Host,
    wanted: Roles,
    command: str,
    shown: TrialConsole,
    *,
    check: bool = False,
    guard: Callable[[Facts], None] = lambda facts: None,
) -> Changes:
    """Converge a box to roles that end in a trial; return the plan as it was before.

    A start that did not answer is no error here: `shown.trial` tells of it.
    """
    try:
        return converge(
            box.session,
            host,
            wanted,
            reporter=shown,
            report=HostReport(host.name),
            holder=holder(command),
            check=check,
            guard=guard,
        )
    except CommandError:
        if shown.plan is None or shown.trial is None or not shown.trial.first.reason:
            raise
        return shown.plan
    except KeyboardInterrupt:
        if shown.trial is not None:
            shown.say("the box goes on with this start by itself, and goes back if it fails")
        raise


def _plans(
    host: Host, facts: Facts, found: BoxModel, trial: Trial | None
) -> tuple[Plan | None, Plan | None]:
    try:
        planned = plan_for(host, facts, found)
        logged = trial.first.tracker.facts.kv_available_gib if trial else None
        known = plan_for(host, facts, found, kv_gib=logged) if logged else None
    except NotModelledError:
        return None, None
    return planned, known
