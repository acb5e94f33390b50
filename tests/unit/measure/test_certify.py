"""Certify: what requests that were sent at once prove, and what they do not."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from onecard.api.metrics import read_metrics
from onecard.console.steps import Steps
from onecard.facts import Facts, Memory
from onecard.fit.on_host import BoxModel, Settled, settle
from onecard.inventory.host import Host
from onecard.measure.certify.capacity import Capacity, capacity
from onecard.measure.certify.certificate import Certificate
from onecard.measure.certify.certify_run import _output_tokens, certify
from onecard.measure.certify.certify_table import print_certificate
from onecard.measure.certify.proof import (
    FAILED,
    HELD,
    PREEMPTED,
    UNPROVED,
    WAITED,
    Proof,
    Seen,
    seen,
)
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from onecard.startup_log import MemoryFacts

FIXTURES = Path(__file__).parents[1] / "fixtures" / "certify"
TINY = Path(__file__).parents[3] / "onecard/tiny_model/tiny-vqa/config.json"
# What the sandbox server of the fixtures logged.
LOGGED = MemoryFacts(
    kv_available_gib=0.01, kv_tokens=17_785, kv_concurrency=4.34, kv_request_tokens=4096
)
SMALL = Capacity(4096, 4.34, 4096, 4.34, "vLLM's log", 128)
# Requests of 62,000 tokens on an H100 80GB with Qwen3.5-27B: first token and whole answer, s.
H100_SHORT = ((13.58, 27.17), (6.91, 20.92), (20.52, 27.87), (27.1, 28.54))  # 64 tokens out
H100_LONG = ((7.99, 94.44), (22.47, 94.45), (15.08, 94.44), (29.42, 94.44))  # 2,000 tokens out
H100_FIFTH = ((29.03, 95.65), (7.65, 92.45), (14.78, 95.64), (21.95, 95.64), (95.64, 131.79))
H100_ALONE_S = 6.66
H100 = Capacity(65536, 4.18, 65536, 4.18, "vLLM's log", 256)


def captured(name: str) -> Proof:
    """Requests sent to a real server that logged a concurrency of 4.34, with its /metrics."""
    kept = json.loads((FIXTURES / f"{name}.json").read_text())
    samples = [read_metrics("\n".join(lines)) for lines in kept["metrics"]]
    tokens = sum(each["prompt_tokens"] for each in kept["times"])
    reported = seen(samples, tokens, len(kept["times"]))
    return Proof(name, tuple(kept["times"]), reported, kept["needed_s"])


def timed(pairs: tuple[tuple[float, float], ...], **faults: Any) -> Proof:
    times = [
        {
            "began_s": 1000.0,
            "ttft_s": ttft,
            "latency_s": latency,
            "prompt_tokens": 62_000,
            "completion_tokens": 64,
            "error": "",
        }
        for ttft, latency in pairs
    ]
    times[0]["error"] = faults.pop("error", "")
    reported = Seen(
        faults.pop("running", 4.0), faults.pop("preemptions", 0.0), 0.0, 0.7, None, None
    )
    return Proof("different", tuple(times), reported, (len(pairs) - 1) * H100_ALONE_S)


def test_four_were_held_by_the_server_that_logs_4_34() -> None:
    proof = captured("held")
    assert (proof.verdict, proof.at_once, proof.seen.preemptions) == (HELD, 4, 0)
    assert proof.seen.running_peak == 4
    assert proof.last_in_s is not None and proof.first_end_s is not None
    assert proof.last_in_s < proof.first_end_s
    # The cache held all prompts and what was generated, and no more than the requests' length.
    assert 4 * 3_780 < (proof.seen.tokens or 0) <= 4 * 4_096
    expected = SMALL.kv_use(4, (proof.seen.tokens or 0) / 4)
    assert proof.seen.kv_use == pytest.approx(expected, abs=0.1)


def test_the_fifth_waits_until_another_has_ended() -> None:
    proof = captured("waited")
    assert (proof.requests, proof.verdict, proof.at_once) == (5, WAITED, 4)
    assert proof.seen.running_peak == 4
    assert proof.seen.tokens is None  # never all in the cache


def test_preemptions_are_no_proof_even_where_all_overlap() -> None:
    proof = captured("preempted")
    assert (proof.verdict, proof.seen.preemptions) == (PREEMPTED, 3)


def test_a_shared_prefix_is_in_the_cache_once() -> None:
    proof = captured("shared")
    assert proof.verdict == HELD
    assert (proof.seen.prefix_hits or 0) > 3_000
    assert (proof.seen.kv_use_peak or 1) < (captured("held").seen.kv_use_peak or 0) / 1.5


def test_answers_that_end_too_early_prove_nothing() -> None:
    short, long = timed(H100_SHORT), timed(H100_LONG)
    assert (short.verdict, long.verdict, long.at_once) == (UNPROVED, HELD, 4)
    assert len(short.answered) == 4  # though all were answered
    line = Certificate(H100, short, timed(H100_FIFTH), long).line
    assert "nothing is proved of 4 x 65,536 at once: the first answer ended after 20.9 s" in line


def test_the_line_states_what_is_held_and_what_one_more_waits() -> None:
    found = Certificate(H100, timed(H100_LONG), timed(H100_FIFTH), timed(H100_LONG))
    assert found.held
    assert found.line == (
        "holds 4 x 65,536 at once; the 5th waits 95.6 s for its first token; vLLM logs 4.18"
    )


@pytest.mark.parametrize(
    ("different", "verdict", "line"),
    [
        (timed(H100_FIFTH), WAITED, "holds 4 x 65,536 at once, not 5"),
        (timed(H100_LONG, error="HTTP 500"), FAILED, "1 of 4 not answered (HTTP 500)"),
        (timed(H100_LONG, preemptions=1.0), PREEMPTED, "does not hold 4 x 65,536 at once: 1 pre"),
        (timed(H100_LONG, running=3.0), UNPROVED, "vLLM counted 3 as running at most"),
    ],
)
def test_less_than_was_sent_is_a_failure(different: Proof, verdict: str, line: str) -> None:
    found = Certificate(H100, different, timed(H100_FIFTH), timed(H100_LONG))
    assert (different.verdict, found.held) == (verdict, False)
    assert line in found.line


def test_a_document_shared_by_all_must_be_answered_too() -> None:
    broken = timed(H100_LONG, error="HTTP 500")
    found = Certificate(H100, timed(H100_LONG), timed(H100_FIFTH), broken)
    assert not found.held
    assert "with one document shared by all: 1 of 4 not answered" in found.line


def settled(ctx: int = 4096) -> Settled:
    serve = {"kv_cache_gib": 0.25, "enforce_eager": True, "ctx": ctx}
    settings = Settings.model_validate({"accelerator": "cpu", "serve": serve})
    model = BoxModel("0.32.0", json.loads(TINY.read_text()))
    return settle(
        Host("box1", Connection("192.0.2.1"), settings), Facts(memory=Memory(24.0)), model
    )


def test_capacity_is_what_vllm_logged() -> None:
    found = capacity(settled(), LOGGED, 4096, None)
    assert (found.at_once, found.source, found.requests) == (4.34, "vLLM's log", 4)
    assert capacity(settled(), LOGGED, 4096, 3).requests == 3  # max_num_seqs


def test_capacity_for_another_length_follows_from_the_logged_memory() -> None:
    found = capacity(settled(), LOGGED, 2048, None)
    # Not 2 x 4.34: each request has the state of the linear layers.
    assert (found.requests, round(found.at_once or 0, 2)) == (7, 7.41)
    assert found.source.startswith("fit, from the 0.01 GiB")


def test_capacity_without_a_plan_that_agrees_is_in_proportion() -> None:
    other = MemoryFacts(kv_available_gib=0.5, kv_concurrency=4.34, kv_request_tokens=4096)
    found = capacity(settled(), other, 2048, None)
    assert (found.requests, found.planned) == (8, None)
    assert found.source == "vLLM's log, in proportion"


def test_capacity_without_a_log_is_what_fit_says() -> None:
    found = capacity(settled(), MemoryFacts(), 4096, None)
    assert (found.logged, found.source) == (None, "fit, before the start")
    assert (found.at_once or 0) > 100


def test_the_output_lasts_until_all_others_are_in() -> None:
    # Qwen3.5-27B on an H100: three more prefills of 6.66 s each, 20 ms a token.
    output = _output_tokens(65_536, 3 * 6.66, 0.02)
    assert 3 * 6.66 / 0.02 < output < 2_000
    assert _output_tokens(4096, 1000.0, 0.02) == 2048  # the prompt stays half of the context


def test_the_table_lists_each_request() -> None:
    shown = io.StringIO()
    found = Certificate(SMALL, captured("held"), captured("waited"), captured("shared"))
    print_certificate(found, Console(file=shown, width=120))
    text = shown.getvalue()
    assert "holds 4 x 4,096 at once; the 5th waits" in text
    assert text.count("5 different") == 6
    assert "3,781 + 299" in text


def test_what_proved_nothing_is_sent_again_with_a_longer_output() -> None:
    """As when the one request alone was slower than those that followed."""
    outputs: list[int] = []
    alone = timed(((6.66, 7.0),))
    answers = iter(
        [alone, timed(H100_SHORT), timed(H100_LONG), timed(H100_FIFTH), timed(H100_LONG)]
    )

    def bodies(count: int, output: int) -> list[dict[str, Any]]:
        outputs.append(output)
        return [{}] * count

    build = cast("Any", SimpleNamespace(different=bodies, shared=bodies))
    load = cast("Any", SimpleNamespace(send=lambda name, bodies, needed_s: next(answers)))
    steps = Steps(Console(file=io.StringIO()), "certify", [1.0] * 4)
    found = certify(build, load, H100, 4, steps)
    assert found.held
    first, again = outputs[1:3]
    assert again == 3 * first
    assert outputs[3:] == [again, again]
