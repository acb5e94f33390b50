"""The verdict at the top, and the comparison of what it stands on."""

from __future__ import annotations

from typing import Any

import pytest

from onecard.records import Run
from onecard.report.blocks.blocks import Missing, Page
from onecard.report.compare.page import compare
from onecard.report.evidence.evidence import Evidence
from onecard.report.evidence.vision_safe import vision_safe
from onecard.report.page import page
from onecard.report.sections.verdict import NOT_MEASURED, answers
from onecard.report.writers.as_json import to_json
from onecard.report.writers.markdown import to_markdown
from onecard.statistics.share_interval import wilson
from tests.support import sample_runs as sample

PRICE = {"price_per_hour": 2.0, "currency": "EUR"}


def evidence(*runs: Run) -> Evidence:
    return Evidence(sample.HOST, sample.HOST, runs)


def stress(*points: tuple[int, int, int], trouble: str = "") -> Run:
    """points: tokens of text, right and all; the first without a text."""
    curve: list[dict[str, Any]] = []
    for tokens, right, total in points:
        low, high = wilson(right, total) or (None, None)
        curve.append(
            {
                "target_tokens": tokens, "prompt_tokens": tokens + 40.0, "asked": total,
                "right": right, "accuracy": right / total, "low": low, "high": high,
            }
        )  # fmt: skip
    event = {"event": "curve", "points": curve, "guessable": 0.25, "trouble": trouble}
    cell = {"event": "cell", "prefix": "none", "position": "image first", "target_tokens": 0}
    return sample.run("stress", "2026-11-20T10:00:00Z", [sample.server(65536), cell, event])


CURVES = [
    # Nothing is lost: the longest length.
    ([(0, 24, 24), (1000, 48, 48), (4000, 47, 48)], 4040, None),
    # A loss beyond chance ends it, also where a longer length is right again.
    ([(0, 24, 24), (1000, 48, 48), (2000, 20, 48), (4000, 48, 48)], 1040, 2040),
    # Worse at once.
    ([(0, 24, 24), (1000, 10, 48)], None, 1040),
    # Few answers that guessing gets too prove nothing, and show no loss either.
    ([(0, 24, 24), (1000, 48, 48), (4000, 1, 1)], 1040, None),
]


@pytest.mark.parametrize(("points", "longest", "worse"), CURVES)
def test_the_longest_length_that_is_safe_for_pictures(
    points: list[tuple[int, int, int]], longest: int | None, worse: int | None
) -> None:
    found = vision_safe(evidence(stress(*points)))
    assert found is not None
    assert (found.longest.tokens if found.longest else None) == longest
    assert (found.worse.tokens if found.worse else None) == worse


def test_a_wrong_answer_of_scale_ends_it_and_a_right_one_does_not_extend_it() -> None:
    curve = stress((0, 24, 24), (1000, 48, 48), (200_000, 48, 48))
    right = sample.run("scale", "2026-11-20T09:00:00Z", sample.scale())
    wrong = sample.run("scale", "2026-11-20T09:00:00Z", sample.scale(wrong=[131072]))
    safe = vision_safe(evidence(right, curve))
    assert safe is not None and safe.longest is not None
    assert (safe.longest.tokens, safe.worse) == (200_040, None)
    ended = vision_safe(evidence(wrong, curve))
    assert ended is not None and ended.longest is not None and ended.worse is not None
    assert (ended.longest.tokens, ended.worse.tokens) == (1040, 124_511)
    context = answers(evidence(wrong, curve))[0]
    assert context.answer == "1,040 tokens"
    assert "scale's request of 124,511 tokens was answered wrong, beyond chance" in context.basis


def test_chance_that_hides_a_loss_is_named() -> None:
    few, many = (answers(evidence(stress((0, n, n), (1000, n, n))))[0] for n in (12, 1200))
    assert "chance may hide a loss of up to 24 points" in few.basis
    assert "chance" not in many.basis.partition(";")[0]


def test_what_is_no_evidence_of_grounding_gives_no_safe_length() -> None:
    trouble = "the server drops pictures"
    found = answers(evidence(stress((0, 24, 24), (1000, 24, 24), trouble=trouble)))[0]
    assert found.answer == NOT_MEASURED
    assert found.missing == Missing(
        f"Whether long text makes answers about pictures worse is not known: {trouble}.",
        f"invoke stress --host {sample.HOST}",
    )


def test_requests_at_once_are_proved_or_only_logged() -> None:
    deployed = sample.run("deploy", "2026-11-20T08:00:00Z", [sample.start(65536)])
    certified = sample.run("certify", "2026-11-20T12:00:00Z", sample.certify())
    proved = answers(evidence(deployed, certified))[1]
    assert proved.answer == "4 of 65,536 tokens"
    assert proved.basis == "proved under load by certify of 2026-11-20 12:00 UTC; vLLM logged 4.13"
    assert proved.missing is None
    logged = answers(evidence(deployed))[1]
    assert (logged.answer, logged.basis) == (
        "4.13 of 65,536 tokens",
        "what vLLM logged, not proved",
    )
    assert logged.missing is not None
    assert logged.missing.command == f"invoke certify --host {sample.HOST}"
    events = sample.certify()
    for event in events:
        if event["event"] == "certificate":
            event.update(held=False, verdict="waited", line="holds 3 x 65,536 at once, not 4")
        elif event.get("name") == "different":
            event.update(verdict="waited", at_once=3)
    fewer = sample.run("certify", "2026-11-20T12:00:00Z", events)
    assert answers(evidence(deployed, fewer))[1].answer == "3 of 65,536 tokens"


def priced_bench(time: str, rates: tuple[float, ...] = (95.0, 100.0, 105.0)) -> Run:
    rounds = [
        {**sample.bench()[4], "name": "4 at once, by both", "generation_tokens_per_s": rate}
        for rate in rates
    ]
    events = [
        event
        for event in sample.bench()
        if not str(event.get("name")).endswith("by both") or event["event"] != "load"
    ]
    return sample.run("bench", time, [*events, *rounds], settings=PRICE)


def test_the_cost_has_its_interval_where_a_load_was_repeated() -> None:
    cost = answers(evidence(priced_bench("2026-11-20T11:00:00Z")))[2]
    assert cost.answer.startswith("0.")
    assert "EUR (95\N{NO-BREAK SPACE}% interval 0." in cost.answer
    assert cost.basis == "bench: 4 at once, by both, 3 rounds, at 2.00 EUR an hour"
    once = answers(evidence(priced_bench("2026-11-20T11:00:00Z", ())))[2]
    assert once.answer.endswith("EUR")
    assert once.basis.endswith("measured once, so no interval")


def test_a_host_without_records_is_told_every_command() -> None:
    empty = sample.run("provision", "2026-11-20T08:00:00Z", [])
    found = answers(evidence(empty))
    assert [each.answer for each in found] == [NOT_MEASURED] * 3
    assert [each.missing.command for each in found if each.missing] == [
        f"invoke stress --host {sample.HOST}",
        f"invoke certify --host {sample.HOST}",
        f"invoke bench --host {sample.HOST} -e price_per_hour=1.39",
    ]
    made = page(evidence(empty))
    assert made.sections[0].key == "verdict"


def rows_of(made: Page, key: str) -> list[dict[str, Any]]:
    return next(
        block["rows"]
        for section in to_json(made)["sections"]
        for block in section["blocks"]
        if block.get("key") == key
    )


def side(day: str, ratio: float, rates: tuple[float, ...]) -> Evidence:
    return evidence(
        priced_bench(f"{day}T11:00:00Z", rates),
        sample.run("certify", f"{day}T12:00:00Z", sample.certify()),
        sample.run("soak", f"{day}T13:00:00Z", sample.soak()),
        sample.run("cache", f"{day}T14:00:00Z", sample.cache(ratio=ratio)),
    )


def test_a_comparison_has_what_was_proved_reused_and_paid_on_both_sides() -> None:
    a = side("2026-11-20", 0.14, (95.0, 100.0, 105.0))
    b = side("2026-11-21", 0.42, (93.0, 99.0, 104.0))
    made = compare(a, b)
    assert made.sections[0].key == "verdict"
    assert [row["a"] for row in rows_of(made, "verdict-table")][1] == "4 of 65,536 tokens"
    assert [row["held_at_once"] for row in rows_of(made, "certificate-table")] == [4, 4]
    assert [row["answered"] for row in rows_of(made, "soak-table")] == [1800, 1800]
    (reused,) = rows_of(made, "reuse-table")
    assert (reused["ratio"], reused["verdict"]) == (pytest.approx(3.0), "slower")
    verdicts = [row["verdict"] for row in rows_of(made, "cost-table")]
    assert verdicts == ["no interval", "within noise", "within noise"]


def test_a_comparison_names_the_command_for_the_side_that_lacks_it() -> None:
    text = to_markdown(compare(side("2026-11-20", 0.14, ()), evidence(sample.all_runs()[3])))
    for kind in ("certify", "soak", "cache", "bench"):
        assert f"Not measured on B. `invoke {kind} --host {sample.HOST}`" in text
