"""stress and bench on a real box with the real server; planted defects show in the records."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from onecard.api.client import Client
from onecard.inventory.load import load as load_inventory
from onecard.measure.bench.figures import Bounds
from onecard.measure.bench.load_runner import LoadRunner, tunnel_values
from onecard.measure.bench.loads import Load, Requests
from onecard.measure.stress.cells import POSITIONS, cells
from onecard.measure.stress.stress_run import StressRun
from onecard.records import Record, Run, read_run, recorded
from onecard.server.client import api_key
from onecard.server.state import ServiceState, service_state
from onecard.smoke.questions import questions
from onecard.smoke.recorded import note_smoke
from onecard.smoke.smoke_run import run_smoke
from onecard.ssh.login import Connected, connected
from tests.box.conftest import Box, Controller, wait_until
from tests.support.blind_proxy import BlindProxy, SlowProxy

pytestmark = pytest.mark.box


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
    run = controller.last_run("stress")
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
    running = controller.begin("bench", "--host", "sandbox", *words.split())
    wait_until(running, lambda: "pid" in box("ls /run/onecard-bench 2>/dev/null || true"))
    running.send_signal(signal.SIGTERM)
    _, reported = running.communicate(timeout=100)
    assert (running.returncode, controller.last_run("bench").status) == (1, "interrupted"), reported
    assert box("ls -d /run/onecard-bench 2>/dev/null || echo none").strip() == "none"
    wait_until(None, lambda: not box("pgrep -f '[b]ench serve' || true"))
    twice = ("--repeats", "2", "--most-repeats", "2")
    done = controller.invoke("bench", "--host", "sandbox", *words.split(), *twice)
    assert "good/s" in done.stdout, done.stderr
    run = controller.last_run("bench")
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
    # Two rounds of eight requests show little; what they do not show is said, and is not an agreement.
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
        with box.connection.tunnel(state.port) as port:
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
        StressRun(api, questions(state.model).cases, 6, record).run(
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
            made = LoadRunner(
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
    """The same shape with random weights starts, answers, and is found out."""
    box(
        f"cd {box.model_folder()} && /opt/onecard/current/bin/python - <<'E'\n"
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
        failed = controller.json("smoke", "--host", "sandbox", "--repeats", "1", code=1)
        assert failed["passed"] <= len(failed["cases"]) // 2
        smoke = controller.last_run("smoke").last("smoke")
        assert smoke is not None
        assert (controller.last_run("smoke").status, smoke["ok"]) == ("failed", False)
        curve = controller.last_run("stress").last("curve")
        assert curve is not None
        assert curve["trouble"] == report["trouble"]
    finally:
        (host,) = controller.json("provision", "--host", "sandbox")["hosts"]
        assert host["changed"] == 1
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
        "stress",
        "bench",
    }
    assert all(run["broken_lines"] == 0 for run in listed)
    deploys = [run for run in listed if run["kind"] == "deploy"]
    assert any("answered after" in run["result"] for run in deploys)
    shown = controller.invoke("runs")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == len(controller.json("runs")["runs"]) + 2
