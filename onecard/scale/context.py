"""One context length: stop, deploy, wait, smoke, memory, one long request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich.console import Console

import roles
from onecard.commands.deploy import wait_for_answer
from onecard.connect import Connected, holder
from onecard.console import HostConsole
from onecard.engine import converge
from onecard.errors import OnecardError, UnreachableError
from onecard.host import Host
from onecard.layout import UNIT
from onecard.override import override
from onecard.questions import questions
from onecard.report import HostReport
from onecard.runs import Record
from onecard.runs.reporter import Noting
from onecard.runs.smoke import note_server, note_smoke
from onecard.runs.start import start_values
from onecard.scale.long_request import LongRequest, long_request
from onecard.scale.memory import CardMemory, process_peak_gib
from onecard.server import client, service_state
from onecard.smoke.report import SmokeReport, percentile
from onecard.smoke.run import run_smoke
from roles.serve import served_name

LONGEST_REQUEST_S = 1800.0


def measure_context(
    box: Connected, host: Host, ctx: int, console: Console, record: Record
) -> dict[str, Any]:
    """Return the values of the context's `row`; a start that fails is a row too.

    Raises UnreachableError: without the box there is nothing to go on with.
    """
    host = override(host, {"serve.ctx": ctx}, {"serve.ctx": "--ctx"})
    box = replace(box, host=host)
    try:
        with CardMemory(box) as cards:
            values = _serve_and_ask(box, ctx, console, record)
    except UnreachableError:
        raise
    except OnecardError as error:
        record.failure(error, ctx=ctx)
        return {"ctx": ctx, "configured": "no", "reason": error.message}
    memory = {
        "process_peak_gib": process_peak_gib(box.session),
        "gpu_peak_mib": cards.peak_mib,
    }
    record.add("memory", ctx=ctx, **memory)
    return {"ctx": ctx, "configured": "yes", "reason": "", **values, **memory}


def _serve_and_ask(box: Connected, ctx: int, console: Console, record: Record) -> dict[str, Any]:
    host = box.host
    # A server that already runs at this length is started anew: its start is what is measured.
    box.session.run(f"systemctl stop {UNIT} 2>/dev/null")
    converge(
        box.session,
        host,
        roles.deploy,
        reporter=Noting(record, HostConsole(console, host.name)),
        report=HostReport(host.name),
        holder=holder("scale"),
    )
    name = served_name(host)
    ready = wait_for_answer(box, host, console, name, record)
    cases = questions(name).cases
    state = service_state(box.session)
    with client(box, state, timeout_s=LONGEST_REQUEST_S) as api:
        note_server(record, state, api.version())
        report = run_smoke(api, questions(name), host=host.name, repeats=1)
        note_smoke(record, cases, report, ctx=ctx)
        console.print(f"[dim]{host.name}[/]  smoke {report.passed} of {len(cases)} right")
        asked = long_request(api, cases[0], ctx)
    record.add("long_request", **vars(asked))
    console.print(f"[dim]{host.name}[/]  {told(asked)}")
    start = start_values(ctx, ready.tracker, ready.seconds)
    return {
        "answered_s": start["answered_s"],
        "phases": start["phases"],
        "memory": start["memory"],
        "kv_tokens": ready.tracker.facts.kv_tokens,
        "kv_concurrency": ready.tracker.facts.kv_concurrency,
        **_smoke_values(report),
        "long_request": vars(asked),
    }


def _smoke_values(report: SmokeReport) -> dict[str, Any]:
    return {
        "warmup_s": report.warmup_s,
        "steady_p50_s": percentile(report.steady_s, 50),
        "steady_p95_s": percentile(report.steady_s, 95),
        "smoke_passed": report.passed,
        "smoke_cases": len(report.cases),
        "smoke_ok": report.ok,
    }


def told(asked: LongRequest) -> str:
    """Return the long request in a line."""
    if not asked.answered:
        return f"a request of {asked.aimed_tokens:,} tokens was not answered: {asked.error}"
    right = "right" if asked.right else "wrong"
    return (
        f"a request of {asked.prompt_tokens or 0:,} tokens answered ({right}) in "
        f"{asked.latency_s or 0:.1f} s"
    )
