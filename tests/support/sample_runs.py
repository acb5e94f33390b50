"""Records of an invented host, in the form of docs/records.md, for tests of the report.

The memory figures are those of a real start (tests/unit/fixtures/logs); all else is made up.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onecard.measure.bench.agreement import Agreement, AgreementRow
from onecard.measure.certify.capacity import Capacity
from onecard.measure.certify.certificate import Certificate
from onecard.measure.certify.proof import Proof, Seen
from onecard.measure.soak.senders import SoakOutcome
from onecard.measure.soak.verdict import SoakResult
from onecard.measure.soak.watch import Sample
from onecard.measure.stress.result import Tally
from onecard.measure.tune.candidates import Candidate
from onecard.measure.tune.goal import Goal, Limit
from onecard.measure.tune.judgement import ANSWERS, Answers, Judgement
from onecard.measure.tune.result import TuneResult
from onecard.measure.tune.search import Measured, Search
from onecard.records import Run
from onecard.settings.settings import Settings
from onecard.statistics.percentile import percentile
from onecard.statistics.share_interval import wilson

SHAPES = Path(__file__).resolve().parents[2] / "onecard" / "smoke" / "cases" / "shapes"
HOST = "a100-1"
MODEL = "Qwen/Qwen3.5-27B"
CONTEXTS = (4096, 65536, 131072, 262144)
# Of one pool of 17.21 GiB: tokens and concurrency as that start logged them, then by its blocks.
POOL = {
    4096: (163_384, 39.89),
    65536: (270_430, 4.13),
    131072: (275_200, 2.10),
    262144: (278_400, 1.06),
}
Events = list[dict[str, Any]]

FACTS = {
    "event": "facts",
    "os": "Ubuntu 24.04.3 LTS",
    "kernel": "6.8.0-88-generic",
    "arch": "x86_64",
    "cpu": "AMD EPYC 7763 64-Core Processor",
    "cpus": 32,
    "memory_gib": 251.7,
    "machine": "kvm",
    "gpus": [{"name": "NVIDIA A100-SXM4-80GB", "memory_mib": 81920, "capability": "8.0"}],
    "driver": "580.126.09",
    "cuda": "13.0",
    "python": "3.12.3",
    "software": {"vllm": "0.25.1", "torch": "2.13.0", "torchvision": "0.28.0", "transformers": "5.2.0"},
}  # fmt: skip


LOCK = {
    "asked": {"accelerator": "nvidia", "channel": "release", "version": "0.25.1", "packages": []},
    "vllm": "0.25.1", "commit": "", "torch": "2.13.0", "torchvision": "0.28.0", "cuda": "cu130",
    "python": "3.12", "python_from": "system", "driver": "580.126.09",
    "model": f"{MODEL}@main", "model_revision": "9f1c4e7ab8d2305566778899aabbccddeeff0011",
    "packages": {
        "vllm": "0.25.1", "torch": "2.13.0", "torchvision": "0.28.0", "transformers": "5.2.0",
        "numpy": "2.3.1", "pillow": "12.0.0", "triton": "3.7.0",
    },
}  # fmt: skip


def server(ctx: int, model: str = MODEL) -> dict[str, Any]:
    words = [
        "/opt/onecard/venv/bin/vllm",
        "serve",
        f"/opt/onecard/models/{model.replace('/', '--')}",
    ]
    options = {
        "served-model-name": model,
        "host": "127.0.0.1",
        "port": "8000",
        "max-model-len": str(ctx),
        "gpu-memory-utilization": "0.9",
        "reasoning-parser": "qwen3",
    }
    for name, value in options.items():
        words += [f"--{name}", value]
    return {
        "event": "server", "model": model, "ctx": ctx, "port": 8000, "vllm": "0.25.1",
        "options": options, "words": words,
    }  # fmt: skip


def run(kind: str, time: str, events: Events, host: str = HOST, **begin: Any) -> Run:
    """A finished run: `begin`, the events at growing times, `end`."""
    first = {
        "event": "begin", "version": 1, "kind": kind, "host": host, "onecard": "0.1.0",
        "command": ["invoke", kind, "--host", host], "parameters": {},
        "settings": Settings().model_dump(mode="json", by_alias=True), "lock": LOCK, **begin,
    }  # fmt: skip
    failed = any(event["event"] == "failure" for event in events)
    last = {"event": "end", "status": "failed" if failed else "done", "exit_code": int(failed)}
    timed = [
        {**event, "time": f"{time[:-1]}.{place:03d}Z"}
        for place, event in enumerate(copy.deepcopy([first, *events, last]))
    ]
    name = time.replace("-", "").replace(":", "")
    return Run(Path(f"{folder_of(host)}/{name}-{kind}.jsonl"), tuple(timed))


def folder_of(host: str) -> str:
    return host.replace(":", "_")


def start(ctx: int, seconds: float = 214.0) -> dict[str, Any]:
    tokens, at_once = POOL.get(ctx, POOL[65536])
    phases = (
        ("process up", 4.2), ("configuration", 21.4), ("weights", 16.3), ("compile", 67.9),
        ("profiling", 94.4 * seconds / 214.0), ("KV cache", 0.8), ("CUDA graphs", 10.1),
        ("API up", 2.6), ("first answer", 1.9),
    )  # fmt: skip
    began = 0.0
    reported = []
    for name, took in phases:
        reported.append({"phase": name, "began_s": round(began, 1), "seconds": round(took, 1)})
        began += took
    return {
        "event": "start", "ctx": ctx, "answered_s": round(began, 1), "phases": reported,
        "memory": {
            "weights_gib": 51.1, "kv_available_gib": 17.21, "kv_tokens": tokens,
            "kv_concurrency": at_once, "kv_request_tokens": ctx, "graphs_gib": 0.92,
            "block_tokens": 784, "attention_backend": "FLASH_ATTN", "dtype": "bfloat16", "vllm_version": "0.25.1",
        },
    }  # fmt: skip


def smoke(
    ctx: int | None = None,
    *,
    factor: float = 1.0,
    wrong: Mapping[str, str] = {},
    blind: bool = False,
    repeats: int = 3,
) -> Events:
    """Twelve cases. factor: how much slower. wrong: case -> the answer given instead of the right
    one. blind: the server dropped the pictures."""
    also = {} if ctx is None else {"ctx": ctx}
    import yaml

    cases = yaml.safe_load((SHAPES.parent / "shapes.yml").read_text())["cases"]
    events: Events = []
    steady = []
    for place, case in enumerate(cases):
        latency = factor * (0.44 + 0.02 * math.sin(place))
        latencies = [round(latency * share, 4) for share in (1, 1.01, 0.99)[:repeats]]
        steady += latencies
        events.append(
            {
                "event": "case", "name": case["name"], "question": case["question"],
                "expected": case["expect"], "latency_s": round(latency, 4), "error": "",
                "given": wrong.get(case["name"], case["expect"][0].capitalize() + "."),
                "passed": case["name"] not in wrong, "ttft_s": round(latency * 0.6, 4),
                "latencies_s": latencies, "ttfts_s": [round(each * 0.6, 4) for each in latencies],
                "prompt_tokens": 290 + place, "completion_tokens": 4,
                "picture": {"file": f"pictures/{case['name']}.png", "sha256": ""}, **also,
            }
        )  # fmt: skip
    control = {
        "asked": 12, "right_with": 12 - len(wrong), "right_without": 0, "guessable": 3,
        "added_tokens": 0 if blind else 260,
        "failure": "a picture added no tokens to the prompt: the server drops pictures" if blind else "",
    }  # fmt: skip
    events.append(
        {
            "event": "smoke", "model": MODEL, "passed": 12 - len(wrong),
            "failed": len(wrong) + blind, "ok": not wrong and not blind,
            "warmup_s": 19.6, "steady_p50_s": percentile(steady, 50),
            "steady_p95_s": percentile(steady, 95), "steady_s": steady,
            "picture_control": control, **also,
        }
    )  # fmt: skip
    return events


def scale(*, wrong: Sequence[int] = ()) -> Events:
    """wrong: context lengths whose long request is answered wrong."""
    events: Events = [FACTS, {"event": "before", "active": True, "ctx": 65536, "model": MODEL}]
    for place, ctx in enumerate(CONTEXTS):
        begun = start(ctx, 214.0 + place)
        tokens = int(ctx * 0.95)
        requested = {
            "ctx": ctx, "aimed_tokens": tokens, "prompt_tokens": tokens - 7, "completion_tokens": 6,
            "answered": True, "right": ctx not in wrong,
            "given": "A blue circle." if ctx in wrong else "A red square.", "error": "",
            "latency_s": round(0.5 + tokens / 5600, 2), "ttft_s": round(0.3 + tokens / 5650, 2),
        }  # fmt: skip
        cases = smoke(ctx, factor=1 + 0.01 * place, repeats=1)
        events += [
            {"event": "context", "ctx": ctx}, begun, server(ctx), *cases,
            {"event": "long_request", **requested},
            {
                "event": "row", "ctx": ctx, "configured": "yes", "reason": "",
                "answered_s": begun["answered_s"], "phases": begun["phases"],
                "memory": begun["memory"], "gpu_peak_mib": [75800 + place * 90],
                "kv_tokens": begun["memory"]["kv_tokens"],
                "kv_concurrency": begun["memory"]["kv_concurrency"],
                "warmup_s": 19.6, "steady_p50_s": cases[-1]["steady_p50_s"],
                "steady_p95_s": cases[-1]["steady_p95_s"], "smoke_passed": 12, "smoke_cases": 12,
                "smoke_ok": True, "long_request": requested,
            },
        ]  # fmt: skip
    events.append(
        {
            "event": "row", "ctx": 524288, "configured": "refused", "phases": [], "memory": None,
            "reason": "the model itself takes no more than 262,144 tokens", "long_request": None,
        }
    )  # fmt: skip
    return [
        *events,
        {"event": "restored", "active": True, "ctx": 65536, "model": MODEL},
    ]


def stress(ctx: int = 65536, *, worst: float = 0.55) -> Events:
    """worst: share answered right behind the longest prose."""
    lengths = (512, 2048, 8192, 32768, 120_000)
    events: Events = [FACTS, server(ctx)]
    totals: dict[int, list[int]] = {0: [24, 24]}
    events += [
        _cell("none", "no image", 0, 24, 6, 40), _cell("none", "image first", 0, 24, 24, 300)
    ]  # fmt: skip
    for kind, loss in (("repeated", 0.4), ("prose", 1.0), ("distractor", 1.3)):
        for position, more in (("image first", 0.8), ("image last", 1.0)):
            for place, length in enumerate(lengths):
                if length > ctx:
                    events.append(_cell(kind, position, length, 24, None, None))
                    continue
                share = max(0.0, 1 - (1 - worst) * loss * more * (place / 3) ** 1.5)
                right = round(24 * min(1.0, share))
                events.append(_cell(kind, position, length, 24, right, length + 300))
                total = totals.setdefault(length, [0, 0])
                total[0] += right
                total[1] += 24
    points = [
        {
            "target_tokens": length, "prompt_tokens": length + 300, "asked": requested, "right": right,
            "accuracy": right / requested, **_interval(right, requested),
        }
        for length, (right, requested) in totals.items()
    ]  # fmt: skip
    verdict = "Text around a picture makes answers about it worse: 100 % right without, 57 % behind 32,768 tokens."
    curve = {
        "event": "curve", "points": points, "guessable": 0.25, "verdict": verdict,
        "without_image": {"right": 6, "asked": 24},
    }  # fmt: skip
    return [*events, curve]


def _interval(right: int, requested: int) -> dict[str, float]:
    low, high = wilson(right, requested) or (0.0, 1.0)
    return {"low": round(low, 4), "high": round(high, 4)}


def _cell(
    prefix: str, position: str, length: int, requested: int, right: int | None, tokens: int | None
) -> dict[str, Any]:
    cell: dict[str, Any] = {
        "event": "cell", "prefix": prefix, "position": position, "target_tokens": length,
        "prefix_tokens": length, "prompt_tokens": tokens, "failed": 0,
    }  # fmt: skip
    if right is None or tokens is None:
        return {**cell, "asked": 0, "right": 0, "wrong": 0, "exceeds": 1, "accuracy": None, "low": None,
                "high": None, "latency_p50_s": None, "latency_p95_s": None, "ttft_p50_s": None}  # fmt: skip
    return {
        **cell, "asked": requested, "right": right, "wrong": requested - right, "exceeds": 0, "accuracy": right / requested,
        **_interval(right, requested), "latency_p50_s": round(0.42 + tokens / 5600, 3),
        "latency_p95_s": round(0.5 + tokens / 5400, 3), "ttft_p50_s": round(0.25 + tokens / 5650, 3),
    }  # fmt: skip


def bench(*, factor: float = 1.0, noise: float = 1.1) -> Events:
    events: Events = [FACTS, server(65536)]
    for images, tokens in ((0, 512), (1, 512)):
        for level in (1, 2, 4, 8, 16):
            rate = 31 * level / (1 + 0.09 * level) / factor / (1 + 0.4 * images)
            wait = factor * (0.2 + 0.05 * level) * (1 + 0.4 * images)

            def spread(value: float) -> dict[str, float]:
                return {"mean": value, "p50": value * 0.96, "p95": value * 1.5, "p99": value * 2.1}

            events.append(
                {
                    "event": "load", "name": f"c{level}i{images}", "via": "box", "rate": None,
                    "generator": "vllm bench serve", "concurrency": level, "input_tokens": tokens,
                    "output_tokens": 64, "images": images, "requests": 64, "completed": 64,
                    "failed": 0, "duration_s": 60.0, "requests_per_s": rate / 64,
                    "prompt_tokens": 64 * tokens, "generation_tokens": 64 * 64,
                    "prompt_tokens_per_s": rate * tokens / 64, "generation_tokens_per_s": rate,
                    "ttft_s": spread(wait), "tpot_s": spread(0.026 * factor + 0.001 * level),
                    "latency_s": spread(wait + 64 * (0.026 * factor + 0.001 * level)),
                    "goodput_per_s": rate / 64 * (0.98 if level < 8 else 0.6), "kv_use_peak": 0.02 * level,
                    "running_peak": level, "waiting_peak": 0, "preemptions": 0, "errors": [],
                }
            )  # fmt: skip
    rows = (
        AgreementRow("requests/s", vllm=1.62, onecard=1.60, ratio=0.988, low=0.95, high=1.05),
        AgreementRow(
            "TTFT p50", vllm=0.412, onecard=0.420, ratio=1.02, low=1.02 / noise, high=1.02 * noise
        ),
    )
    again = {**events[4], "name": "4 at once, by both"}
    events += [again, {**again, "generator": "onecard"}]
    events.append({"event": "agreement", **Agreement("4 at once, by both", rows, 16).values()})
    tunnel = {"requests": 20, "tunnel_p50_s": 0.612, "box_p50_s": 0.447, "added_p50_s": 0.165,
              "tunnel_ttft_p50_s": 0.431, "box_ttft_p50_s": 0.268}  # fmt: skip
    return [*events, {"event": "tunnel", **tunnel}]


def certify() -> Events:
    """Four full requests held at once; the fifth waits."""
    first_tokens = {
        "different": (7.7, 14.8, 21.9, 29.0),
        "one more": (7.7, 14.8, 21.9, 29.0, 95.6),
        "shared": (7.3, 14.0, 20.9, 27.5),
    }
    tpot_s, ends, proofs = 0.035, 94.4, []
    for name, came in first_tokens.items():
        times = tuple(
            {
                "began_s": 10.0, "ttft_s": ttft, "latency_s": max(ends, ttft) + tpot_s * place,
                "prompt_tokens": 63_800 + 7 * place, "completion_tokens": 1_720, "error": "",
            }
            for place, ttft in enumerate(came)
        )  # fmt: skip
        reported = Seen(4.0, 0.0, 0.0, 0.93, 0.92, 258_000.0)
        proofs.append(Proof(name, times, reported, 21.0))
    found = Certificate(Capacity(65536, 4.13, 65536, 4.13, "vLLM's log", 256), *proofs)
    return [
        server(65536),
        *({"event": "held", **proof.values()} for proof in proofs),
        {"event": "certificate", **found.values(), "gpu_peak_mib": [73_751]},
    ]


def soak() -> Events:
    """Half an hour of mixed load, in which nothing died, failed or leaked."""
    samples = [
        Sample(
            float(at), 0.1 + 0.05 * math.sin(at / 40), 4.0, 0.0, 0.0,
            min(9.4, 8.6 + at / 500) + 0.02 * (at % 7), [73_751],
        )
        for at in range(6, 1800, 6)
    ]  # fmt: skip
    outcomes = [
        *(SoakOutcome("answered", float(at), 0.4, 3.0 + 0.5 * (at % 5)) for at in range(1800)),
        *(SoakOutcome(name, float(at), error="") for at in range(0, 1800, 9) for name in ("aborted", "refused")),
    ]  # fmt: skip
    idle = Sample(-1.0, 0.0, 0.0, 0.0, 0.0, 8.6, [73_751])
    found = SoakResult(1800.0, 1800.0, 1.3, outcomes, samples, idle, idle)
    return [
        server(65536),
        *(
            {"event": "sample", **vars(each), "answered": 6, "latency_p50_s": 3.5 + 0.1 * (place % 9),
             "ttft_p50_s": 0.4}
            for place, each in enumerate(samples)
        ),
        {"event": "soak", **found.values()},
    ]  # fmt: skip


def tune() -> Events:
    """Three trials: one is better, one has worse answers, one gains nothing that is shown."""
    candidates = (
        Candidate("max_num_seqs", {"max_num_seqs": 8}),
        Candidate("kv_cache_dtype", {"kv_cache_dtype": "fp8"}),
        Candidate("speculative_config", {"speculative_config": "auto"}),
    )
    goal = Goal((Limit("ttft", "p95", 2.0),))

    def rounds(rate: float) -> list[dict[str, Any]]:
        times = {"p50": 0.5, "p95": 1.1, "p99": 1.3}
        return [
            {"requests_per_s": rate * each, "ttft_s": times, "failed": 0, "kv_use_peak": 0.4,
             "preemptions": 0}
            for each in (0.9, 1.0, 1.1)
        ]  # fmt: skip

    answers = Answers(12, 12, Tally(22, 2, 0, 0, 20.0))
    found = {
        "max_num_seqs 8": Measured(answers, rounds(2.4), 4, "f4"),
        "kv_cache_dtype fp8": Judgement(ANSWERS, "smoke 11 of 12 right, 12 before"),
        "speculative_config auto": Measured(answers, rounds(2.4), 6, "f6"),
    }
    base = Measured(answers, rounds(2.0), 3, "f3")
    search = Search(goal, base, lambda values, each: found[each.title], lambda: 0.0, 1800.0, 60.0)
    search.run(candidates)
    result = TuneResult(
        HOST, goal, base, search.best, tuple(search.trials), (), search.settings,
        rounds(2.02), kept=False, interrupted=False,
    )  # fmt: skip
    return [
        server(65536),
        *({"event": "trial", **trial.values()} for trial in search.trials),
        {"event": "tune", **result.values()},
    ]


def cache(*, ratio: float = 0.14) -> Events:
    """Prefix caching is on. ratio: what a text takes the second time, by the first."""
    pair = {
        "what": "text", "tokens": 3481, "repeats": 4, "first_s": 0.398, "again_s": 0.398 * ratio,
        "ratio": ratio, "low": ratio / 1.3, "high": ratio * 1.3, "hits": 3456.0,
    }  # fmt: skip
    found = {
        "event": "cache", "is_on": True, "block_tokens": 128, "pays_from": 3481,
        "finding": "prefix caching pays from 3,481 tokens on", "picture": None, "texts": [pair],
        "tokens": {"off": 479349, "on": 441505, "share": 0.079},
        "turns": [{"number": 1, "prompt_tokens": 3513, "ttft_s": 0.727, "hits": 0.0}],
        "at_once": {"requests": 2, "ttfts_s": [0.057, 1.2], "hits": 6912.0},
    }  # fmt: skip
    return [server(65536), found]


def failed_deploy() -> Events:
    diagnosis = {
        "rule": "max-num-seqs-above-blocks", "line": "ValueError: max_num_seqs (1024) exceeds ...",
        "cause": "max_num_seqs is above the number of Mamba cache blocks",
        "fix": "lower it to 359", "command": "invoke deploy --max-num-seqs 359",
        "on_box": "journalctl -u vllm -n 50",
    }  # fmt: skip
    message = (
        f"{HOST}: the server did not start: max_num_seqs is above the number of Mamba cache blocks"
    )
    return [FACTS, {"event": "failure", "message": message, "detail": "", "diagnosis": diagnosis}]


def all_runs() -> list[Run]:
    return [
        run("provision", "2026-11-20T08:00:00Z", [FACTS, {"event": "report", "changed": 17}]),
        run("deploy", "2026-11-20T08:10:00Z", failed_deploy()),
        run("deploy", "2026-11-20T08:20:00Z", [FACTS, start(65536), server(65536)]),
        run("smoke", "2026-11-20T08:30:00Z", [FACTS, server(65536), *smoke()]),
        run("scale", "2026-11-20T09:00:00Z", scale(), parameters={"contexts": [*CONTEXTS, 524288]}),
        run("stress", "2026-11-20T10:00:00Z", stress()),
        run(
            "bench",
            "2026-11-20T11:00:00Z",
            bench(),
            parameters={"bounds": {"ttft_ms": 800, "tpot_ms": 50, "e2el_ms": None}},
        ),
        run("certify", "2026-11-20T12:00:00Z", certify()),
        run("soak", "2026-11-20T13:00:00Z", soak()),
        run("tune", "2026-11-20T14:00:00Z", tune()),
    ]


def write(runs: list[Run], folder: Path) -> None:
    """Write records and their pictures as a run would."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for path in SHAPES.glob("*.png"):
        (pictures / path.name).write_bytes(path.read_bytes())
    for each in runs:
        path = folder / each.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(event) + "\n" for event in each.events))
