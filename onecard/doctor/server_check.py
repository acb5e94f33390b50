"""How the deployed server is, and why it is down when it is."""

from __future__ import annotations

from onecard.diagnosis import advice, diagnose
from onecard.doctor.check import Check


def server(active: str, journal: str) -> Check:
    """Judge the server's unit.

    active: systemd's ActiveState, empty when nothing is deployed. journal: of its last start.
    """
    if active in ("active", "activating"):
        return Check("server", "ok", f"the server's unit is {active}")
    if not active:
        return Check("server", "ok", "no server is deployed yet")
    found = diagnose(journal)
    if not found.failure:
        return Check("server", "warning", f"the server is {active}", "invoke start")
    told = found.cause or found.line.strip()
    if found.line.strip() not in told:
        told += f" ({found.line.strip()})"
    # What to do and what to type for it, and where, are one line here, as in every other check.
    (_, fix), *typed = advice(found)
    fix = "; ".join([fix, *(f"{where}: {text}" for where, text in typed)])
    return Check("server", "warning", f"the server is {active}: {told}", fix, found.source)
