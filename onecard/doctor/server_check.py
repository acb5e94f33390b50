"""Check the deployed server; diagnose why it is down, or does not answer."""

from __future__ import annotations

from onecard.diagnosis import Diagnosis, advice, diagnose
from onecard.doctor.check import Check
from onecard.server.health import Trouble


def server(active: str, journal: str, trouble: Trouble | None = None) -> Check:
    """Check the server.

    active: systemd's ActiveState, empty if nothing is deployed. journal: of its last start.
    trouble: result of the health check of a running server; None if it answers.
    """
    if not active:
        return Check("server", "ok", "no server is deployed yet")
    if active in ("active", "activating"):
        if trouble is None:
            return Check("server", "ok", f"the server answers /health, its unit is {active}")
        if trouble.starting:
            return Check("server", "warning", trouble.message, trouble.fix)
        message, fix = trouble.message, trouble.fix
    else:
        message, fix = f"the server is {active}", "invoke start"
    found = diagnose(journal)
    if not found.failure:
        return Check("server", "warning", message, fix)
    return _with_cause(found, message)


def _with_cause(found: Diagnosis, state: str) -> Check:
    """Return the check of a server whose journal has the cause of its state."""
    cause = found.cause or found.line.strip()
    if found.line.strip() not in cause:
        cause += f" ({found.line.strip()})"
    # The fix and its commands are one line here, as in every other check.
    (_, fix), *typed = advice(found)
    fix = "; ".join([fix, *(f"{where}: {text}" for where, text in typed)])
    return Check("server", "warning", f"{state}: {cause}", fix, found.source)
