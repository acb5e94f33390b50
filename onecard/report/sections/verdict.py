"""The verdict at the top: the context that is safe for pictures, requests at once, and cost.

Each answer names what it stands on; one that was not measured, the command that measures it.
"""

from __future__ import annotations

from dataclasses import dataclass

from onecard.records.price import LoadCost
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import Block, Column, Missing, Section, Table
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import day_and_time
from onecard.report.evidence.vision_safe import VisionSafe, vision_safe
from onecard.report.sections import load_names
from onecard.report.sections.economy.cost import price_of, repeated
from onecard.report.sections.load import sweep

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class VerdictAnswer:
    """An answer of the verdict. basis: what it stands on. missing: what would measure it."""

    question: str
    answer: str
    basis: str = ""
    missing: Missing | None = None


def section(evidence: Evidence) -> Section:
    """Return the answers, and the commands for what was not measured."""
    found = answers(evidence)
    table = Table(
        "verdict-table",
        "What this box does with this model",
        (Column("question", ""), Column("answer", "answer"), Column("basis", "it stands on")),
        tuple((each.question, each.answer, each.basis or None) for each in found),
    ).filled()
    blocks: list[Block] = [table, *(each.missing for each in found if each.missing)]
    return Section("verdict", "Verdict", tuple(blocks))


def answers(evidence: Evidence) -> tuple[VerdictAnswer, ...]:
    """Return the three answers, always in the same order."""
    return _context(evidence), _at_once(evidence), _cost(evidence)


def _context(evidence: Evidence) -> VerdictAnswer:
    question = "longest request that is safe for pictures"
    found = vision_safe(evidence)
    if found is None:
        run = evidence.latest("stress", "curve")
        trouble = (run.last("curve") or {}).get("trouble") if run else ""
        why = "Whether long text makes answers about pictures worse is not known"
        why += f": {trouble}." if trouble else "."
        missing = Missing(why, f"invoke stress --host {evidence.host}")
        return VerdictAnswer(question, NOT_MEASURED, missing=missing)
    if found.longest is None:
        return VerdictAnswer(question, "none", _context_basis(found))
    answer = f"{numbers.count(found.longest.tokens)} tokens"
    return VerdictAnswer(question, answer, _context_basis(found))


def _context_basis(found: VisionSafe) -> str:
    words = f"stress: {numbers.share(found.control.share)} right without a text"
    if found.longest:
        words += f", {numbers.share(found.longest.share)} at that length"
        if found.possible_loss >= 0.005:
            points = f"{found.possible_loss * 100:.0f}"
            words += f" (chance may hide a loss of up to {points} points)"
    if found.worse is None:
        return f"{words}; no loss beyond chance at any length measured"
    at = f"{numbers.count(found.worse.tokens)} tokens"
    if found.worse.alone:
        return f"{words}; scale's request of {at} was answered wrong, beyond chance"
    return f"{words}; worse beyond chance at {at}: {numbers.share(found.worse.share)}"


def _at_once(evidence: Evidence) -> VerdictAnswer:
    question, host = "requests at once", evidence.host
    run = evidence.latest("certify", "certificate")
    found: Event = (run.last("certificate") or {}) if run else {}
    if run is not None and (found.get("held") or found.get("verdict") == "waited"):
        loads = [load for load in run.all("held") if load.get("name") == "different"]
        held = loads[-1].get("at_once") if loads else found.get("requests")
        logged = ""
        if found.get("logged"):
            logged = f"; vLLM logged {found['logged']:.2f}"
            if found.get("logged_ctx") != found.get("ctx"):
                logged += f" of {numbers.count(found.get('logged_ctx'))} tokens"
        return VerdictAnswer(
            question,
            f"{numbers.count(held)} of {numbers.count(found.get('ctx'))} tokens",
            f"proved under load by certify of {day_and_time(run.time)}{logged}",
        )
    memory: Event = (evidence.start.event.get("memory") or {}) if evidence.start else {}
    missing = Missing(
        "How many requests are held at once has not been proved under load.",
        f"invoke certify --host {host}",
    )
    if not memory.get("kv_concurrency"):
        return VerdictAnswer(question, NOT_MEASURED, missing=missing)
    ctx = memory.get("kv_request_tokens") or (
        evidence.start.event.get("ctx") if evidence.start else 0
    )
    tried = f"; certify: {found['line']}" if found.get("line") else ""
    return VerdictAnswer(
        question,
        f"{memory['kv_concurrency']:.2f} of {numbers.count(ctx)} tokens",
        f"what vLLM logged, not proved{tried}",
        missing,
    )


def _cost(evidence: Evidence) -> VerdictAnswer:
    question = "a million tokens, prompt and generated"
    price, run = price_of(evidence), evidence.latest("bench", "load")
    if price is None or run is None:
        why = "what tokens cost has not been measured" if price else "no record has a price"
        flag = "" if price else " -e price_per_hour=1.39"
        missing = Missing(
            f"The cost is unknown: {why}.", f"invoke bench --host {evidence.host}{flag}"
        )
        return VerdictAnswer(question, NOT_MEASURED, missing=missing)
    if found := repeated(run, price):
        mean = found.all_tokens
        return VerdictAnswer(
            question,
            f"{price.text(mean.value)} ({numbers.LEVEL} {price.text(mean.low)} to "
            f"{price.text(mean.high)})",
            f"bench: {found.name}, {found.rounds} rounds, at {price.text(price.per_hour)} an hour",
        )
    costs = [(LoadCost.of(load, price).all_tokens, load) for load in sweep(run)]
    known = [(cost, load) for cost, load in costs if cost]
    if not known:
        return VerdictAnswer(question, NOT_MEASURED)
    cost, load = min(known, key=lambda pair: pair[0])
    shape = f"{load_names.offered(load)}, {load_names.shape(load)}"
    return VerdictAnswer(
        question, price.text(cost), f"bench: {shape}, measured once, so no interval"
    )
