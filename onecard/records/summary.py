"""A run's result in a few words, for the list of runs."""

from __future__ import annotations

from typing import Any

from onecard.records.read import Run


def summary(run: Run) -> str:
    """Return the result of a run; an error's first line where it failed with one.

    A record is a file that anything may have changed: one with values of other kinds has no result.
    """
    failure = run.failure
    if run.status == "failed" and failure:
        return str(failure.get("message", ""))
    try:
        return _SUMMARIES[run.kind](run) if run.kind in _SUMMARIES else ""
    except (TypeError, ValueError, AttributeError):
        return "the record holds values of another kind"


def _changes(run: Run) -> str:
    report = run.last("report") or {}
    return f"changed {report.get('changed', 0)}, ok {report.get('ok', 0)}" if report else ""


def _deploy(run: Run) -> str:
    start = run.last("start") or {}
    if start.get("answered_s") is None:
        return _changes(run)
    return (
        f"{start.get('ctx') or 0:,} tokens of context, answered after {start['answered_s']:.1f} s"
    )


def _smoke(run: Run) -> str:
    smoke = run.last("smoke")
    if smoke is None:
        return ""
    total = len(run.all("case"))
    return f"{smoke.get('passed', 0)} of {total} right{_milliseconds(smoke.get('steady_p50_s'))}"


def _scale(run: Run) -> str:
    rows = run.all("row")
    served = [row for row in rows if row.get("configured") == "yes"]
    long = [row.get("long_request") or {} for row in rows]
    answered = sum(bool(each.get("answered")) for each in long)
    right = sum(bool(each.get("right")) for each in long)
    of = len((run.begin.get("parameters") or {}).get("contexts") or rows)
    return (
        f"{len(served)} of {of} contexts served, {answered} long requests answered, {right} right"
    )


def _stress(run: Run) -> str:
    curve = run.last("curve")
    return str(curve.get("verdict", "")) if curve else f"{len(run.all('answer'))} answers"


def _bench(run: Run) -> str:
    loads: list[dict[str, Any]] = run.all("load")
    fastest = max((load.get("generation_tokens_per_s") or 0.0 for load in loads), default=0.0)
    return f"{len(loads)} loads, at most {fastest:.0f} tokens/s"


def _certify(run: Run) -> str:
    return str((run.last("certificate") or {}).get("line", ""))


def _cache(run: Run) -> str:
    return str((run.last("cache") or {}).get("finding", ""))


def _soak(run: Run) -> str:
    return str((run.last("soak") or {}).get("line", ""))


def _tune(run: Run) -> str:
    return str((run.last("tune") or {}).get("line", ""))


def _milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f", p50 {1000 * seconds:.0f} ms"


_SUMMARIES = {
    "provision": _changes,
    "deploy": _deploy,
    "smoke": _smoke,
    "scale": _scale,
    "stress": _stress,
    "bench": _bench,
    "certify": _certify,
    "cache": _cache,
    "soak": _soak,
    "tune": _tune,
}
