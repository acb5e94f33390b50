"""The smoke report on a terminal, with rich."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from onecard.smoke.report import CaseResult, SmokeReport
from onecard.statistics.percentile import percentile

LONGEST_ANSWER = 72


def print_smoke(report: SmokeReport, console: Console) -> None:
    """Print a row for each case, then a recap of answers, latencies and the picture control."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    table.add_column("case", no_wrap=True)
    table.add_column("question", ratio=3, overflow="fold")
    table.add_column("expected", overflow="fold")
    table.add_column("given", ratio=2, overflow="fold")
    table.add_column("", no_wrap=True)
    for heading in ("latency", "TTFT", "tokens"):
        table.add_column(heading, justify="right", no_wrap=True)
    for case in report.cases:
        table.add_row(*_row(case))
    console.print(table)
    console.print()
    for line in recap(report):
        console.print(line, highlight=False)


def recap(report: SmokeReport) -> list[Text]:
    """Return the closing lines: the verdict, the latencies, the picture control."""
    right = f"{report.passed} of {len(report.cases)} answered right"
    verdict = (
        Text("PASSED  ", style="bold green") if report.ok else Text("FAILED  ", style="bold red")
    )
    p50, p95 = (percentile(report.steady_s, percent) for percent in (50, 95))
    lines = [
        verdict + Text(f"{report.host}  {report.model}  {right}"),
        Text(
            f"        warm-up {duration(report.warmup_s)}, then p50 {duration(p50)}, "
            f"p95 {duration(p95)} over {len(report.steady_s)} requests"
        ),
    ]
    control = report.control
    if control is not None and control.failure:
        lines.append(Text(f"        {control.failure}", style="red"))
    elif control is not None:
        score = f"{control.right_without} of {control.asked}"
        lines.append(Text(f"        the same questions without their pictures: {score} right"))
    return lines


def duration(seconds: float | None) -> str:
    """Return `28 ms` below one second, `1.23 s`, `12.3 s`, and `123 s` from a hundred up."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds >= 100:
        return f"{seconds:,.0f} s"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"


def _row(case: CaseResult) -> tuple[Text, ...]:
    tokens = "-"
    if case.prompt_tokens is not None and case.completion_tokens is not None:
        tokens = f"{case.prompt_tokens}+{case.completion_tokens}"
    return (
        Text(case.name),
        Text(case.question),
        Text(" / ".join(case.expected)),
        Text(printable(case.error), style="red") if case.error else Text(printable(case.given)),
        Text("ok", style="green") if case.passed else Text("WRONG", style="bold red"),
        Text(duration(case.latency_s)),
        Text(duration(case.ttft_s)),
        Text(tokens),
    )


def printable(answer: str) -> str:
    """Return a model's text as one line without control characters, truncated to LONGEST_ANSWER."""
    spaced = "".join(letter if letter.isprintable() else " " for letter in answer)
    line = " ".join(spaced.split())
    return line if len(line) <= LONGEST_ANSWER else line[: LONGEST_ANSWER - 3] + "..."
