"""`invoke smoke`."""

from __future__ import annotations

from rich.console import Console

from onecard import cli
from onecard.connect import connected
from onecard.console import progress_console
from onecard.engine import gather
from onecard.questions import questions
from onecard.runs import recorded
from onecard.runs.facts import ask_software
from onecard.runs.smoke import note_server, note_smoke
from onecard.server import client, service_state
from onecard.smoke.progress import Counted, smoke_steps
from onecard.smoke.report import CaseResult
from onecard.smoke.run import run_smoke
from onecard.smoke.table import render


def smoke(requested: str, *, cases: str, repeats: int, as_json: bool) -> int:
    """Ask the running server; return 1 when an answer is wrong or no picture was needed."""
    host = cli.chosen_host(requested)
    if cases:
        questions("", cases)  # a bad file is told before any connection
    results: list[CaseResult] = []
    with (
        recorded("smoke", host, {"cases": cases, "repeats": repeats}) as record,
        connected(host, cli.known_hosts()) as box,
    ):
        record.facts(gather(box.session, None), ask_software(box.session))
        state = service_state(box.session)
        with client(box, state) as api:
            note_server(record, state, api.version())
            asked = questions(state.model, cases)
            console = progress_console()
            with smoke_steps(console, host.name, asked, repeats) as steps:

                def on_result(result: CaseResult) -> None:
                    results.append(result)
                    # A case that the server refuses is not asked again.
                    steps.reach(1 + len(results) * repeats, result.name)
                    word = "ok" if result.passed else "WRONG"
                    console.print(f"{result.name}: {word}", markup=False)

                report = run_smoke(
                    Counted(api, steps.step),
                    asked,
                    host=host.name,
                    repeats=repeats,
                    on_result=on_result,
                )
            note_smoke(record, asked.cases, report)
            record.exit_code = 0 if report.ok else 1
    if as_json:
        cli.print_json(report.to_json())
    else:
        render(report, Console(highlight=False))
    return 0 if report.ok else 1
