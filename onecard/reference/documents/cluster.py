"""The documents of deploy, rollback and diagnose with --group."""

from __future__ import annotations

from typing import Literal

from onecard.reference.documents.document import Document
from onecard.reference.documents.serving import Deployed, DiagnosisResult, RolledBack


class ClusterBox(Document):
    """Ray on one box of a cluster."""

    host: str
    status: Literal["ok", "changed", "failed"]
    changed: int
    """resources that were changed; with --check: would be"""


class NetworkLink(Document):
    """The way from one box to another."""

    source: str
    target: str
    latency_us: int
    """the median round trip of a byte over TCP"""
    mbit_s: int


class ClusterDeployed(Deployed):
    """Of `deploy --group`: a start on the head, and what was done on all boxes."""

    group: str
    boxes: list[ClusterBox]
    network: list[NetworkLink]


class ClusterRolledBack(RolledBack):
    """Of `rollback --group`."""

    group: str


class ClusterMember(Document):
    """A box of a cluster."""

    name: str
    address: str
    ray: str
    """the state of its unit; empty where the box is not reached"""
    trouble: str
    """in one line; empty where there is none"""


class ClusterState(Document):
    """Of `diagnose --group`."""

    failure: bool
    members: list[ClusterMember]
    """the head first"""
    server: DiagnosisResult | None
    """of the head's log; null where the head is not reached"""
