"""The start of a server, read from real logs of several vLLM versions, whole and torn."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from onecard.startup_log import EventKind, MemoryFacts, Phase, StartTracker
from onecard.startup_log.line import read_line
from onecard.startup_log.memory import learn
from onecard.startup_log.progress import Progress, read_progress

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
SERVERS = sorted(path.name for path in LOGS.glob("*.log"))
GOOD = [name for name in SERVERS if name.endswith("-ok.log") or "api-key" in name]
DIES = [name for name in SERVERS if name not in GOOD]


def follow(name: str, prefix: str = "") -> StartTracker:
    tracker = StartTracker()
    for line in (LOGS / name).open(encoding="utf-8", newline="\n"):
        tracker.feed(prefix + line)
    return tracker


def seconds(tracker: StartTracker) -> dict[str, float]:
    return {
        state.phase.title: state.seconds for state in tracker.phases if state.started is not None
    }


def test_a_gpu_start_from_the_first_line_to_the_first_answer() -> None:
    tracker = follow("h200-0.25.1-ctx4096-ok.log")
    assert seconds(tracker) == {
        "process up": 1,
        "configuration": 21,
        "weights": 3,
        "compile": 64,
        "profiling": 103,
        "KV cache": 4,
        "CUDA graphs": 11,
        "API up": 2,
        "first answer": 1,
    }
    assert tracker.ready and tracker.alive and tracker.answered_at == 210
    assert tracker.facts == MemoryFacts(
        vllm_version="0.25.1",
        model="Qwen/Qwen3.5-27B",
        architecture="Qwen3_5ForConditionalGeneration",
        attention_backend="FLASH_ATTN",
        dtype="bfloat16",
        max_model_len=4096,
        eager=False,
        prefix_caching=False,
        weights_gib=51.1,
        kv_available_gib=17.21,
        kv_tokens=163384,
        kv_concurrency=39.89,
        kv_request_tokens=4096,
        graphs_gib=0.92,
        block_tokens=784,
        load_s=0.995713,
        compile_s=62.95,
        profile_s=87.89,
        graphs_s=11.0,
        engine_s=182.47,
        compile_cached=False,
    )


def test_a_cpu_start() -> None:
    tracker = follow("cpu-0.32.0-len-262144-ok.log")
    facts = tracker.facts
    assert (facts.kv_tokens, facts.kv_concurrency, facts.kv_request_tokens) == (
        2084935,
        7.95,
        262144,
    )
    assert (facts.kv_available_gib, facts.block_tokens, facts.load_s) == (1.0, 256, 0.02)
    assert facts.eager is True and facts.weights_gib is None
    assert tracker.ready and tracker.alive
    # Nothing is compiled and no graph is captured in eager mode.
    assert "compile" not in seconds(tracker) and "CUDA graphs" not in seconds(tracker)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("prefix", ["", "Nov 23 08:31:09 box vllm[123]: ", "\x1b[1;36m"])
def test_a_successful_start_is_never_called_dead(name: str, prefix: str) -> None:
    tracker = follow(name, prefix)
    assert tracker.ready
    assert tracker.death is None


@pytest.mark.parametrize("name", DIES)
@pytest.mark.parametrize("prefix", ["", "2026-11-23T08:31:09+0000 box vllm[123]: "])
def test_a_dying_start_is_recognised(name: str, prefix: str) -> None:
    assert follow(name, prefix).death is not None


def test_death_is_known_long_before_the_last_line() -> None:
    """The engine's word is enough; nobody needs to wait for the deadline or the exit."""
    tracker = StartTracker()
    lines = (LOGS / "h200-0.25.1-max-num-seqs-fail.log").read_text(encoding="utf-8").splitlines()
    died = next(
        number
        for number, line in enumerate(lines, 1)
        if any(event.kind is EventKind.DEAD for event in tracker.feed(line))
    )
    assert died == 957 and len(lines) == 1114
    assert tracker.death == "EngineCore failed to start."


def test_an_engine_that_dies_at_the_first_request_was_ready_and_never_answered() -> None:
    tracker = follow("cpu-0.32.0-engine-crash-on-first-request.log")
    assert tracker.ready and tracker.answered_at is None
    assert tracker.current.phase is Phase.ANSWER and not tracker.alive


KV_FORMS = [
    (["GPU KV cache size: 74,480 tokens"], 74480, None, None),
    (
        [
            "GPU KV cache size: 1,587,648 tokens",
            "Maximum concurrency for 2,048 tokens per request: 775.22x",
        ],
        1587648,
        775.22,
        2048,
    ),
    (["Maximum concurrency for 2048 tokens per request: 10.79x"], None, 10.79, 2048),
    (
        [
            "CPU KV cache size: 381,300 tokens, Maximum concurrency for 4,096 tokens per request: 93.09x"
        ],
        381300,
        93.09,
        4096,
    ),
]


@pytest.mark.parametrize(("lines", "tokens", "concurrency", "request_tokens"), KV_FORMS)
def test_every_form_of_the_kv_line(
    lines: list[str], tokens: int | None, concurrency: float | None, request_tokens: int | None
) -> None:
    tracker = StartTracker()
    for line in lines:
        tracker.feed(
            f"(EngineCore_DP0 pid=441) INFO 11-24 11:44:18 [kv_cache_utils.py:1234] {line}"
        )
    facts = tracker.facts
    assert (facts.kv_tokens, facts.kv_concurrency, facts.kv_request_tokens) == (
        tokens,
        concurrency,
        request_tokens,
    )
    assert tracker.current.phase in (Phase.KV_CACHE, Phase.PROCESS)


FACTS = [
    (
        "Model loading took 18.1450 GiB and 40.766484 seconds",
        {"weights_gib": 18.145, "load_s": 40.766484},
    ),
    ("Loading model weights took 67.7229 GB", {"weights_gib": 67.7229}),
    ("torch.compile takes 54.73 s in total", {"compile_s": 54.73}),
    ("Graph capturing finished in 8 secs, took 0.31 GiB", {"graphs_s": 8.0, "graphs_gib": 0.31}),
    ("Available KV cache memory: -1.25 GiB", {"kv_available_gib": -1.25}),
    (
        "Initializing a V1 LLM engine (v0.17.0) with config: enforce_eager=True",
        {"vllm_version": "0.17.0", "eager": True},
    ),
    (
        "Initializing a V1 LLM engine (v0.32.0) with config: model='/m', dtype=torch.bfloat16, "
        "quantization=fp8, device_config=cuda",
        {"vllm_version": "0.32.0", "dtype": "bfloat16", "quantization": "fp8"},
    ),
    ("LLM engine (v0.32.0) with config: quantization=None,", {"vllm_version": "0.32.0"}),
    ("vLLM API server version 0.9.0.1", {"vllm_version": "0.9.0.1"}),
    ("Using Flash Attention backend on V1 engine.", {"attention_backend": "Flash"}),
    ("Using AttentionBackendEnum.FLASHINFER backend.", {"attention_backend": "FLASHINFER"}),
    ("Using AttentionBackendEnum.FLASH_ATTN for MMEncoderAttention.", {}),
    (
        "init engine (profile, create kv cache, warmup model) took 90.00 s (compilation: 8.90 s)",
        {"engine_s": 90.0},
    ),
    ("GPU KV cache size: , tokens", {}),
    ("Model loading took 1. GiB and", {}),
]


@pytest.mark.parametrize(("message", "reported"), FACTS)
def test_a_fact(message: str, reported: dict[str, object]) -> None:
    facts = learn(MemoryFacts(), message)
    assert facts == MemoryFacts(**reported)  # type: ignore[arg-type]


def test_of_several_workers_the_one_with_the_least_memory_counts() -> None:
    facts = learn(MemoryFacts(), "Available KV cache memory: 10.55 GiB")
    assert learn(facts, "Available KV cache memory: 12.15 GiB").kv_available_gib == 10.55


BARS = [
    (
        "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<?, ?it/s]",
        (0.5, "Loading safetensors checkpoint shards", "1/2"),
    ),
    (
        "Capturing CUDA graphs (decode, FULL):  40%|████      | 14/35 [00:01<00:02,  8.8it/s]",
        (0.4, "Capturing CUDA graphs (decode, FULL)", "14/35"),
    ),
    (
        "model-00001-of-00004.safetensors:  12%|█▏        | 577M/4.98G [00:05<00:40, 108MB/s]",
        (0.12, "model-00001-of-00004.safetensors", "577M/4.98G"),
    ),
    (
        "Fetching 17 files: 100%|██████████| 17/17 [01:01<00:00]",
        (1.0, "Fetching 17 files", "17/17"),
    ),
    ("  1%|          | 339M/29.9G [00:02<02:38, 201MB/s]", (0.01, "", "339M/29.9G")),
]


@pytest.mark.parametrize(("text", "expected"), BARS)
def test_a_bar(text: str, expected: tuple[float, str, str]) -> None:
    assert read_progress(text) == Progress(*expected)


@pytest.mark.parametrize(
    "text", ["GPU KV cache usage: 26.6%, Prefix", "100% | of", "250%| 5/2", ""]
)
def test_no_bar(text: str) -> None:
    progress = read_progress(text)
    assert progress is None or progress.fraction == 1.0


def test_bars_move_the_current_phase() -> None:
    tracker = StartTracker()
    tracker.feed("Fetching 17 files:  18%|█▊        | 3/17 [00:01<00:05]", at=3.0)
    assert tracker.current.phase is Phase.DOWNLOAD and tracker.current.fraction == 0.18
    tracker.feed(
        "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<?, ?it/s]", at=9.0
    )
    assert (tracker.current.phase, tracker.current.fraction, tracker.current.count) == (
        Phase.WEIGHTS,
        0.5,
        "1/2",
    )
    # A straggling download of another worker does not go back.
    tracker.feed("Fetching 17 files: 100%|██████████| 17/17 [01:01<00:00]", at=10.0)
    assert tracker.current.phase is Phase.WEIGHTS and tracker.current.fraction == 0.5


def test_a_bar_and_another_process_in_one_line() -> None:
    tracker = StartTracker()
    events = tracker.feed(
        "Capturing CUDA graphs (decode, FULL):  97%|█████▎ | 65/67 [00:15<00:00,  4.58it/s]"
        "(Worker_TP2_EP2 pid=2709392) INFO 09-29 09:52:22 [gpu_model_runner.py:3468]"
        " Graph capturing finished in 38 secs, took 1.64 GiB"
    )
    assert tracker.facts.graphs_gib == 1.64
    assert [event.fraction for event in events if event.kind is EventKind.PROGRESS] == [0.97]


COATS = [
    (
        "(EngineCore pid=3985) INFO 11-23 08:31:15 [core.py:133] text",
        ("", "EngineCore", "INFO", "text"),
    ),
    (
        "\x1b[0;36m(EngineCore_DP0 pid=441)\x1b[0;0m ERROR 11-24 11:44:18 [core.py:708]   File",
        ("", "EngineCore_DP0", "ERROR", "  File"),
    ),
    (
        "Nov  3 08:31:09 gpu-1 vllm[77]: INFO:     Started server process [77]",
        ("vllm", "", "INFO", "Started server process [77]"),
    ),
    (
        "2026-11-23T08:31:09.123456+00:00 gpu-1 systemd[1]: vllm.service: Failed with result 'exit-code'.",
        ("systemd", "", "", "vllm.service: Failed with result 'exit-code'."),
    ),
    ("Nov 23 08:31:09 gpu-1 kernel: [ 12.345678] NVRM: Xid", ("kernel", "", "", "NVRM: Xid")),
    (
        "(APIServer pid=1) (EngineCore_DP0 pid=283) (Worker_TP5 pid=299) INFO 11-23 15:52:21 [fp8.py:184] x",
        ("", "Worker_TP5", "INFO", "x"),
    ),
    (
        "(VllmWorker rank=0 pid=105) INFO 04-29 01:07:40 [loader.py:458] x",
        ("", "VllmWorker", "INFO", "x"),
    ),
    ("INFO 01-30 03:18:25 backends.py:585] x", ("", "", "INFO", "x")),
    ("qwen3-1  | INFO 01-30 03:18:25 [backends.py:585] x", ("", "", "INFO", "x")),
    ("[rank0]: ValueError: x", ("", "", "", "ValueError: x")),
    ("(not a prefix) text", ("", "", "", "(not a prefix) text")),
]


@pytest.mark.parametrize(("raw", "expected"), COATS)
def test_the_coats_of_a_line(raw: str, expected: tuple[str, str, str, str]) -> None:
    line = read_line(raw)
    assert (line.program, line.process, line.level, line.message) == expected


def test_the_callers_clock_goes_before_the_logs() -> None:
    tracker = StartTracker()
    tracker.feed(
        "(APIServer pid=1) INFO 11-23 08:31:15 [api_utils.py:1] non-default args: {}", at=1.5
    )
    tracker.feed("INFO:     Application startup complete.", at=20.0)
    # What comes before the first line is a part of the start: imports.
    assert [tracker.phases[0].seconds, tracker.phases[1].seconds] == [1.5, 18.5]
    assert [event.kind for event in tracker.answered(at=23.0)] == [EventKind.ANSWERED]
    assert tracker.answered_at == 23.0 and tracker.current.seconds == 3.0


def test_the_year_may_end_during_a_start() -> None:
    tracker = StartTracker()
    tracker.feed("INFO 12-31 23:59:50 [a.py:1] non-default args: {}")
    tracker.feed("INFO 01-01 00:00:10 [a.py:1] Starting to load model x")
    assert tracker.phases[1].seconds == 20


def test_a_restart_begins_the_phases_again_and_is_counted() -> None:
    tracker = StartTracker()
    box = "Nov 23 08:31:09 box "
    tracker.feed(box + "systemd[1]: Started vllm.service - vLLM.")
    tracker.feed(
        box
        + "vllm[5]: (EngineCore pid=9) ERROR 11-23 08:31:15 [core.py:1] EngineCore failed to start."
    )
    tracker.feed(
        box + "systemd[1]: vllm.service: Main process exited, code=exited, status=1/FAILURE"
    )
    assert not tracker.alive
    events = tracker.feed(box + "systemd[1]: Started vllm.service - vLLM.")
    assert [event.kind for event in events] == [EventKind.RESTARTED]
    assert tracker.alive and tracker.restarts == 1 and tracker.current.phase is Phase.PROCESS


def test_the_old_servers_going_is_not_the_new_ones_death() -> None:
    tracker = StartTracker()
    for line in (LOGS / "cpu-0.32.0-len-262144-ok.log").open(encoding="utf-8"):
        tracker.feed("Nov 23 08:31:09 box vllm[5]: " + line)
    tracker.feed("Nov 23 08:31:09 box systemd[1]: vllm.service: Failed with result 'signal'.")
    tracker.feed("Nov 23 08:31:10 box systemd[1]: Started vllm.service - vLLM.")
    assert tracker.alive and not tracker.ready and tracker.restarts == 0
    assert tracker.facts == MemoryFacts()


@pytest.mark.parametrize("seed", range(20))
def test_torn_logs_and_junk_never_raise(seed: int) -> None:
    chance = random.Random(seed)
    text = (LOGS / chance.choice(SERVERS)).read_text(encoding="utf-8")
    begin = chance.randrange(len(text))
    lines = text[begin : begin + 30_000].split("\n")
    tracker = StartTracker()
    for line in lines:
        if chance.random() < 0.2:
            continue
        torn = line[: chance.randrange(len(line) + 1)] if chance.random() < 0.2 else line
        junk = bytes(chance.randrange(256) for _ in range(200)).decode("latin-1")
        tracker.feed(junk + torn if chance.random() < 0.1 else torn)
    assert all(state.seconds >= 0 for state in tracker.phases)


def test_a_line_of_megabytes_costs_little() -> None:
    started = time.perf_counter()
    for junk in (
        "█" * 2_000_000,
        "(" * 2_000_000,
        "[rank0]: " * 200_000,
        "50%|" * 100_000,
        "\x1b[" * 500_000,
    ):
        StartTracker().feed(junk)
    assert time.perf_counter() - started < 5
