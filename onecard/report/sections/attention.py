"""The warnings at the top of the page: wrong answers, another model, a slow-down.

Each finding is one sentence that follows from the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Section, Warn
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import day_and_time
from onecard.report.sections import locks, scaling, slowdown


def section(evidence: Evidence) -> Section | None:
    """Return the findings, or None where there are none."""
    found = tuple(findings(evidence))
    if not found:
        return None
    return Section("attention", "Wrong or in doubt", tuple(Warn(text) for text in found))


def findings(evidence: Evidence) -> Iterator[str]:
    """Yield what is wrong or in doubt, the most severe first."""
    yield from _pictures(evidence)
    yield from _model(evidence)
    yield from slowdown.findings(evidence)
    yield from _scale(evidence)
    yield from _loads(evidence)
    yield from _mixed(evidence)
    yield from _last_run(evidence)


def _pictures(evidence: Evidence) -> Iterator[str]:
    smoke = evidence.smoke
    if smoke is None or evidence.random_weights:
        return
    control: Event = smoke.summary.get("picture_control") or {}
    if control.get("failure"):
        yield f"The picture control failed: {control['failure']}."
    wrong = [case for case in smoke.cases if not case.get("passed")]
    if wrong:
        names = ", ".join(str(case.get("name")) for case in wrong[:6])
        more = f" and {len(wrong) - 6} more" if len(wrong) > 6 else ""
        yield (
            f"{len(wrong)} of {len(smoke.cases)} picture questions were answered wrong: "
            f"{names}{more}."
        )


def _model(evidence: Evidence) -> Iterator[str]:
    """Compare the model that answered with the one in the settings of the same run."""
    reported = set()
    for run in evidence.measured:
        for server in run.all("server"):
            wanted = _served_name((run.begin.get("settings") or {}).get("model") or {})
            served = str(server.get("model") or "")
            if wanted and served and wanted != served and (run.kind, served) not in reported:
                reported.add((run.kind, served))
                yield (
                    f"Another model answered: {served}, where the settings of {evidence.host} "
                    f"name {wanted}. {run.kind} of {day_and_time(run.time)} measured {served}."
                )


def _served_name(model: Mapping[str, Any]) -> str:
    """Return the name that a model's settings give it; roles/serve.py does the same on a host."""
    source = str(model.get("source") or "")
    if model.get("name"):
        return str(model["name"])
    return PurePosixPath(source).name if source.startswith(("/", "./")) else source


def _scale(evidence: Evidence) -> Iterator[str]:
    scale = evidence.scale
    if scale is None:
        return
    run, rows = scale
    for row in rows:
        ctx = numbers.count(row.get("ctx"))
        request: Event = row.get("long_request") or {}
        if row.get("configured") == "no":
            yield f"The server did not start at {ctx} tokens: {row.get('reason') or 'no reason'}."
        elif request and not request.get("answered"):
            why = request.get("error") or "no answer"
            yield f"Started at {ctx} tokens, the server did not answer a request that long: {why}."
    if not evidence.random_weights:
        yield from scaling.wrong_long_answers(rows)
    before = run.last("before") or {}
    if before.get("active") and not run.all("restored"):
        yield "The server that ran before scale may not run again: no restore is recorded."


def _loads(evidence: Evidence) -> Iterator[str]:
    bench = evidence.latest("bench", "load")
    if bench is not None:
        failed = sum(int(load.get("failed") or 0) for load in bench.all("load"))
        if failed:
            yield f"{numbers.count(failed)} requests failed under load."
        for agreement in bench.all("agreement"):
            if not agreement.get("agrees"):
                finding = agreement.get("finding") or "the generators do not agree"
                yield f"{agreement.get('load')}: {finding}."
    certified = evidence.latest("certify", "certificate")
    if certified is not None:
        certificate = certified.last("certificate") or {}
        if not certificate.get("held"):
            yield f"The certificate failed: {certificate.get('line')}."
    soaked = evidence.latest("soak", "soak")
    if soaked is not None:
        soak = soaked.last("soak") or {}
        if not soak.get("ok"):
            yield f"The soak failed: {'; '.join(soak.get('faults') or ())}."
    stress = evidence.latest("stress", "cell")
    if stress is not None:
        trouble = (stress.last("curve") or {}).get("trouble")
        if trouble:
            yield f"The grounding curve is not evidence of grounding: {trouble}."
        failed = sum(int(cell.get("failed") or 0) for cell in stress.all("cell"))
        if failed:
            yield f"{numbers.count(failed)} requests with long text failed."


def _mixed(evidence: Evidence) -> Iterator[str]:
    """Yield a warning where the measurements are not all of one model and one build."""
    servers = [server for run in evidence.measured if (server := run.last("server"))]
    for key, name in (("model", "models"), ("vllm", "builds of vLLM")):
        values = dict.fromkeys(str(server[key]) for server in servers if server.get(key))
        if len(values) > 1:
            yield f"The measurements on this page are of different {name}: {', '.join(values)}."
    builds = {lock.key for run in evidence.measured if (lock := locks.lock_of(run))}
    if len(builds) > 1:
        yield f"The measurements on this page are of {len(builds)} different lists of packages."


def _last_run(evidence: Evidence) -> Iterator[str]:
    if not evidence.runs:
        return
    run = evidence.runs[-1]
    failure = run.failure
    if run.status == "failed" and failure:
        yield (
            f"The newest run, {run.kind} of {day_and_time(run.time)}, failed: "
            f"{str(failure.get('message', '')).rstrip('.')}."
        )
