"""tune: the goal, what is tried where, what counts as better, and how the search goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from onecard.commands.measure.tune import settings as read_settings
from onecard.errors import UnhealthyError, UsageError
from onecard.facts import Facts, Memory
from onecard.fit.on_host import Settled, settle
from onecard.inventory.host import Host
from onecard.inventory.override import override
from onecard.measure.prior_release import PriorRelease
from onecard.measure.stress.result import Tally
from onecard.measure.tune import tune_run
from onecard.measure.tune.candidates import Candidate, LeftOut, candidates
from onecard.measure.tune.goal import goal
from onecard.measure.tune.judgement import (
    ANSWERS,
    BETTER,
    FAILED,
    MISSED,
    NOT_SHOWN,
    Answers,
    Judgement,
    judge,
    ratio,
    shown,
)
from onecard.measure.tune.result import TunePlan, TuneResult
from onecard.measure.tune.search import Measured, Search, Trial
from onecard.measure.tune.tune_run import TuneRun, run_tune
from onecard.measure.tune.tune_table import print_plan, print_tune
from onecard.records import find_runs
from onecard.records.write import plain
from onecard.reference.documents_schema import check
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings
from tests.support.facts_support import CARD, box, working

GOAL = goal("ttft<2s,p95<10s")
FLAGS = {
    "goal": "ttft<2s,p95<10s",
    "concurrency": "8",
    "images": "1",
    "input_tokens": "512",
    "output_tokens": "64",
    "requests": "32",
    "repeats": "5",
    "budget": "30m",
    "only": "",
    "keep": False,
}
FINE = Answers(12, 12, Tally(22, 2, 0, 0, 20.0))


def load(rate: float, latency: float = 5.0, **values: Any) -> dict[str, Any]:
    spread = {"p50": latency / 2, "p95": latency, "p99": latency}
    return {
        "requests_per_s": rate,
        "failed": 0,
        "ttft_s": {name: each / 5 for name, each in spread.items()},
        "tpot_s": {name: each / 50 for name, each in spread.items()},
        "latency_s": spread,
        "kv_use_peak": 0.2,
        "preemptions": 0.0,
        **values,
    }


def rounds(rate: float, latency: float = 5.0) -> list[dict[str, Any]]:
    """Rounds of which the requests, not the server, make the noise."""
    return [load(rate * each, latency / each) for each in (0.8, 1.0, 1.25, 0.9)]


def measured(rate: float, latency: float = 5.0, answers: Answers = FINE) -> Measured:
    return Measured(answers, rounds(rate, latency), 7, "f7")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ttft<2s,p95<10s", "TTFT p95 < 2 s, latency p95 < 10 s"),
        (" p50 TPOT < 50ms ", "TPOT p50 < 50 ms"),
        ("p99latency<=1.5m", "latency p99 < 90 s"),
    ],
)
def test_a_goal_is_limits_of_the_loads_times(text: str, shown: str) -> None:
    assert str(goal(text)) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '"" is not a limit such as ttft<2s, p95<10s or p50 tpot<50ms'),
        ("ttft<2s,", '"" is not a limit'),
        ("fast", '"fast" is not a limit'),
        ("ttft<2", '"ttft<2" is not a limit'),
        ("<2s", '"<2s" is not a limit'),
        ("ttft<0s", '"ttft<0s" is not a limit'),
        ("ttft>2s", '"ttft>2s" is not a limit'),
        ("p90<2s", '"p90<2s" is not a limit'),
        ("p95<2s,latency<3s", "latency p95 has two limits; give one"),
    ],
)
def test_another_goal_is_refused_in_a_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        goal(text)
    assert refused.value.message.startswith(f"--goal: {message}")
    assert refused.value.exit_code == 2


def test_the_nearest_limit_is_the_goals_use() -> None:
    assert GOAL.use(load(1.0, 8.0)) == pytest.approx(0.8)  # TTFT 1.6 of 2 s, latency 8 of 10 s
    assert goal("ttft<1s,p95<100s").use(load(1.0, 8.0)) == pytest.approx(1.6)


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("only", "ctx", r'--only: "ctx" is none of max_num_seqs, .*cuda_graphs'),
        ("repeats", "1", "--repeats: 2 or more"),
        ("budget", "30", r'--budget: "30" is not a time such as'),
        ("images", "-1", '--images: "-1" is not a whole number'),
    ],
)
def test_a_flag_that_is_wrong_is_named(flag: str, value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_settings(**{**FLAGS, flag: value})  # type: ignore[arg-type]


def settled(values: dict[str, Any], facts: Facts) -> Settled:
    host = Host("box1", Connection("192.0.2.1"), Settings.model_validate(values))
    return settle(host, facts)


QWEN = {"model": {"source": "Qwen/Qwen3.5-27B"}, "serve": {"tensor_parallel": 1}}
A100 = box(driver=working("580.95.05"), gpus=(CARD,))
H100 = box(
    driver=working("580.95.05"),
    gpus=(replace(CARD, name="NVIDIA H100 80GB HBM3", capability="9.0", memory_total_mib=81559),),
)


def test_what_applies_to_the_card_and_the_model_is_tried() -> None:
    tried, left_out = candidates(settled(QWEN, H100), concurrency=6)
    assert left_out == ()
    assert [each.title for each in tried] == [
        "max_num_seqs 8",
        "max_num_seqs 4",
        *(f"max_num_batched_tokens {each}" for each in (2048, 16384)),  # 8,192 is the card's own
        "kv_cache_dtype fp8",
        "gpu_memory_utilization 0.94",
        "extra_args --max-cudagraph-capture-size 8",
        "speculative_config auto",
    ]
    assert [each.option for each in tried if each.for_more_cache] == [
        "gpu_memory_utilization",
        "cuda_graphs",
    ]


def test_each_candidate_is_a_setting_that_a_deploy_takes() -> None:
    found = settled(QWEN, H100)
    for each in candidates(found, 6)[0]:
        values = {f"serve.{name}": value for name, value in each.values.items()}
        changed = override(found.host, values, {}).settings.serve
        for name, value in each.values.items():
            assert getattr(changed, name) == value


def test_what_does_not_apply_is_left_out_with_the_reason() -> None:
    serve = {"kv_cache_gib": 0.25, "enforce_eager": True, "max_num_seqs": 1}
    cpu = {"accelerator": "cpu", "serve": serve, "model": {"source": "nobody/nothing"}}
    tried, left_out = candidates(settled(cpu, Facts(memory=Memory(total_gib=24.0))), 1)
    assert {each.option for each in tried} == {"max_num_batched_tokens"}
    assert {each.option: each.reason for each in left_out} == {
        "max_num_seqs": "1 is what a request at a time needs",
        "kv_cache_dtype": "FP8 needs a card, and this server runs on the CPU",
        "gpu_memory_utilization": "this server runs on the CPU",
        "cuda_graphs": "there are none on a CPU",
        "speculative_config": "vLLM's recipe names none (MTP) for nobody/nothing",
    }
    old = candidates(settled(QWEN, A100), 8, only=("kv_cache_dtype",))
    assert old == ((), (LeftOut("kv_cache_dtype", "compute capability 8.0 has no FP8; 8.9 has"),))


def test_what_is_set_already_is_tried_the_other_way() -> None:
    serve = {
        "tensor_parallel": 1,
        "kv_cache_dtype": "fp8",
        "enforce_eager": True,
        "speculative_config": "auto",
        "gpu_memory_utilization": 0.96,
    }
    only = ("kv_cache_dtype", "cuda_graphs", "speculative_config", "gpu_memory_utilization")
    tried, left_out = candidates(settled({**QWEN, "serve": serve}, H100), 8, only)
    assert [each.title for each in tried] == [
        "kv_cache_dtype auto",
        "enforce_eager off",
        "speculative_config off",
    ]
    assert [each.option for each in left_out] == ["gpu_memory_utilization"]


def test_more_requests_within_the_goal_are_better_beyond_chance_only() -> None:
    """The rounds differ by 50 %, but in pairs of the same requests by the server alone."""
    found = judge(GOAL, rounds(2.2), rounds(2.0), comparisons=8)
    assert (found.outcome, found.reason) == (BETTER, "51 % of the nearest limit")
    assert found.gain is not None
    assert found.gain.value == pytest.approx(1.1)
    same = [load(rate) for rate in (2.4, 1.9, 2.1, 1.8)]
    assert judge(GOAL, same, rounds(2.0), 8).outcome == NOT_SHOWN
    assert judge(GOAL, rounds(3.0, 12.0), rounds(2.0), 8).outcome == MISSED


def test_a_missed_goal_is_neared_before_more_requests_count() -> None:
    missed = rounds(2.0, 20.0)
    nearer = judge(GOAL, rounds(1.5, 12.0), missed, 8)
    assert (nearer.outcome, nearer.reason[:27]) == (BETTER, "still misses the goal, 123 ")
    assert judge(GOAL, rounds(1.5, 5.0), missed, 8).reason.startswith("meets the goal")
    assert judge(GOAL, rounds(4.0, 20.0), missed, 8).outcome == NOT_SHOWN


def test_more_comparisons_need_more_evidence() -> None:
    now = [load(rate) for rate in (2.1, 2.3, 2.2, 2.15)]
    before = [load(2.0) for _ in now]
    assert judge(GOAL, now, before, comparisons=1).outcome == BETTER
    assert judge(GOAL, now, before, comparisons=8).outcome == NOT_SHOWN


def test_two_noisy_rounds_show_nothing() -> None:
    noisy = ratio([0.5, 4.0], [2.0, 1.0], comparisons=2)
    assert shown(noisy) == "x 1.00 (0.00 to more than 100)"


def test_requests_that_fail_are_no_gain() -> None:
    failing = [*rounds(9.0)[:3], load(9.0, failed=2)]
    found = judge(GOAL, failing, rounds(2.0), 1)
    assert (found.outcome, found.reason) == (FAILED, "2 requests failed under the load")


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        (FINE, ""),
        (replace(FINE, grounding=Tally(20, 4, 0, 0, 20.0)), ""),  # chance explains that
        (replace(FINE, smoke=11), "smoke 11 of 12 right, 12 before"),
        (
            replace(FINE, grounding=Tally(9, 15, 0, 0, 20.0)),
            "beside a text 9 of 24 right, 22 of 24 before",
        ),
    ],
)
def test_worse_answers_are_named(answers: Answers, why: str) -> None:
    assert answers.why_worse(FINE) == why


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def search(
    results: Mapping[str, Measured | Judgement], *, budget_s: float = 10_000.0, kv: float = 0.2
) -> tuple[Search, list[Mapping[str, object]], list[str]]:
    """Run a search whose trials take 100 s each; return it, what was served, and what it said."""
    clock, served, said = Clock(), list[Mapping[str, object]](), list[str]()

    def attempt(values: Mapping[str, object], candidate: Candidate) -> Measured | Judgement:
        clock.seconds += 100.0
        served.append(values)
        return results[candidate.title]

    base = Measured(FINE, [{**each, "kv_use_peak": kv} for each in rounds(2.0)], 3, "f3")
    found = Search(GOAL, base, attempt, clock, budget_s, 90.0, said.append)
    found.run(
        [
            Candidate("max_num_seqs", {"max_num_seqs": 8}),
            Candidate("kv_cache_dtype", {"kv_cache_dtype": "fp8"}),
            Candidate("gpu_memory_utilization", {"gpu_memory_utilization": 0.94}, True),
            Candidate("speculative_config", {"speculative_config": "auto"}),
        ]
    )
    return found, served, said


RESULTS: Mapping[str, Measured | Judgement] = {
    "max_num_seqs 8": measured(2.4),
    "kv_cache_dtype fp8": Judgement(ANSWERS, "smoke 11 of 12 right, 12 before"),
    "gpu_memory_utilization 0.94": measured(2.4),
    "speculative_config auto": measured(3.0),
}


def test_each_option_is_tried_on_top_of_the_best_so_far() -> None:
    found, served, said = search(RESULTS)
    assert served == [
        {"max_num_seqs": 8},
        {"max_num_seqs": 8, "kv_cache_dtype": "fp8"},
        {"max_num_seqs": 8, "speculative_config": "auto"},  # without what was rejected
    ]
    assert found.settings == {"max_num_seqs": 8, "speculative_config": "auto"}
    assert found.best is RESULTS["speculative_config auto"]
    assert [trial.judgement.outcome for trial in found.trials] == [BETTER, ANSWERS, BETTER]
    gain = found.trials[2].judgement.gain
    assert gain is not None
    assert gain.value == pytest.approx(1.25)  # of the best so far, not of the current release
    assert said == [
        "trial 1 of 3: max_num_seqs 8, about 4 min left",
        "max_num_seqs 8: better, requests/s x 1.20 (1.20 to 1.20); 51 % of the nearest limit",
        "trial 2 of 3: kv_cache_dtype fp8, about 3 min left",
        "kv_cache_dtype fp8: answers get worse; smoke 11 of 12 right, 12 before",
        "trial 3 of 3: speculative_config auto, about 2 min left",
        "speculative_config auto: better, requests/s x 1.25 (1.25 to 1.25); 51 % of the nearest "
        "limit",
    ]


def test_more_cache_is_tried_only_where_the_cache_fills() -> None:
    found, served, _ = search(RESULTS)
    assert [each.reason for each in found.left_out] == [
        "the KV cache was 20 % full at most: more of it gains nothing"
    ]
    _, served, _ = search(RESULTS, kv=0.97)
    assert {"max_num_seqs": 8, "gpu_memory_utilization": 0.94} in served


def test_the_budget_leaves_time_for_the_way_back() -> None:
    found, served, _ = search(RESULTS, budget_s=350.0)
    assert len(served) == 2  # a third trial would end at 300 s, and the way back takes 100 s
    assert found.left_out[-1] == LeftOut("speculative_config auto", "the budget of 6 min is spent")
    assert search(RESULTS, budget_s=100.0)[1] == []


def result(**values: Any) -> TuneResult:
    found, _, _ = search(RESULTS)
    known = {
        "host": "box1",
        "goal": GOAL,
        "base": found.base,
        "best": found.best,
        "trials": tuple(found.trials),
        "left_out": tuple(found.left_out),
        "found": found.settings,
        "again": None,
        "kept": False,
        "interrupted": False,
    }
    return TuneResult(**{**known, **values})


def printed(show: Any, found: object) -> str:
    output = io.StringIO()
    show(found, Console(file=output, width=200))
    return output.getvalue()


def test_the_settings_can_be_pasted() -> None:
    found = result()
    assert yaml.safe_load(found.paste) == {
        "serve": {"max_num_seqs": 8, "speculative_config": "auto"}
    }
    text = printed(print_tune, found)
    assert "x 1.50 (1.50 to 1.50), at 95 %, with 2 settings; the best meets TTFT p95 < 2 s" in text
    assert "kv_cache_dtype fp8: smoke 11 of 12 right, 12 before" in text
    assert "left out: gpu_memory_utilization 0.94: the KV cache was 20 % full" in text
    assert text.endswith("serve:\n  max_num_seqs: 8\n  speculative_config: auto\n")


def test_the_documents_have_the_keys_of_their_schema() -> None:
    found = result()
    trials = [trial.values() for trial in found.trials]
    check("tune", json.dumps(plain({"host": "box1", **found.values(), "trials": trials})))
    tried, left_out = candidates(settled(QWEN, A100), 8)
    listed = TunePlan(tried, left_out, None, 300.0, 1800.0).values()
    check("tune", json.dumps(plain({"host": "box1", **listed})))


def test_without_a_gain_there_is_nothing_to_paste() -> None:
    nothing = result(found={}, trials=(), interrupted=True)
    nothing = replace(nothing, best=nothing.base)
    assert nothing.line == (
        "interrupted after 0 trials: none is shown to be better than the current release, which "
        "meets TTFT p95 < 2 s, latency p95 < 10 s (51 % of the nearest limit)"
    )
    assert (nothing.paste, nothing.gain) == ("", None)
    assert "paste" not in printed(print_tune, nothing)


def test_a_box_that_changed_meanwhile_is_named() -> None:
    slower = result(again=rounds(1.6))
    assert "x 0.80 (0.80 to 0.80): the box itself has changed" in printed(print_tune, slower)
    assert slower.confirmed


def test_a_gain_that_the_restored_release_has_too_is_none() -> None:
    """Other work on the box has ended meanwhile: each server after the first is faster."""
    found = result(again=rounds(3.0))
    assert found.confirmed is False
    assert (found.settings, found.paste, found.gain) == ({}, "", None)
    assert "not confirmed" in found.line
    assert "paste" not in printed(print_tune, found)
    noisy = [load(rate) for rate in (0.5, 4.0, 2.0, 1.0)]
    assert result(again=noisy).confirmed is False


@pytest.mark.parametrize(
    ("start_s", "trial_s", "words"),
    [
        (None, None, "how long a trial takes is not known before the first one"),
        (131.0, None, "a trial takes a start, 2 min here, and its load"),
        (131.0, 300.0, "a trial took 5 min here"),
    ],
)
def test_a_check_lists_the_trials(start_s: float | None, trial_s: float | None, words: str) -> None:
    tried, left_out = candidates(settled(QWEN, A100), 8, ("kv_cache_dtype", "cuda_graphs"))
    text = printed(print_plan, TunePlan(tried, left_out, start_s, trial_s, 1800.0))
    assert text.splitlines() == [
        "trial 1: extra_args --max-cudagraph-capture-size 8  (only where the KV cache is nearly "
        "full)",
        "left out: kv_cache_dtype: compute capability 8.0 has no FP8; 8.9 has",
        f"{words}; the budget is 30 min, and nothing was changed",
    ]


HOST = Host("box1", Connection("192.0.2.1"), Settings.model_validate({"accelerator": "cpu"}))


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> list[PriorRelease]:
    """Return what run_tune restores, on no box."""
    found: list[PriorRelease] = []

    def restore_prior(
        host: Host, known: Path, before: PriorRelease, *words: Any, **more: Any
    ) -> None:
        found.append(before)

    monkeypatch.setattr(tune_run, "restore_prior", restore_prior)
    for name in ("clean_box", "connected"):
        monkeypatch.setattr(tune_run, name, lambda *words: nullcontext())
    return found


def ends_with(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> None:
    def search_on(run: TuneRun, box: object) -> None:
        run._before = PriorRelease(True, 3, "f3", 4096, "tiny")
        run.search, _, _ = search(RESULTS)
        for trial in run.search.trials:
            run._on_trial(trial)
        if error:
            raise error

    monkeypatch.setattr(TuneRun, "search_on", search_on)
    monkeypatch.setattr(tune_run, "run_rounds", lambda *words: rounds(2.0))


@pytest.mark.parametrize("keep", [False, True])
def test_ctrl_c_ends_with_the_result_so_far_and_the_old_release(
    keep: bool, monkeypatch: pytest.MonkeyPatch, restored: list[PriorRelease]
) -> None:
    ends_with(monkeypatch, KeyboardInterrupt())
    wanted = read_settings(**{**FLAGS, "keep": keep})  # type: ignore[arg-type]
    found = run_tune(HOST, wanted, Path(), Console(file=io.StringIO()))
    assert (found.interrupted, found.kept, found.exit_code) == (True, False, 0)
    assert len(found.trials) == 3
    assert [before.release for before in restored] == [3]
    run = find_runs("box1")[0][-1]
    assert (run.kind, run.status) == ("tune", "done")
    assert [trial["outcome"] for trial in run.all("trial")] == [BETTER, ANSWERS, BETTER]
    assert (run.last("tune") or {})["line"] == found.line


def test_only_keep_deploys_the_best(
    monkeypatch: pytest.MonkeyPatch, restored: list[PriorRelease]
) -> None:
    ends_with(monkeypatch, None)
    for keep, releases in ((False, [3]), (True, [3, 7])):
        restored.clear()
        wanted = read_settings(**{**FLAGS, "keep": keep})  # type: ignore[arg-type]
        found = run_tune(HOST, wanted, Path(), Console(file=io.StringIO()))
        # What ran before is restored and measured once more, before anything is kept.
        assert [before.release for before in restored] == releases
        assert (found.kept, found.confirmed) == (keep, True)
    monkeypatch.setattr(tune_run, "run_rounds", lambda *words: rounds(3.0))
    restored.clear()
    assert not run_tune(HOST, wanted, Path(), Console(file=io.StringIO())).kept
    assert [before.release for before in restored] == [3]


def test_an_error_on_the_way_restores_too(
    monkeypatch: pytest.MonkeyPatch, restored: list[PriorRelease]
) -> None:
    ends_with(monkeypatch, UnhealthyError("box1: the server is gone"))
    with pytest.raises(UnhealthyError):
        run_tune(HOST, read_settings(**FLAGS), Path(), Console(file=io.StringIO()))  # type: ignore[arg-type]
    assert [before.release for before in restored] == [3]


def test_a_trial_that_was_measured_is_in_the_record_whole() -> None:
    trial = Trial(Candidate("max_num_seqs", {"max_num_seqs": 8}), Judgement(BETTER, ""), 9.0)
    assert trial.values()["settings"] == {"max_num_seqs": 8}
    assert trial.values()["answers"] is None
