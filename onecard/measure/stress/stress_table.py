"""The result of a stress run on a terminal: a row for each cell, then the curve."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from onecard.console.whole_table import figure_table
from onecard.measure.stress.cells import NO_IMAGE, NO_PREFIX
from onecard.measure.stress.curve import Curve
from onecard.measure.stress.result import EXCEEDS, Tally, cell_values
from onecard.measure.stress.stress_run import Finished
from onecard.smoke.smoke_table import duration

_BAR = 24  # characters of a full bar


def print_stress(done: Sequence[Finished], curve: Curve, console: Console) -> None:
    """Print the cells, the curve with its intervals, and the finding."""
    headings = ("text", "picture", "tokens", "prompt", "right", "latency", "TTFT")
    table = figure_table(*headings, left=(0, 1), gap=2)
    for each in done:
        table.add_row(*_cells(each))
    console.print(table)
    console.print("\ngrounding against tokens of text, with 95 % intervals")
    for point in curve.points:
        console.print(f"{point.target_tokens:>9,}  {_line(point.tally)}", markup=False)
    console.print(f"{'no image':>9}  {_line(curve.without_image)}", markup=False)
    console.print(f"\n{curve.verdict}", style="bold red" if curve.trouble else "bold")


def _cells(done: Finished) -> tuple[str, ...]:
    cell, tally = done.cell, done.tally
    values = cell_values(cell, 0, done.answers)
    text = "no text" if cell.prefix == NO_PREFIX else cell.prefix
    picture = "none" if cell.position == NO_IMAGE else cell.position.removeprefix("image ")
    if tally.exceeds:
        limit = next(answer.limit for answer in done.answers if answer.outcome == EXCEEDS)
        return text, picture, f"{cell.target_tokens:,}", f"exceeds {limit:,}", "-", "-", "-"
    right = f"{tally.right} of {tally.asked}"
    right += f", {tally.failed} failed" if tally.failed else ""
    return (
        text,
        picture,
        f"{cell.target_tokens:,}",
        "-" if values["prompt_tokens"] is None else f"{values['prompt_tokens']:,.0f}",
        right,
        duration(values["latency_p50_s"]),
        duration(values["ttft_p50_s"]),
    )


def _line(tally: Tally) -> str:
    """Return `████████──────  75 %  (47 to 91)  9 of 12`.

    The bar is filled up to the accuracy; the line is its interval.
    """
    if tally.interval is None or tally.accuracy is None:
        return "exceeds the context" if tally.exceeds else "no answer"
    low, high = tally.interval
    filled, begin, end = (round(_BAR * share) for share in (tally.accuracy, low, high))
    bar = "".join(
        "█" if place < filled else "─" if begin <= place < end else " " for place in range(_BAR)
    )
    return (
        f"{bar}  {100 * tally.accuracy:3.0f} %  ({100 * low:.0f} to {100 * high:.0f})  "
        f"{tally.right} of {tally.asked}"
    )
