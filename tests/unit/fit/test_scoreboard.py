"""`fit` against every known start: the bar that CI holds it to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onecard.errors import UsageError
from onecard.fit import engine_for, find_gpu, find_model, plan
from onecard.fit.evidence import KNOWN, kind_of
from onecard.fit.scoreboard.check import CheckedStart, check
from onecard.fit.scoreboard.contribution import append, contribution
from onecard.fit.scoreboard.rows import KnownStart, read_rows
from onecard.settings.serve_settings import ServeSettings
from onecard.startup_log import MemoryFacts, StartTracker

LOG = Path(__file__).parents[1] / "fixtures" / "logs" / "h200-0.25.1-ctx65536-ok.log"
ROWS = read_rows()
RESULTS = [check(row) for row in ROWS]

MOST_TOKEN_ERROR = 0.001
LEAST_BANDS = 0.9
LEAST_ROWS = 40


def name(result: CheckedStart) -> str:
    return f"{result.row.model} on {result.row.card}, {result.row.vllm}: {result.row.source}"


def test_the_scoreboard_is_large_enough() -> None:
    assert len(ROWS) >= LEAST_ROWS


@pytest.mark.parametrize("result", RESULTS, ids=name)
def test_tokens_of_the_logged_memory_are_exact(result: CheckedStart) -> None:
    error = result.token_error
    assert error is None or error <= MOST_TOKEN_ERROR


def test_nine_bands_of_ten_hold() -> None:
    held = [result.band_holds for result in RESULTS if result.band_holds is not None]
    missed = [name(result) for result in RESULTS if result.band_holds is False]
    assert sum(held) >= LEAST_BANDS * len(held), missed


@pytest.mark.parametrize("result", RESULTS, ids=name)
def test_what_surely_fits_did_fit(result: CheckedStart) -> None:
    assert not result.sure_and_wrong


@pytest.mark.parametrize("result", RESULTS, ids=name)
def test_logged_weights_are_near_the_counted_ones(result: CheckedStart) -> None:
    logged = result.row.logged.weights_gib
    held = result.planned.weights
    assert logged is None or held.least_gib - 0.01 <= logged <= held.most_gib * 1.012 + 0.01


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.model)
def test_a_row_was_checked_with_the_catalogues_config(row: KnownStart) -> None:
    assert row.config == find_model(row.model).digest


def test_every_known_kind_has_a_row() -> None:
    seen = {
        (kind_of(result.planned.shape), "several" if result.row.tp > 1 else "one")
        for result in RESULTS
    }
    assert seen >= KNOWN


def test_a_start_of_ones_own_becomes_a_row(tmp_path: Path) -> None:
    """The log of a start, through the tracker, to a file that the scoreboard can read."""
    tracker = StartTracker()
    for line in LOG.read_text(encoding="utf-8").splitlines():
        tracker.feed(line)
    serve = ServeSettings(ctx=65536, max_num_seqs=256, max_num_batched_tokens=2048)
    started = plan(
        find_model("Qwen/Qwen3.5-27B").shape,
        replace(find_gpu("H200"), name="NVIDIA H200"),
        65536,
        util=0.51,
        max_num_seqs=256,
        max_num_batched_tokens=2048,
        model="Qwen/Qwen3.5-27B",
        engine=engine_for("0.25.1"),
    )
    row = contribution(started, serve, tracker.facts)
    file = tmp_path / "mine.yml"
    append(file, row)
    append(file, row)
    first, second = read_rows(file)
    assert first == second
    result = check(first)
    assert (result.token_error, result.band_holds) == (0.0, True)
    assert (first.logged.kv_gib, first.logged.tokens, first.vllm) == (17.21, 270_430, "0.25.1")


def test_a_local_models_path_stays_here() -> None:
    started = plan(find_model("Qwen/Qwen3-8B").shape, find_gpu("L40S"), 4096, model="/home/me/mine")
    row = contribution(started, ServeSettings(), MemoryFacts(kv_available_gib=1.0))
    assert row["model"] == "mine"
    with pytest.raises(UsageError, match="states no KV memory"):
        contribution(started, ServeSettings(), MemoryFacts())


@pytest.mark.parametrize("text", ["- a list", "rows: {}\n", "{"])
def test_a_file_of_another_kind_is_not_written_to(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.yml"
    file.write_text(text, encoding="utf-8")
    if text.startswith("rows"):
        append(file, {"model": "m"})
        return
    with pytest.raises(UsageError, match="--contribute"):
        append(file, {"model": "m"})
    assert file.read_text(encoding="utf-8") == text


def test_some_starts_are_called_sure() -> None:
    """A band so wide that nothing is sure would pass every other test."""
    sure = [result for result in RESULTS if result.planned.surely_fits]
    assert len(sure) >= len(RESULTS) // 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no scoreboard"),
        ("rows: [{model: m, kard: x}]", "row 1: unknown key kard"),
        ("rows: [{model: m, logged: {kv: 1}}]", "row 1, logged: unknown key kv"),
        ("rows: [{model: m, logged: {}}]", "row 1: missing .* 'card'"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "rows.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_rows(file)
