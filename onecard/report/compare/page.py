"""The page that compares two sides: what changed, and whether that is outside the noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    Column,
    KeyFigure,
    Missing,
    Page,
    Paragraph,
    Section,
    Table,
    Tone,
    Warn,
)
from onecard.report.compare import proof_tables, tables
from onecard.report.compare import rows as compare_rows
from onecard.report.compare import smokes as compare_smokes
from onecard.report.compare.plots import grounding_plot, load_plot
from onecard.report.compare.proof_tables import PROOFS, ProofTable
from onecard.report.compare.smokes import steady
from onecard.report.evidence.evidence import Event, Evidence, SmokeResult
from onecard.report.evidence.noise import Comparison
from onecard.report.page import foot, subtitle, title
from onecard.report.sections import attention, hardware, locks
from onecard.statistics.percentile import percentile


def compare(a: Evidence, b: Evidence) -> Page:
    """Return the page that compares A and B."""
    smokes = _runs(a, b, lambda side: side.smoke.run if side.smoke else None)
    loads_changed = tables.load_change(a, b)
    scales = _runs(a, b, lambda side: side.scale[0] if side.scale else None)
    stress = _runs(a, b, lambda side: side.latest("stress", "curve"))
    loads = _runs(a, b, lambda side: side.latest("bench", "load"))
    sections = (
        Section("verdict", "Verdict", (proof_tables.verdict_table(a, b),)),
        _attention(a, b),
        _what(a, b),
        _section("latency", "Latency", smokes, (tables.latency(a, b),)),
        _section("memory", "Memory", [], (tables.memory_table(a, b),)),
        _section("scaling", "Context", scales, (tables.context(a, b), tables.scaling_table(a, b))),
        _section(
            "grounding",
            "Long text and grounding",
            stress,
            (grounding_plot(a, b), tables.grounding(a, b)),
        ),
        _section(
            "load",
            "Under load",
            loads,
            (_loads(loads_changed), load_plot(a, b), tables.load_table(a, b)),
        ),
        *(_proof(a, b, each) for each in PROOFS),
        _section("questions", "Picture questions", smokes, (tables.questions(a, b),)),
    )
    change = steady(a, b)
    return Page(
        title=f"{a.label} and {b.label}",
        subtitle=f"A: {title(a)} ({subtitle(a)}). B: {title(b)} ({subtitle(b)}).",
        summary=_summary(change),
        figures=tuple(_figures(a, b, change)),
        sections=tuple(section for section in sections if section is not None),
        foot=foot(),
    )


def _proof(a: Evidence, b: Evidence, proof: ProofTable) -> Section:
    """Return the comparison of what one command proves, or that command for a side without it."""
    runs = _runs(a, b, lambda side: side.latest(proof.kind, proof.event))
    missing = tuple(
        Missing(f"Not measured on {letter}.", f"invoke {proof.kind} --host {side.host}")
        for letter, side in (("A", a), ("B", b))
        if side.latest(proof.kind, proof.event) is None
    )
    return _section(proof.key, proof.title, runs, missing or (proof.table(a, b),))


def _runs(
    a: Evidence, b: Evidence, source_run: Callable[[Evidence], Run | None]
) -> list[Run | None]:
    """Return both sides' runs; none for two context lengths, which may be of one run of scale."""
    return [source_run(a), source_run(b)] if a.ctx == b.ctx else []


def _section(
    key: str, name: str, runs: list[Run | None], blocks: tuple[Block | None, ...]
) -> Section:
    """Return a section, with a sentence where nothing can be compared, as of a run with itself.

    runs: the run of A and of B that the section shows.
    """
    first, second = runs or (None, None)
    if first is not None and second is not None and first.path == second.path:
        words = f"Both sides stand on the same run of {first.kind}; it was not repeated."
        return Section(key, name, (Paragraph(words),))
    shown = tuple(block for block in blocks if block is not None)
    nothing = Paragraph("Nothing that was measured on both sides differs or can be compared.")
    return Section(key, name, shown or (nothing,))


def _attention(a: Evidence, b: Evidence) -> Section | None:
    found = [Warn(text) for text in _unlike(a, b)]
    found += [
        Warn(f"{letter}: {text}")
        for letter, side in (("A", a), ("B", b))
        for text in attention.findings(side)
    ]
    return Section("attention", "Wrong or in doubt", tuple(found)) if found else None


def _unlike(a: Evidence, b: Evidence) -> Iterator[str]:
    """Yield the reasons why the sides' figures are not comparable."""
    models = [str(side.server.get("model") or "") for side in (a, b)]
    if all(models) and models[0] != models[1]:
        yield f"The models differ: {models[0]} on A, {models[1]} on B."
    if a.smoke is None or b.smoke is None:
        return
    pair = compare_smokes.smokes(a, b)
    counts = [len(side.smoke.times) for side in (a, b) if side.smoke]
    if a.smoke.times.keys() & b.smoke.times.keys() and pair is None:
        yield (
            "The times of picture questions are not compared: A answered "
            f"{_repetitions(a.smoke)}, B {_repetitions(b.smoke)}."
        )
    elif pair is None:
        yield "A and B answered different picture questions, so their times are not compared."
    elif len(pair.a) < max(counts):
        yield (
            f"A and B share {len(pair.a)} picture questions, of {counts[0]} and {counts[1]}: the "
            "times compared are of those alone."
        )


def _repetitions(smoke: SmokeResult) -> str:
    times = "once" if smoke.repeats == 1 else f"{smoke.repeats} times"
    return f"each question {times} in {smoke.run.kind}"


def _loads(change: Comparison | None) -> Paragraph | None:
    """Return how the latency of all loads together changed, in a sentence."""
    if change is None or change.outside is None:
        return None
    interval = f"{numbers.LEVEL} {compare_rows.interval(change)}"
    ratio = numbers.ratio(change.value)
    if change.outside:
        words = f"Requests under the same load take {ratio} the time of A on B, outside the noise"
    elif change.is_none:
        words = "Requests under the same load take the same time on both"
    else:
        words = f"Requests under the same load took {ratio} the time of A on B, within the noise"
    words += f" ({interval})."
    return Paragraph(words)


def _what(a: Evidence, b: Evidence) -> Section:
    left, right = dict(hardware.rows_of(a)), dict(hardware.rows_of(b))
    for side, values in ((a, left), (b, right)):
        options: Event = side.server.get("options") or {}
        values.update({f"--{name}": str(value) or "set" for name, value in options.items()})
    names = list(dict.fromkeys((*left, *right)))
    differing = [name for name in names if str(left.get(name)) != str(right.get(name))]
    blocks: list[Block] = []
    if differing:
        columns = (Column("what", ""), Column("a", "A"), Column("b", "B"))
        rows = tuple((name, left.get(name), right.get(name)) for name in differing)
        blocks.append(Table("what-table", "What differs", columns, rows))
    if packages := locks.moved(a, b):
        blocks.append(packages)
    if not blocks:
        blocks.append(Paragraph("Hardware, software and flags are the same on both sides."))
    same = tuple((name, left[name]) for name in names if name not in differing)
    if same:
        one = (Column("what", ""), Column("both", "A and B"))
        blocks.append(Table("same-table", "What is the same", one, same))
    return Section("what", "What is compared", tuple(blocks))


def _summary(change: Comparison | None) -> str:
    if change is None:
        return "Two sides of recorded runs next to each other."
    if change.outside is None:
        return f"A picture question on B takes {numbers.ratio(change.value)} the time of A."
    interval = f"{numbers.LEVEL} {compare_rows.interval(change)}"
    if change.is_none:
        return f"Picture questions take the same time on both ({interval})."
    if not change.outside:
        return (
            f"A picture question took {numbers.ratio(change.value)} the time of A on B, which is "
            f"within the noise ({interval}): no difference is shown, nor that there is none."
        )
    word = "slower" if change.value > 1 else "faster"
    return (
        f"B is {word}: a picture question takes {numbers.ratio(change.value)} the time of A "
        f"({interval}), outside the noise."
    )


def _figures(a: Evidence, b: Evidence, change: Comparison | None) -> Iterator[KeyFigure]:
    pair = compare_smokes.smokes(a, b)
    for letter, side in (("A", a), ("B", b)):
        if side.smoke is not None:
            right = sum(bool(case.get("passed")) for case in side.smoke.cases)
            tone = Tone.GOOD if side.smoke.summary.get("ok") else Tone.BAD
            yield KeyFigure(f"{right} of {len(side.smoke.cases)}", f"right on {letter}", tone)
    if pair is not None:
        for letter, times in (("A", pair.a), ("B", pair.b)):
            p50 = numbers.seconds(percentile([each for one in times.values() for each in one], 50))
            yield KeyFigure(p50, f"a picture question on {letter}, p50")
    if change is not None:
        yield KeyFigure(numbers.ratio(change.value), "time on B by time on A")
