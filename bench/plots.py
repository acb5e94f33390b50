"""The benchmark's growth as drawings: seconds over hosts, and over files of one host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

Runs = Sequence[Mapping[str, Any]]
_INK = "#808080"  # legible on light and on dark pages
_STYLE = {
    "svg.hashsalt": "onecard",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(
        ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color"), _INK
    ),
}
_MARKERS = "os^"


def draw(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write the drawings of a run with growth to a folder; return their files."""
    alone = {"onecard's engine": document["files"]}
    return [
        _drawn(document["hosts"], "hosts", folder / "growth-hosts.svg"),
        _drawn(alone, "files on one host", folder / "growth-files.svg"),
    ]


def _drawn(lines: Mapping[str, Mapping[int, Runs]], what: str, path: Path) -> Path:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6, 3.2), layout="constrained")
        axes = figure.subplots()
        for (name, by_count), marker in zip(lines.items(), _MARKERS, strict=False):
            counts = list(by_count)
            seconds = [median(run["seconds"] for run in by_count[count]) for count in counts]
            axes.plot(counts, seconds, marker=marker, label=name)
        axes.set(xscale="log", yscale="log", xlabel=what, ylabel="seconds")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(list(next(iter(lines.values()))))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(ScalarFormatter())
        axes.legend(frameon=False)
        figure.savefig(path, transparent=True, metadata={"Date": None})
    return path
