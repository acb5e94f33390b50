"""Charts and bars drawn by Matplotlib as SVG for an HTML page.

Text stays text, in the page's own font. Colours are the page's CSS variables, so one drawing serves
light, dark and paper. Series differ by marker and line style as well, and are named beside their
lines. Every drawing comes in two widths, since a wide one is unreadable when shrunk to a phone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator
from matplotlib.transforms import ScaledTranslation

from onecard.report.blocks.chart import Bar, BarPart, Chart, Series

POINTS_PER_INCH: Final = 72
BAR: Final = 0.5  # of the distance between two bars, so that a label is nearest to its own
SHORT: Final = 16  # letters of a name of which two fit beside each other on a phone
# Colours that nothing else uses, put in for the page's variables and replaced in the SVG.
INK: Final = "#010203"
GRID: Final = "#010204"
PAPER: Final = "#010205"
FREE: Final = "#010206"
SERIES: Final = ("#010211", "#010212", "#010213", "#010214", "#010215", "#010216")
VARIABLES: Final = {
    INK: "var(--muted)",
    GRID: "var(--rule)",
    PAPER: "var(--paper)",
    FREE: "var(--free)",
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, start=1)},
}
MARKERS: Final = "os^DvP"
LINES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
HATCHES: Final = ("", "//", "\\\\", "|", "-", "x")
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "onecard",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "ytick.major.size": 0,
    "hatch.color": PAPER,
    "hatch.linewidth": 1.2,
}


@dataclass(frozen=True)
class Width:
    """One width that a drawing is made for. Sizes in points, which are the page's pixels."""

    name: str
    width: float
    height: float
    font: float
    labels_beside: bool


WIDE: Final = Width("wide", 720, 300, 12, True)
NARROW: Final = Width("narrow", 340, 300, 11, False)


def draw(key: str, title: str, alt: str, drawing: Chart | Bar) -> tuple[tuple[str, str], ...]:
    """Return the drawing as SVG for each width: (name of the width, SVG).

    key: a prefix that makes the identifiers in the SVG unique in the page.
    """
    svgs = []
    for width in (WIDE, NARROW):
        with mpl.rc_context({**STYLE, "font.size": width.font}):
            figure = _bar(drawing, width) if isinstance(drawing, Bar) else _chart(drawing, width)
            svgs.append((width.name, _svg(figure, f"{key}-{width.name}", title, alt)))
    return tuple(svgs)


def _figure(width: Width, height: float) -> tuple[Figure, Any]:
    figure = Figure(
        figsize=(width.width / POINTS_PER_INCH, height / POINTS_PER_INCH), layout="constrained"
    )
    return figure, figure.subplots()


def _chart(chart: Chart, width: Width) -> Figure:
    figure, axes = _figure(width, width.height)
    if chart.y_log:
        axes.set_yscale("log")
    for number, series in enumerate(chart.series):
        _line(axes, series, number)
    for reference in chart.references:
        axes.axhline(reference.y, color=INK, linewidth=1, linestyle=(0, (2, 3)))
        axes.annotate(
            reference.name,
            (0, reference.y),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
        )
    _axes(axes, chart)
    _x_axis(axes, chart, width)
    if len(chart.series) > 1:
        if width.labels_beside:
            _name_beside(axes, chart.series, width.font)
        else:
            longest = max(len(series.name) for series in chart.series)
            axes.legend(
                loc="lower left", bbox_to_anchor=(0, 1.09), ncols=2 if longest <= SHORT else 1,
                frameon=False,
                handlelength=2.6, borderpad=0, columnspacing=1.2,
            )  # fmt: skip
    return figure


def _line(axes: Any, series: Series, number: int) -> None:
    colour = SERIES[number % len(SERIES)]
    # Points of several series over one x stand side by side, so that no interval hides another.
    shift = ScaledTranslation(number * 5 / POINTS_PER_INCH, 0, axes.figure.dpi_scale_trans)
    errors = None
    if series.low and series.high:
        below = [max(y - low, 0) for y, low in zip(series.y, series.low, strict=True)]
        above = [max(high - y, 0) for y, high in zip(series.y, series.high, strict=True)]
        errors = [below, above]
    axes.errorbar(
        series.x,
        series.y,
        yerr=errors,
        label=series.name,
        color=colour,
        linestyle=LINES[number % len(LINES)] if series.joined else "",
        marker=MARKERS[number % len(MARKERS)],
        markersize=6,
        linewidth=1.8,
        elinewidth=1,
        capsize=3,
        clip_on=False,
        zorder=3,
        transform=axes.transData + shift if errors else axes.transData,
    )


def _axes(axes: Any, chart: Chart) -> None:
    axes.set_xlabel(chart.x_label)
    axes.set_title(chart.y_label, loc="left", fontsize="medium", color=INK, pad=10)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    if chart.y_share:
        axes.set_ylim(0, 1)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y * 100:.0f} %"))
    elif chart.y_log:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:,g}"))


def _x_axis(axes: Any, chart: Chart, width: Width) -> None:
    """Scale x to all points with a margin, and label the given ticks."""
    places = [x for series in chart.series for x in series.x]
    if chart.x_log:
        least = min((x for x in places if x > 0), default=1)
        # Linear from 0 to the least length, logarithmic above: an empty prefix has its place too.
        axes.set_xscale("symlog", base=2, linthresh=least)
    scale = axes.xaxis.get_transform()
    low, high = (float(end) for end in scale.transform([min(places), max(places)]))
    margin = (high - low) * 0.04 or 1
    ends = scale.inverted().transform([low - margin, high + margin])
    axes.set_xlim(float(ends[0]), float(ends[1]))
    if chart.x_ticks:
        shown = _apart(chart.x_ticks, scale, width)
        axes.set_xticks([x for x, _ in shown], labels=[text for _, text in shown])
        axes.xaxis.set_minor_locator(NullLocator())


def _apart(ticks: Sequence[tuple[float, str]], scale: Any, width: Width) -> list[tuple[float, str]]:
    """Return the ticks whose labels do not overlap; the greatest has precedence."""
    places = [float(x) for x in scale.transform([x for x, _ in ticks])]
    span = (max(places) - min(places)) or 1
    shown: list[tuple[float, str]] = []
    taken = float("inf")
    for (x, text), place in sorted(
        zip(ticks, places, strict=True), key=lambda pair: pair[1], reverse=True
    ):
        middle = (place - min(places)) / span * width.width * 0.78
        half = (len(text) + 1) * width.font * 0.3
        if middle + half <= taken:
            shown.append((x, text))
            taken = middle - half
    return shown


def _name_beside(axes: Any, series: Sequence[Series], font: float) -> None:
    """Write each series' name after its last point, shifted where names would overlap."""
    axes.figure.draw_without_rendering()  # the layout is known only then
    scale = POINTS_PER_INCH / axes.figure.dpi
    ends = []
    for number, line in enumerate(series):
        x, y = max(zip(line.x, line.y, strict=True))
        right, height = (float(each) * scale for each in axes.transData.transform((x, y)))
        ends.append((height, right, x, y, number))
    placed: list[tuple[float, float]] = []
    for height, right, x, y, number in sorted(ends):
        place = height
        for other_place, other_right in placed:
            if abs(other_right - right) < len(series[number].name) * font:
                place = max(place, other_place + font * 1.3)
        placed.append((place, right))
        axes.annotate(
            series[number].name,
            (x, y),
            xytext=(12 + (5 * number if series[number].low else 0), place - height),
            textcoords="offset points",
            color=SERIES[number % len(SERIES)],
            verticalalignment="center",
            annotation_clip=False,
        )


def _bar(bar: Bar, width: Width) -> Figure:
    names = list(dict.fromkeys(part.name for _, parts in bar.rows for part in parts))
    figure, axes = _figure(width, 80 + 58 * len(bar.rows) + (0 if width.labels_beside else 18))
    total = max(sum(part.size for part in parts) for _, parts in bar.rows)
    named: set[str] = set()
    for place, (_, parts) in enumerate(bar.rows):
        left = 0.0
        for part in parts:
            _piece(
                axes,
                part,
                place=place,
                left=left,
                number=names.index(part.name),
                first=part.name not in named,
            )
            named.add(part.name)
            if part.size / total * width.width > len(part.text) * width.font * 0.6 + 12:
                axes.text(
                    left + part.size / 2, place - BAR / 2 - 0.04, part.text,
                    horizontalalignment="center", verticalalignment="bottom",
                )  # fmt: skip
            left += part.size
    axes.set_ylim(len(bar.rows) - 0.65, -0.7)
    axes.set_yticks(range(len(bar.rows)), labels=[name for name, _ in bar.rows])
    axes.set_xlim(0, total)
    axes.set_xlabel(bar.unit)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), frameon=False, borderpad=0, columnspacing=1.4,
        ncols=len(names) if width.labels_beside else 2,
    )  # fmt: skip
    return figure


def _piece(axes: Any, part: BarPart, *, place: int, left: float, number: int, first: bool) -> None:
    axes.barh(
        place,
        part.size,
        left=left,
        height=BAR,
        facecolor=FREE if part.free else SERIES[number % len(SERIES)],
        hatch="" if part.free else HATCHES[number % len(HATCHES)],
        edgecolor=PAPER,
        linewidth=1.5,
        label=part.name if first else None,
    )


def _svg(figure: Figure, key: str, title: str, alt: str) -> str:
    out = io.StringIO()
    figure.savefig(
        out,
        format="svg",
        transparent=True,
        metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
    )
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)  # it would apply to the whole page
    svg = re.sub(r"font-family: [^;]+;", "", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r'\bid="', f'id="{key}-', svg)
    svg = re.sub(r'href="#', f'href="#{key}-', svg)
    svg = svg.replace("url(#", f"url(#{key}-")
    opening = (
        f'<svg role="img" aria-labelledby="{key}-title {key}-desc" '
        f'viewBox="{_view_box(svg)}" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">'
        f'<title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(alt)}</desc>'
    )
    return opening + svg[svg.index(">") + 1 :].strip()


def _view_box(svg: str) -> str:
    found = re.search(r'viewBox="([^"]+)"', svg)
    if found is None:
        raise ValueError("Matplotlib wrote an SVG without a viewBox")
    return found[1]
