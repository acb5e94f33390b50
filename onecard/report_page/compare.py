"""Two sides next to each other, with what changed and whether that is outside the noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from onecard.report_page import attention, hardware, numbers
from onecard.report_page import compare_tables as tables
from onecard.report_page.blocks import (
    Block,
    Column,
    KeyFigure,
    Page,
    Paragraph,
    Section,
    Table,
    Tone,
    Warn,
)
from onecard.report_page.compare_plots import grounding_plot, load_plot
from onecard.report_page.evidence import Event, Evidence
from onecard.report_page.noise import Comparison
from onecard.report_page.page import foot, subtitle, title
from onecard.runs import Run


def compare(a: Evidence, b: Evidence) -> Page:
    """Return the page of both."""
    smokes = _runs(a, b, lambda side: side.smoke.run if side.smoke else None)
    scales = _runs(a, b, lambda side: side.scale[0] if side.scale else None)
    stress = _runs(a, b, lambda side: side.latest("stress", "curve"))
    loads = _runs(a, b, lambda side: side.latest("bench", "load"))
    sections = (
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
        _section("load", "Under load", loads, (load_plot(a, b), tables.load_table(a, b))),
        _section("questions", "Picture questions", smokes, (tables.questions(a, b),)),
    )
    change = tables.steady(a, b)
    return Page(
        title=f"{a.label} and {b.label}",
        subtitle=f"A: {title(a)} ({subtitle(a)}). B: {title(b)} ({subtitle(b)}).",
        summary=_summary(change),
        figures=tuple(_figures(a, b, change)),
        sections=tuple(section for section in sections if section is not None),
        foot=foot(),
    )


def _runs(
    a: Evidence, b: Evidence, stands_on: Callable[[Evidence], Run | None]
) -> list[Run | None]:
    """Return both sides' runs; none for two contexts, which one run of scale may have measured."""
    return [stands_on(a), stands_on(b)] if a.ctx == b.ctx else []


def _section(
    key: str, name: str, runs: list[Run | None], blocks: tuple[Block | None, ...]
) -> Section:
    """Return a section. What nothing can be said about says so: a run is not compared with itself.

    runs: of A and of B, the run that the section stands on.
    """
    first, second = runs or (None, None)
    if first is not None and second is not None and first.path == second.path:
        words = f"Both sides stand on the same run of {first.kind}; it was not repeated."
        return Section(key, name, (Paragraph(words),))
    there = tuple(block for block in blocks if block is not None)
    nothing = Paragraph("Nothing that was measured on both sides differs or can be compared.")
    return Section(key, name, there or (nothing,))


def _attention(a: Evidence, b: Evidence) -> Section | None:
    found = [
        Warn(f"{letter}: {text}")
        for letter, side in (("A", a), ("B", b))
        for text in attention.findings(side)
    ]
    return Section("attention", "Read this first", tuple(found)) if found else None


def _what(a: Evidence, b: Evidence) -> Section:
    left, right = dict(hardware.rows_of(a)), dict(hardware.rows_of(b))
    for side, told in ((a, left), (b, right)):
        options: Event = side.server.get("options") or {}
        told.update({f"--{name}": str(value) for name, value in options.items()})
    names = list(dict.fromkeys((*left, *right)))
    differing = [name for name in names if str(left.get(name)) != str(right.get(name))]
    blocks: list[Block] = []
    if differing:
        columns = (Column("what", ""), Column("a", "A"), Column("b", "B"))
        rows = tuple((name, left.get(name), right.get(name)) for name in differing)
        blocks.append(Table("what-table", "What differs", columns, rows))
    else:
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
    interval = f"95 % interval {tables.interval(change)}"
    if not change.outside:
        return f"Picture questions take the same time on both, within the noise ({interval})."
    word = "slower" if change.value > 1 else "faster"
    return (
        f"B is {word}: a picture question takes {numbers.ratio(change.value)} the time of A "
        f"({interval}), outside the noise."
    )


def _figures(a: Evidence, b: Evidence, change: Comparison | None) -> Iterator[KeyFigure]:
    for letter, side in (("A", a), ("B", b)):
        if side.smoke is not None:
            right = sum(bool(case.get("passed")) for case in side.smoke.cases)
            tone = Tone.GOOD if side.smoke.summary.get("ok") else Tone.BAD
            yield KeyFigure(f"{right} of {len(side.smoke.cases)}", f"right on {letter}", tone)
            p50 = numbers.seconds(side.smoke.summary.get("steady_p50_s"))
            yield KeyFigure(p50, f"a picture question on {letter}, p50")
    if change is not None:
        yield KeyFigure(numbers.ratio(change.value), "time on B by time on A")
