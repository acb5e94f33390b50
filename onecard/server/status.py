"""The status of a host's server: whether its API answers, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onecard.api.metrics import read_metrics
from onecard.diagnosis import NO_ERROR, Diagnosis, diagnose
from onecard.errors import UnhealthyError
from onecard.server.client import client
from onecard.server.health import NotServingError
from onecard.server.start_journal import journal_of
from onecard.server.state import ServiceState, service_state
from onecard.ssh.login import Connected

_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class ServerStatus:
    """What a server is, and what is wrong with it.

    version: of vLLM; empty where the server does not answer. trouble: empty where it answers.
    fix: what to do, where the health check knows it. diagnosis: of the journal of a server that
    does not answer. metrics: its counters since its start (api/metrics.py); empty unless requested.
    """

    state: ServiceState
    version: str = ""
    trouble: str = ""
    fix: str = ""
    diagnosis: Diagnosis = NO_ERROR
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def answers(self) -> bool:
        """Return whether its API answers."""
        return not self.trouble


def server_status(box: Connected, *, metrics: bool = False) -> ServerStatus:
    """Request the server's version; read its journal where it does not answer.

    metrics: request its counters too.
    """
    state = service_state(box.session)
    trouble = fix = ""
    try:
        with client(box, state, timeout_s=_TIMEOUT_S) as api:
            counters = read_metrics(api.metrics()) if metrics else {}
            return ServerStatus(state, api.version(), metrics=counters)
    except NotServingError as error:
        trouble, fix = error.trouble.message, error.trouble.fix
    except UnhealthyError as error:
        trouble = error.message
    found = diagnose(box.session.run(journal_of(state)).output) if state.loaded else NO_ERROR
    return ServerStatus(state, "", (found.failure and found.cause) or trouble, fix, found)
