"""scale, stress and bench on a real box with the real server; planted defects show in the records."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from onecard.bench_serve.bench import Bench, tunnel_values
from onecard.bench_serve.figures import Bounds
from onecard.bench_serve.loads import Load, Requests
from onecard.connect import Connected, connected
from onecard.inventory import load as load_inventory
from onecard.questions import questions
from onecard.runs import Record, Run, find_runs, read_run, recorded
from onecard.runs.smoke import note_smoke
from onecard.server import ServiceState, api_key, service_state
from onecard.smoke.client import Client
from onecard.smoke.run import run_smoke
from onecard.stress.cells import POSITIONS, cells
from onecard.stress.run import Stress
from tests.box.conftest import INVOKE, PROJECT, Box, Controller
from tests.support.blind_proxy import BlindProxy, SlowProxy

pytestmark = pytest.mark.box

SCALE = ("scale", "--host", "sandbox", "--ctx", "4096,65536,400000")
UNIT = "cat /etc/systemd/system/vllm.service /etc/onecard/vllm.env; readlink /opt/onecard/releases/current"


def last(controller: Controller, kind: str) -> Run:
    runs = [run for run in find_runs("box1", controller.runs)[0] if run.kind == kind]
    return runs[-1]


def begun(
    controller: Controller,
    *words: str,
    before: tuple[str, ...] = (),
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[str]:
    """Return a command that has been started. before: words before it."""
    return subprocess.Popen(
        [*before, INVOKE, *words],
        cwd=PROJECT,
        env=controller.environment,
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until(running: subprocess.Popen[str] | None, there: Callable[[], bool]) -> None:
    """Wait for something on the box, while a command runs that brings it about."""
    deadline = time.monotonic() + 400
    while not there():
        assert time.monotonic() < deadline, "it never came"
        assert running is None or running.poll() is None, running.communicate()
        time.sleep(1)


def broken_off(
    controller: Controller, box: Box, running: subprocess.Popen[str], stop: Callable[[], None]
) -> tuple[Run, str]:
    """Stop a scale run at its second context; return its record and what it told."""
    wait_until(running, lambda: "--max-model-len 65536" in box(UNIT))
    stop()
    _, told = running.communicate(timeout=400)
    assert running.returncode == 1, told
    assert "Traceback" not in told
    assert controller.json("status", "--host", "sandbox")["status"] == "serving"
    return last(controller, "scale"), told


def test_scale_is_broken_off_put_right_and_gone_on_with(
    controller: Controller, box: Box, deployed: Any
) -> None:
    """Broken off by Ctrl-C, then by a terminal that is closed."""
    release = controller.json("deploy", "--host", "sandbox")["release"]
    before = box(UNIT)
    running = begun(controller, *SCALE)
    run, told = broken_off(controller, box, running, lambda: running.send_signal(signal.SIGINT))
    assert f"putting back what ran before: release {release}, tiny-vqa at 4,096" in told
    assert box(UNIT) == before
    assert run.status == "interrupted"
    assert [row["ctx"] for row in run.all("row")] == [4096]
    assert len(run.all("restored")) == 1

    near, far = pty.openpty()
    running = begun(controller, *SCALE, before=("setsid", "--ctty"), stdin=far)
    os.close(far)
    again, told = broken_off(controller, box, running, lambda: os.close(near))
    assert f"putting back what ran before: release {release}, tiny-vqa at 4,096" in told
    assert box(UNIT) == before
    assert (again.path, again.status, len(again.all("restored"))) == (run.path, "interrupted", 2)

    report = controller.json(*SCALE, code=1)  # 400,000 is refused
    done = read_run(run.path)
    assert (done.status, len(done.all("resume"))) == ("failed", 2)
    noted = [
        {k: v for k, v in row.items() if k not in {"event", "time"}} for row in done.all("row")
    ]
    assert noted == report["rows"]
    first, second, refused = done.all("row")
    assert (refused["ctx"], refused["configured"]) == (400000, "refused")
    assert "262,144" in refused["reason"]
    for row, ctx in ((first, 4096), (second, 65536)):
        assert (row["ctx"], row["configured"], row["smoke_ok"]) == (ctx, "yes", True)
        assert row["answered_s"] > 1
        assert {"configuration", "KV cache"} <= {phase["phase"] for phase in row["phases"]}
        assert row["memory"]["kv_available_gib"] == 0.25
        assert row["kv_concurrency"] > 1
        assert 0.3 < row["process_peak_gib"] < 20
        long = row["long_request"]
        assert long["answered"]
        assert long["right"] in {True, False}
        assert 0.9 * ctx < long["prompt_tokens"] <= 0.96 * ctx
        assert 0 < long["ttft_s"] <= long["latency_s"]
    assert box(UNIT) == before
    assert "before-scale" not in box("ls /opt/onecard")
    assert controller.json("smoke", "--host", "sandbox", "--repeats", "1")["failed"] == 0


def test_stress_measures_grounding_with_its_controls(controller: Controller, deployed: Any) -> None:
    words = ("--lengths", "64,2048,4096", "--prefixes", "prose", "--asked", "12")
    report = controller.json("stress", "--host", "sandbox", *words)
    control, short, long, beyond = report["points"]
    assert (control["right"], control["asked"]) == (12, 12)
    assert 12 < short["effective"] <= 24  # twelve pictures, each before and behind the text
    assert report["without_image"] == {"right": 0, "asked": 12}
    assert report["picture_tokens"] > 0
    assert short["accuracy"] >= long["accuracy"]
    assert short["low"] < short["accuracy"] <= short["high"]
    assert (beyond["asked"], beyond["exceeds"], beyond["failed"]) == (0, 2, 0)
    run = last(controller, "stress")
    for cell in run.all("cell"):
        if cell["target_tokens"] in {64, 2048}:
            assert -25 <= cell["prefix_tokens"] - cell["target_tokens"] <= 0
            assert cell["prefix_tokens"] < cell["prompt_tokens"] < cell["prefix_tokens"] + 80
    limits = [answer["limit"] for answer in run.all("answer") if answer["limit"]]
    assert limits == [4096, 4096]


def test_bench_runs_both_generators_and_leaves_nothing(
    controller: Controller, box: Box, deployed: Any
) -> None:
    words = "--concurrency 2 --rates 5 --images 1 --requests 8 --input-tokens 64 --output-tokens 8"
    running = begun(controller, "bench", "--host", "sandbox", *words.split())
    wait_until(running, lambda: "pid" in box("ls /run/onecard-bench 2>/dev/null || true"))
    running.send_signal(signal.SIGTERM)
    _, told = running.communicate(timeout=100)
    assert (running.returncode, last(controller, "bench").status) == (1, "interrupted"), told
    assert box("ls -d /run/onecard-bench 2>/dev/null || echo none").strip() == "none"
    wait_until(None, lambda: not box("pgrep -f '[b]ench serve' || true"))
    twice = ("--repeats", "2", "--most-repeats", "2")
    done = controller.invoke("bench", "--host", "sandbox", *words.split(), *twice)
    assert "good/s" in done.stdout, done.stderr
    run = last(controller, "bench")
    sweep = [load for load in run.all("load") if "both" not in load["name"]][:2]
    assert [(load["concurrency"], load["rate"]) for load in sweep] == [(2, None), (None, 5.0)]
    for load in run.all("load"):
        assert (load["completed"], load["failed"], load["errors"]) == (load["requests"], 0, [])
        assert load["generation_tokens"] == 8 * load["requests"]
        # A text of 64 tokens, a picture, the question and the chat's own tokens.
        assert 64 + 18 < load["prompt_tokens"] / load["requests"] < 64 + 60
        assert 0 < load["ttft_s"]["p50"] <= load["latency_s"]["p50"] <= load["latency_s"]["p99"]
        assert load["preemptions"] == 0
    both = [load for load in run.all("load") if load["name"].endswith("by both")]
    assert [load["generator"] for load in both] == [
        *("vllm bench serve", "onecard"),
        *("onecard", "vllm bench serve"),
    ]
    means = [load["prompt_tokens"] / load["requests"] for load in both]
    assert max(means) - min(means) < 4  # the same kind of request by both
    (agreed,) = run.all("agreement")
    assert {row["figure"] for row in agreed["rows"]} >= {"requests/s", "TTFT p50", "latency p50"}
    # Two rounds of eight requests show little; what they do not show is said, and is no agreement.
    assert agreed["repeats"] == 2
    assert agreed["agrees"] == all(row["verdict"] == "agree" for row in agreed["rows"])
    assert agreed["finding"] in " ".join(done.stdout.split())
    assert (done.returncode == 1) == (agreed["verdict"] == "differ")
    (tunnel,) = run.all("tunnel")
    assert tunnel["requests"] == 2 * 3 * 8
    assert box("ls -d /run/onecard-bench 2>/dev/null || echo none").strip() == "none"


@contextmanager
def served(controller: Controller) -> Iterator[tuple[Connected, ServiceState, str]]:
    """Yield the box, what it serves, and the API's address through a tunnel."""
    host = load_inventory(controller.inventory).hosts["box1"]
    with connected(host, controller.inventory / "known_hosts") as box:
        state = service_state(box.session)
        with box.wire.tunnel(state.port) as port:
            yield box, state, f"http://127.0.0.1:{port}"


@pytest.fixture
def record(
    tmp_path: Path, controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Record]:
    """A record of its own, for what is measured through a proxy."""
    monkeypatch.setenv("ONECARD_RUNS", str(tmp_path))
    with recorded("stress", load_inventory(controller.inventory).hosts["box1"]) as opened:
        yield opened


def written(record: Record) -> Run:
    assert record.path is not None
    return read_run(record.path)


def test_dropped_pictures_show_in_the_record(
    controller: Controller, deployed: Any, record: Record
) -> None:
    with (
        served(controller) as (box, state, url),
        BlindProxy(url) as proxy,
        Client(proxy.url, state.model, api_key(box.session)) as api,
    ):
        Stress(api, questions(state.model).cases, 6, record).run(
            cells((64,), ("prose",), POSITIONS)
        )
    curve = written(record).last("curve")
    assert curve is not None
    assert curve["picture_tokens"] == 0
    assert curve["verdict"] == curve["trouble"]
    assert "drops pictures" in curve["trouble"]


def test_a_slow_server_shows_in_the_record(
    controller: Controller, deployed: Any, record: Record
) -> None:
    delay = 0.2
    with served(controller) as (box, state, url), SlowProxy(url, delay) as proxy:
        key = api_key(box.session)
        with Client(proxy.url, state.model, key) as slow, Client(url, state.model, key) as fast:
            cases = questions(state.model)
            for api, name in ((fast, "fast"), (slow, "slow")):
                note_smoke(
                    record, cases.cases, run_smoke(api, cases, host="box1", repeats=1), api=name
                )
            made = Bench(
                box,
                state,
                slow,
                key=key,
                watched=fast,
                requests=Requests(fast.count_tokens, [c.image for c in cases.cases if c.image]),
                bounds=Bounds(ttft_ms=delay * 1000),
                record=record,
            )
            made.prepare()
            one = Load("one", 6, 64, 8, 1, concurrency=1)
            late, straight = made.onecard_through_tunnel(one), made.onecard_on_box(one)
            record.add("tunnel", **tunnel_values([late], [straight]))
            box.session.run("rm -rf /run/onecard-bench")
    run = written(record)
    fast_p50, slow_p50 = (event["steady_p50_s"] for event in run.all("smoke"))
    assert slow_p50 >= max(delay, fast_p50 + 0.5 * delay)
    tunnel = run.last("tunnel")
    assert tunnel is not None
    assert tunnel["added_p50_s"] > 0.5 * delay
    through, on_box = run.all("load")
    assert through["via"] == "tunnel"
    assert through["goodput_per_s"] == 0
    assert on_box["goodput_per_s"] > 0


def test_a_wrong_model_shows_in_the_records(
    controller: Controller, box: Box, deployed: Any
) -> None:
    """The same shape with random weights."""
    box(
        "cd /opt/onecard/models/tiny-vqa* && /opt/onecard/current/bin/python - <<'E'\n"
        "import torch\nfrom safetensors.torch import load_file, save_file\n"
        "torch.manual_seed(0)\nweights = load_file('model.safetensors')\n"
        "save_file({k: torch.randn_like(v, dtype=torch.float32).mul(0.06).to(v.dtype) for k, v in weights.items()},"
        " 'model.safetensors', metadata={'format': 'pt'})\nE\nchmod 0644 model.safetensors\n"
    )
    try:
        assert controller.invoke("restart", "--host", "sandbox").returncode == 0
        words = ("--lengths", "64", "--prefixes", "prose", "--asked", "6")
        report = controller.json("stress", "--host", "sandbox", *words, code=1)
        assert report["trouble"]
        controller.json("smoke", "--host", "sandbox", "--repeats", "1", code=1)
        smoke = last(controller, "smoke").last("smoke")
        assert smoke is not None
        assert (last(controller, "smoke").status, smoke["ok"]) == ("failed", False)
        curve = last(controller, "stress").last("curve")
        assert curve is not None
        assert curve["trouble"] == report["trouble"]
    finally:
        controller.json("provision", "--host", "sandbox")
        assert controller.invoke("restart", "--host", "sandbox").returncode == 0


def test_every_run_is_listed_and_no_record_holds_the_key(
    controller: Controller, box: Box, deployed: Any
) -> None:
    key = box("sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()
    for path in controller.runs.rglob("*.jsonl"):
        assert key not in path.read_text()
    failed = controller.invoke(
        "deploy", "--host", "sandbox", "--ctx", "300000", "--check", HF_TOKEN="planted-token-9"
    )
    assert "planted-token-9" not in failed.stdout + failed.stderr
    listed = controller.json("runs", "--host", "box1")["runs"]
    assert {run["kind"] for run in listed} >= {
        "provision",
        "deploy",
        "smoke",
        "scale",
        "stress",
        "bench",
    }
    assert all(run["broken_lines"] == 0 for run in listed)
    deploys = [run for run in listed if run["kind"] == "deploy"]
    assert any("answered after" in run["result"] for run in deploys)
    shown = controller.invoke("runs")
    assert shown.returncode == 0
    assert "contexts served" in shown.stdout
    assert len(shown.stdout.splitlines()) == len(controller.json("runs")["runs"]) + 2
