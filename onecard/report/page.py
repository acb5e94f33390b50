"""The page of one host: its head, then the sections."""

from __future__ import annotations

from collections.abc import Iterator

from onecard import __version__
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import KeyFigure, Page, Tone
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import day_and_time
from onecard.report.sections import (
    attention,
    grounding,
    hardware,
    kv_figure,
    latency,
    load,
    memory,
    questions,
    scaling,
    trouble,
    verdict,
)
from onecard.report.sections.economy import cost, reuse
from onecard.report.sections.load import sweep
from onecard.report.sections.proofs import certificate, soak, tuning


def page(evidence: Evidence) -> Page:
    """Return the page of one host."""
    sections = (
        verdict.section(evidence),
        attention.section(evidence),
        hardware.section(evidence),
        hardware.reproduction(evidence),
        memory.section(evidence),
        kv_figure.section(evidence),
        certificate.section(evidence),
        scaling.section(evidence),
        latency.section(evidence),
        grounding.section(evidence),
        load.section(evidence),
        soak.section(evidence),
        tuning.section(evidence),
        reuse.section(evidence),
        cost.section(evidence),
        questions.section(evidence),
        trouble.section(evidence),
        trouble.runs_section(evidence),
    )
    return Page(
        title=title(evidence),
        subtitle=subtitle(evidence),
        summary=" ".join(_summary(evidence)),
        figures=tuple(_figures(evidence)),
        sections=tuple(section for section in sections if section is not None),
        foot=foot(),
    )


def title(evidence: Evidence) -> str:
    """Return the page's title: the model and the GPU."""
    model = str(evidence.server.get("model") or "")
    name = model.rsplit("/", 1)[-1]
    cards = evidence.facts.get("gpus") or ()
    if cards:
        count = f"{len(cards)} × " if len(cards) > 1 else "one "
        place = count + str(cards[0].get("name", "GPU"))
    else:
        place = evidence.host
    return f"{name} on {place}" if name else f"Report on {evidence.host}"


def subtitle(evidence: Evidence) -> str:
    """Return host, build and day in one line."""
    vllm = evidence.server.get("vllm")
    words = [evidence.host, f"vLLM {vllm}" if vllm else ""]
    if evidence.runs:
        words.append(day_and_time(evidence.runs[-1].time))
    return " · ".join(word for word in words if word)


def foot() -> str:
    """Return the line at the end of every page."""
    return (
        f"Made by onecard {__version__} from recorded runs. Times are UTC, memory is GiB, lengths "
        "are tokens as the server counts them. The page needs no network."
    )


def _summary(evidence: Evidence) -> Iterator[str]:
    smoke = evidence.smoke
    if evidence.random_weights:
        yield (
            "The weights are random (--load-format dummy): answers are wrong by design; memory and "
            "times are those of the model's shapes."
        )
    elif smoke is not None:
        right, total = sum(bool(case.get("passed")) for case in smoke.cases), len(smoke.cases)
        control: Event = smoke.summary.get("picture_control") or {}
        words = (
            f"{f'All {total}' if right == total else f'{right} of {total}'} picture questions were "
            f"answered right, half of them within "
            f"{numbers.seconds(smoke.summary.get('steady_p50_s'))}"
        )
        if control.get("right_without") is not None:
            words += f"; without their pictures, {control['right_without']} were"
        yield words + "."
    longest = scaling.longest_answered(evidence)
    if longest and longest.ctx:
        answered = _answered(longest, evidence.random_weights)
        yield f"Configured for {numbers.count(longest.ctx)} tokens, {answered}."
    if smoke is None and not evidence.runs:
        yield "Nothing has been recorded yet."


def _answered(longest: scaling.Longest, random_weights: bool) -> str:
    if random_weights:
        return f"it answered a request of {numbers.count(longest.tokens)}"
    if longest.is_right:
        return f"it answered a request of {numbers.count(longest.right)} right"
    words = f"it answered a request of {numbers.count(longest.tokens)}, {longest.fault}"
    if longest.right:
        words += f"; the longest answered right: {numbers.count(longest.right)}"
    return words


def _longest(longest: scaling.Longest, random_weights: bool) -> KeyFigure:
    if random_weights:
        return KeyFigure(numbers.count(longest.tokens), "tokens in the longest request answered")
    if not longest.right:
        note = f"tokens in the longest request, answered {longest.fault}"
        return KeyFigure(numbers.count(longest.tokens), note, Tone.BAD)
    note = "tokens in the longest request answered right"
    if longest.is_right:
        return KeyFigure(numbers.count(longest.right), note)
    note += f"; {numbers.count(longest.tokens)}, {longest.fault}"
    return KeyFigure(numbers.count(longest.right), note, Tone.BAD)


def _figures(evidence: Evidence) -> Iterator[KeyFigure]:
    smoke = evidence.smoke
    if smoke is not None:
        right = sum(bool(case.get("passed")) for case in smoke.cases)
        tone = Tone.GOOD if smoke.summary.get("ok") else Tone.BAD
        if not evidence.random_weights:
            score = f"{right} of {len(smoke.cases)}"
            yield KeyFigure(score, "picture questions answered right", tone)
        yield KeyFigure(
            numbers.seconds(smoke.summary.get("steady_p50_s")), "for a picture question, p50"
        )
    if longest := scaling.longest_answered(evidence):
        yield _longest(longest, evidence.random_weights)
    start = evidence.start
    bench = evidence.latest("bench", "load")
    rates = [load.get("generation_tokens_per_s") or 0 for load in sweep(bench)] if bench else []
    if rates:
        yield KeyFigure(f"{max(rates):,.0f}", "generated tokens per second at most")
    price = cost.price_of(evidence)
    if price and any(rates):
        least = price.text(price.per_million(max(rates)))
        yield KeyFigure(least, "for a million generated tokens at that rate")
    if start is not None:
        yield KeyFigure(
            numbers.seconds(start.event.get("answered_s")), "from start to first answer"
        )
