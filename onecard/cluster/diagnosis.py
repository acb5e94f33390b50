"""What is wrong with a cluster: each box's Ray, and the server on the head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from onecard.box import paths
from onecard.diagnosis import Diagnosis, diagnose
from onecard.engine.converge import inspect
from onecard.errors import OnecardError
from onecard.inventory.host import Host
from onecard.inventory.serving_groups.cluster_group import ClusterGroup
from onecard.resources.base import fields
from onecard.server.journal import diagnose_server
from onecard.ssh.login import Connected, connected
from roles import ray

_LINES = 500


@dataclass(frozen=True)
class MemberState:
    """One box. ray: its unit's state; empty where it is not reached. trouble: in one line."""

    name: str
    address: str
    ray: str
    trouble: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain values for --json."""
        return asdict(self)


@dataclass(frozen=True)
class ClusterDiagnosis:
    """members: the head first. server: of the head's log; None where the head is not reached."""

    members: tuple[MemberState, ...]
    server: Diagnosis | None

    @property
    def failure(self) -> bool:
        """Return whether anything is wrong."""
        server = self.server is None or self.server.failure
        return server or any(each.trouble for each in self.members)

    def to_json(self) -> dict[str, Any]:
        """Return plain values for --json."""
        return {
            "failure": self.failure,
            "members": [each.to_json() for each in self.members],
            "server": self.server.to_json() if self.server else None,
        }


def diagnose_cluster(group: ClusterGroup, known_hosts: Path) -> ClusterDiagnosis:
    """Look at each box, also where others cannot be reached."""
    joined: dict[str, str] = {}
    server: Diagnosis | None = None

    def on_head(box: Connected) -> None:
        nonlocal server
        plan = inspect(box.session, (ray.joined(group, group.head.venv),))
        joined.update({name: str(state) for name, state in plan.items[0].actual.items()})
        server = diagnose_server(box)

    members = [_member(group.head, known_hosts, on_head)]
    members += [_member(host, known_hosts, lambda box: None) for host in group.workers]
    return ClusterDiagnosis(tuple(_with_place(each, joined) for each in members), server)


def _member(host: Host, known_hosts: Path, look: Callable[[Connected], None]) -> MemberState:
    address = host.settings.cluster.address
    try:
        with connected(host, known_hosts) as box:
            state, trouble = _ray_of(box)
            look(box)
    except OnecardError as error:
        return MemberState(host.name, address, "", error.message)
    return MemberState(host.name, address, state, trouble)


def _ray_of(box: Connected) -> tuple[str, str]:
    """Return the state of Ray's unit and, where it does not run, a known error or its last line."""
    shown = fields(box.session.run(f"services show {paths.RAY_UNIT}").output)
    if shown.get("LoadState") != "loaded":
        return "not installed", "Ray is not installed; deploy the group"
    state = shown.get("ActiveState", "")
    if state == "active":
        return state, ""
    text = box.session.run(f"services dated {paths.RAY_UNIT} {_LINES}").output
    last = next((line for line in reversed(text.splitlines()) if line.strip()), "its log is empty")
    found = diagnose(text)
    return state, f"Ray is {state}: {found.line.strip() if found.rule else last}"


def _with_place(member: MemberState, joined: dict[str, str]) -> MemberState:
    state = joined.get(member.name, "alive")
    if member.trouble or state == "alive":
        return member
    return MemberState(
        member.name, member.address, member.ray, f"Ray's head has it as {state}: deploy the group"
    )
