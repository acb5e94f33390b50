"""Which document each command prints with `--json`.

Box tests validate every document that they read against these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from onecard.facts.model import Facts
from onecard.reference.documents.access import (
    Exposed,
    Gateway,
    MetricsTunnel,
    SecretForgotten,
    SecretPlace,
    SecretRotated,
    Secrets,
    Tunnel,
    Unexposed,
)
from onecard.reference.documents.box import (
    BoxRow,
    Doctor,
    HostResult,
    Hosts,
    PlanOfFacts,
    TeardownCheck,
    TornDown,
    Upgraded,
)
from onecard.reference.documents.cluster import (
    ClusterDeployed,
    ClusterRolledBack,
    ClusterState,
)
from onecard.reference.documents.measuring import (
    Bench,
    Cache,
    Certified,
    Scale,
    Smoke,
    Soak,
    Stress,
    TuneCheck,
    Tuned,
)
from onecard.reference.documents.records import (
    HostList,
    ReportPage,
    Runs,
    SettingList,
)
from onecard.reference.documents.serving import (
    Contributed,
    Deployed,
    DiagnosisResult,
    FitChoices,
    FitResult,
    Idle,
    Releases,
    Rolled,
    RolledBack,
    Scoreboard,
    Status,
    StatusSample,
)

# Command -> its document; of several, which one depends on the action or on --check.
DOCUMENTS: Final[Mapping[str, Any]] = {
    "provision": Hosts,
    "plan": Hosts | PlanOfFacts,
    "upgrade": Upgraded,
    "deploy": Deployed | Rolled | ClusterDeployed,
    "releases": Releases,
    "rollback": RolledBack | Rolled | ClusterRolledBack,
    "status": Status | StatusSample,
    "idle": Idle,
    "smoke": Smoke,
    "secret": Secrets | SecretPlace | SecretForgotten | SecretRotated,
    "tunnel": Tunnel | MetricsTunnel,
    "expose": Exposed | HostResult,
    "unexpose": Unexposed | HostResult,
    "gateway": Gateway | HostResult,
    "teardown": TornDown | TeardownCheck,
    "facts": Facts,
    "doctor": Doctor,
    "diagnose": DiagnosisResult | ClusterState,
    "fit": FitResult | FitChoices | Scoreboard | Contributed,
    "scale": Scale,
    "stress": Stress,
    "bench": Bench,
    "cache": Cache,
    "certify": Certified,
    "soak": Soak,
    "tune": Tuned | TuneCheck,
    "runs": Runs,
    "report": ReportPage,
    "hosts": HostList,
    "settings": SettingList,
    "sandbox.list": list[BoxRow],
}
