"""One context length: stop, deploy, wait, smoke, memory, one long request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from rich.console import Console

from onecard.box.paths import UNIT
from onecard.console.host_console import HostConsole
from onecard.console.steps import waiting
from onecard.deploy.console import deploy_console
from onecard.deploy.deployment import Deployment, deploy_host
from onecard.deploy.deployment_record import note_deployment
from onecard.errors import OnecardError, UnreachableError
from onecard.measure.scale.fit_verdict import at_ctx
from onecard.measure.scale.long_request import SHARE, LongRequest, long_request
from onecard.measure.scale.peak_memory import CardMemory, process_peak_gib
from onecard.records import Record
from onecard.records.record_listener import RecordListener
from onecard.records.start import start_values
from onecard.served_model import served_name
from onecard.server.client import client
from onecard.server.state import service_state
from onecard.smoke.progress import CountingClient, smoke_steps
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_server, note_smoke
from onecard.smoke.report import SmokeReport
from onecard.smoke.smoke_run import run_smoke
from onecard.ssh.login import Connected
from onecard.statistics.percentile import percentile

COMMAND: Final = "scale"  # its releases carry this name
LONGEST_REQUEST_S = 1800.0


def measure_context(
    box: Connected, ctx: int, console: Console, record: Record, long_s: float | None
) -> dict[str, Any]:
    """Return the values of the context's `row`; a start that fails is a row too.

    long_s: what its long request will take, None where that is unknown.
    Raises UnreachableError: the measurement needs the box.
    """
    box = replace(box, host=at_ctx(box.host, ctx))
    try:
        with CardMemory(box) as cards:
            done = _start(box, console, record)
            if done.error is not None:
                return {"ctx": ctx, "configured": "no", "reason": done.error.message}
            values = _requests(box, ctx, console, record, long_s)
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
    return {
        "ctx": ctx,
        "configured": "yes",
        "reason": "",
        **_start_values(done, ctx),
        **values,
        **memory,
    }


def _start(box: Connected, console: Console, record: Record) -> Deployment:
    """Deploy again, also what already runs: its start is what is measured."""
    box.session.run(f"services stop {UNIT} 2>/dev/null")
    shown = deploy_console(box.host, console)
    listeners = [RecordListener(record)]
    done = deploy_host(box, box.host, shown, listeners=listeners, command=COMMAND, force=True)
    note_deployment(record, done)
    return done


def _start_values(done: Deployment, ctx: int) -> dict[str, Any]:
    """Return the figures of the start, under the names of a `row` event."""
    if done.check is None:
        return {}
    start = done.check.first
    values = start_values(ctx, start.tracker, start.seconds)
    return {
        **{name: values[name] for name in ("answered_s", "phases", "memory")},
        "kv_tokens": start.tracker.facts.kv_tokens,
        "kv_concurrency": start.tracker.facts.kv_concurrency,
    }


def _requests(
    box: Connected, ctx: int, console: Console, record: Record, long_s: float | None
) -> dict[str, Any]:
    """Send the picture questions, then the long request."""
    host, say = box.host, HostConsole(console, box.host.name).say
    smoke = questions(served_name(host))
    cases = smoke.cases
    state = service_state(box.session)
    with client(box, state, timeout_s=LONGEST_REQUEST_S) as api:
        note_server(record, state, api.version())
        with smoke_steps(console, host.name, smoke, repeats=1) as steps:
            report = run_smoke(CountingClient(api, steps.step), smoke, host=host.name, repeats=1)
        note_smoke(record, cases, report, ctx=ctx)
        say(f"smoke {report.passed} of {len(cases)} right")
        with waiting(console, host.name, f"a request of {int(SHARE * ctx):,} tokens", long_s):
            long = long_request(api, cases[0], ctx)
    record.add("long_request", **vars(long))
    say(described(long))
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


def described(long: LongRequest) -> str:
    """Return the long request in a line."""
    if not long.answered:
        return f"a request of {long.aimed_tokens:,} tokens was not answered: {long.error}"
    right = "right" if long.right else "wrong"
    return (
        f"a request of {long.prompt_tokens or 0:,} tokens answered ({right}) in "
        f"{long.latency_s or 0:.1f} s"
    )
