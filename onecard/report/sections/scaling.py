"""Context scaling: "server configured at N" apart from "a request of N tokens was answered"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from onecard.records import Run
from onecard.report.blocks import numbers
from onecard.report.blocks.blocks import (
    Block,
    Column,
    Missing,
    Paragraph,
    Plot,
    Section,
    Table,
    Tone,
    Verdict,
)
from onecard.report.blocks.chart import Chart, Series
from onecard.report.blocks.numbers import Kind
from onecard.report.evidence.evidence import Event, Evidence
from onecard.report.evidence.provenance import source

ABOUT: Final = 0.95  # of a length; a request so long counts as one of that length

_CONFIGURED = {
    "yes": Verdict("started", Tone.GOOD),
    "no": Verdict("failed", Tone.BAD),
    "refused": Verdict("refused", Tone.QUIET),
    "skipped": Verdict("skipped", Tone.QUIET),
}


def section(evidence: Evidence) -> Section:
    """Return the table, or the command that measures it."""
    scale = evidence.scale
    if scale is None:
        nothing = Missing(
            "No context but the deployed one has been tried.",
            f"invoke scale --host {evidence.host} --ctx 4096,65536,131072,262144",
        )
        return Section("scaling", "Context scaling", (nothing,))
    run, rows = scale
    blocks: list[Block] = [
        Paragraph(
            "A server configured for N tokens has not yet answered N tokens. The left half "
            "says which context was configured, whether the server became ready and answered "
            "picture questions; the right half, how many tokens one request was then sent with, as "
            "the server counted them, and its outcome."
        ),
        Table(
            "scaling-table",
            "Each context, started, tested and filled",
            (
                Column("ctx", "configured for", Kind.COUNT),
                Column("configured", "server"),
                Column("answered_s", "ready after", Kind.TENTHS),
                Column("smoke", "pictures"),
                Column("steady_p50_s", "picture p50", Kind.SECONDS),
                Column("prompt_tokens", "then sent", Kind.COUNT),
                Column("answered", "answer"),
                Column("latency_s", "after", Kind.SECONDS),
            ),
            tuple(_row(row) for row in rows),
            source(run),
        ),
    ]
    refused = [
        f"{numbers.count(row.get('ctx'))} tokens: {str(row['reason']).rstrip('.')}."
        for row in rows
        if row.get("reason") and row.get("configured") != "yes"
    ]
    blocks += [Paragraph(f"Not started at {reason}") for reason in refused]
    if chart := _chart(rows):
        blocks.append(chart)
    return Section("scaling", "Context scaling", tuple(blocks))


def _row(row: Event) -> tuple[object, ...]:
    request: Event = row.get("long_request") or {}
    cases = row.get("smoke_cases")
    smoke: object = None
    if cases:
        fine = row.get("smoke_ok")
        smoke = Verdict(f"{row.get('smoke_passed')} of {cases}", Tone.GOOD if fine else Tone.BAD)
    return (
        row.get("ctx"),
        _CONFIGURED.get(str(row.get("configured")), row.get("configured")),
        row.get("answered_s"),
        smoke,
        row.get("steady_p50_s"),
        request.get("prompt_tokens") or request.get("aimed_tokens"),
        _answered(request),
        request.get("latency_s"),
    )


def _answered(request: Event) -> Verdict | None:
    if not request:
        return None
    if not request.get("answered"):
        return Verdict("none", Tone.BAD)
    if request.get("right"):
        return Verdict("right", Tone.GOOD)
    return Verdict("wrong", Tone.BAD)


@dataclass(frozen=True)
class Longest:
    """The longest request that was answered, and the longest that was answered right.

    ctx: the context length that the server was configured for. alone: whether it was a single
    request, not one of stress. right: tokens of the longest answered right; 0 where none was.
    """

    tokens: int
    ctx: int | None
    alone: bool
    right: int

    @property
    def is_right(self) -> bool:
        """Whether requests of about that length (5 %) are answered right."""
        return self.right >= ABOUT * self.tokens

    @property
    def fault(self) -> str:
        """How it was answered if it was not answered right."""
        return "wrongly" if self.alone else "no better than guessing"


def longest_answered(evidence: Evidence) -> Longest | None:
    """Return the longest request, in tokens as the server counted them; None without any."""
    answered = [
        (
            int(event["prompt_tokens"]),
            event.get("ctx") or (run.last("server") or {}).get("ctx"),
            event.get("event") != "answer",
        )
        for run in evidence.measured
        for event in (*run.all("long_request"), *run.all("answer"), *run.all("case"))
        if event.get("prompt_tokens")
        and evidence.wanted(run, event)
        and event.get("answered", True)
        and event.get("outcome") not in ("failed", "exceeds limit")
        and not event.get("error")
    ]
    if not answered:
        return None
    right = (tokens for run in evidence.measured for tokens in _right(evidence, run))
    return Longest(*max(answered, key=lambda pair: pair[0]), max(right, default=0))


def _right(evidence: Evidence, run: Run) -> Iterator[int]:
    """Yield the tokens of what was answered right; of stress, only where guessing gets less."""
    for event in (*run.all("long_request"), *run.all("case")):
        fine = event.get("right") or event.get("passed")
        if fine and event.get("prompt_tokens") and evidence.wanted(run, event):
            yield int(event["prompt_tokens"])
    guessable = (run.last("curve") or {}).get("guessable") or 0.0
    for cell in run.all("cell"):
        is_grounded = (cell.get("low") or 0.0) > guessable and cell.get("position") != "no image"
        if is_grounded and cell.get("prompt_tokens") and evidence.wanted(run, cell):
            yield int(cell["prompt_tokens"])


def wrong_long_answers(rows: Sequence[Event]) -> Iterator[str]:
    """Yield a sentence for each of scale's long requests that was answered wrong."""
    requests = [row.get("long_request") or {} for row in rows]
    wrong = [each for each in requests if each.get("answered") and not each.get("right")]
    for each in wrong:
        given = " ".join(str(each.get("given") or "").split()).rstrip(".")
        yield (
            f"The request of {numbers.count(each.get('prompt_tokens'))} tokens was answered wrong: "
            f"“{given[:80]}”."
        )


def _chart(rows: tuple[Event, ...]) -> Plot | None:
    points = [
        (float(request["prompt_tokens"]), float(request["latency_s"]), request.get("ttft_s"))
        for row in rows
        if (request := row.get("long_request")) and request.get("answered")
        if request.get("prompt_tokens") and request.get("latency_s")
    ]
    if len(points) < 2:
        return None
    lengths = tuple(point[0] for point in points)
    words = ", ".join(f"{x:,.0f} tokens in {numbers.seconds(y)}" for x, y, _ in points)
    return Plot(
        "scaling-chart",
        "How long one long request takes",
        f"Line: a request of {words}.",
        Chart(
            "tokens in the request",
            "seconds to the whole answer",
            (Series("whole answer", lengths, tuple(point[1] for point in points)),),
            x_ticks=tuple((x, f"{x:,.0f}") for x in lengths),
            x_log=True,
        ),
    )
