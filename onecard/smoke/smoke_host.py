"""Runs the smoke test on a host's server and records it."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from onecard.inventory.host import Host
from onecard.records import recorded
from onecard.server.client import client
from onecard.server.state import service_state
from onecard.smoke.progress import CountingClient, smoke_steps
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_box, note_server, note_smoke
from onecard.smoke.report import CaseResult, SmokeReport
from onecard.smoke.smoke_run import run_smoke
from onecard.ssh.login import connected


def smoke_host(
    host: Host, known_hosts: Path, console: Console, *, cases: str, repeats: int
) -> SmokeReport:
    """Send every question `repeats` times. cases: a file, empty for the shipped cases.

    Raises UsageError for a bad file, before any connection.
    """
    if cases:
        questions("", cases)
    results: list[CaseResult] = []
    with (
        recorded("smoke", host, {"cases": cases, "repeats": repeats}) as record,
        connected(host, known_hosts) as box,
    ):
        note_box(record, box)
        state = service_state(box.session)
        with client(box, state) as api:
            note_server(record, state, api.version())
            wanted = questions(state.model, cases)
            with smoke_steps(console, host.name, wanted, repeats) as steps:

                def on_result(result: CaseResult) -> None:
                    results.append(result)
                    # A case that the server refuses is not sent again.
                    steps.reach(1 + len(results) * repeats, result.name)
                    word = "ok" if result.passed else "WRONG"
                    console.print(f"{result.name}: {word}", markup=False)

                report = run_smoke(
                    CountingClient(api, steps.step),
                    wanted,
                    host=host.name,
                    repeats=repeats,
                    on_result=on_result,
                )
            note_smoke(record, wanted.cases, report)
            record.exit_code = 0 if report.ok else 1
    return report
