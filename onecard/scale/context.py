"""One context length: stop, deploy, wait, smoke, memory, one long request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich.console import Console

from onecard.connect import Connected
from onecard.console import HostConsole
from onecard.deployment import Deployment, deploy_host
from onecard.errors import OnecardError, UnreachableError
from onecard.layout import UNIT
from onecard.measure.progress import waiting
from onecard.questions import questions
from onecard.runs import Record
from onecard.runs.reporter import NotedTrial, note_deployment
from onecard.runs.smoke import note_server, note_smoke
from onecard.runs.start import start_values
from onecard.runs.usual import Usual
from onecard.scale.before import COMMAND
from onecard.scale.fit import at_ctx
from onecard.scale.long_request import SHARE, LongRequest, long_request
from onecard.scale.memory import CardMemory, process_peak_gib
from onecard.server import client, service_state
from onecard.smoke.progress import Counted, smoke_steps
from onecard.smoke.report import SmokeReport, percentile
from onecard.smoke.run import run_smoke
from roles.serve import served_name

LONGEST_REQUEST_S = 1800.0


def measure_context(
    box: Connected, ctx: int, console: Console, record: Record, long_s: float | None
) -> dict[str, Any]:
    """Return the values of the context's `row`; a start that fails is a row too.

    long_s: what its long request will take, where that can be told.
    Raises UnreachableError: without the box there is nothing to go on with.
    """
    box = replace(box, host=at_ctx(box.host, ctx))
    try:
        with CardMemory(box) as cards:
            done = _start(box, console, record)
            if done.error is not None:
                return {"ctx": ctx, "configured": "no", "reason": done.error.message}
            values = _ask(box, ctx, console, record, long_s)
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
    return {"ctx": ctx, "configured": "yes", "reason": "", **_told(done, ctx), **values, **memory}


def _start(box: Connected, console: Console, record: Record) -> Deployment:
    """Deploy anew, also what runs already: its start is what is measured."""
    box.session.run(f"systemctl stop {UNIT} 2>/dev/null")
    shown = NotedTrial(console, box.host.name, usual=Usual(box.host))
    shown.record = record
    done = deploy_host(box, box.host, shown, command=COMMAND, force=True)
    note_deployment(record, done)
    return done


def _told(done: Deployment, ctx: int) -> dict[str, Any]:
    """Return what the start told, under the names of a `row` event."""
    if done.trial is None:
        return {}
    start = done.trial.first
    values = start_values(ctx, start.tracker, start.seconds)
    return {
        **{name: values[name] for name in ("answered_s", "phases", "memory")},
        "kv_tokens": start.tracker.facts.kv_tokens,
        "kv_concurrency": start.tracker.facts.kv_concurrency,
    }


def _ask(
    box: Connected, ctx: int, console: Console, record: Record, long_s: float | None
) -> dict[str, Any]:
    """Ask the picture questions, then the long one."""
    host, say = box.host, HostConsole(console, box.host.name).say
    asked = questions(served_name(host))
    cases = asked.cases
    state = service_state(box.session)
    with client(box, state, timeout_s=LONGEST_REQUEST_S) as api:
        note_server(record, state, api.version())
        with smoke_steps(console, host.name, asked, repeats=1) as steps:
            report = run_smoke(Counted(api, steps.step), asked, host=host.name, repeats=1)
        note_smoke(record, cases, report, ctx=ctx)
        say(f"smoke {report.passed} of {len(cases)} right")
        with waiting(console, host.name, f"a request of {int(SHARE * ctx):,} tokens", long_s):
            long = long_request(api, cases[0], ctx)
    record.add("long_request", **vars(long))
    say(told(long))
    return {
        **_smoke_values(report),
        "long_request": vars(long),
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
