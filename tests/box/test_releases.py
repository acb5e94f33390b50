"""Deploys that fail, are interrupted, or are taken back, on a real box with the real server."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from onecard import layout
from tests.box.conftest import INVOKE, PROJECT, Box, Controller

pytestmark = pytest.mark.box

MODEL = PROJECT / "onecard" / "data" / "tiny-vqa"
# Run on the box beside a start: ends the engine's process as soon as there is one.
KILL_THE_ENGINE = (
    # The brackets keep pkill from ending the shell that runs it.
    "nohup sh -c 'tries=600; until pkill -9 -f VLLM::[E]ngineCore || [ $tries = 0 ]; do "
    "tries=$((tries - 1)); sleep 0.2; done' >/dev/null 2>&1 &"
)
# Ends the box's job, with all that it started, as soon as the old server is on its way out.
KILL_THE_JOB = (
    "rm -f /run/job-killed; nohup sh -c 'tries=3000; "
    "until [ $(systemctl show vllm -p ActiveState --value) = deactivating ] || [ $tries = 0 ]; do "
    "tries=$((tries - 1)); sleep 0.02; done; "
    "systemctl show vllm -p ActiveState --value >/run/job-killed; "
    'pkill -9 -s "$(pgrep -xf "sh /run/onecard/job")"\' >/dev/null 2>&1 &'
)
WHEN_THE_JOB_WAS_KILLED = (
    "tries=600; until [ -s /run/job-killed ] || [ $tries = 0 ]; do tries=$((tries - 1)); "
    "sleep 0.1; done; cat /run/job-killed"
)


def serving(controller: Controller) -> dict[str, Any]:
    """Return the release in force, after seeing that the server answers."""
    assert controller.json("status", "--host", "sandbox")["status"] == "serving"
    found = controller.json("releases", "--host", "sandbox")["releases"]
    (current,) = [release for release in found if release["current"]]
    assert current["state"] == "ready"
    assert current["installed"]
    return dict(current)


@pytest.fixture
def good(controller: Controller, deployed: Any) -> dict[str, Any]:
    """The release in force: what a failed deploy has to come back to."""
    if controller.invoke("status", "--host", "sandbox").returncode != 0:
        controller.json("deploy", "--host", "sandbox")
    return serving(controller)


def changed_config(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    model = folder / "tiny-vqa-changed"
    shutil.copytree(MODEL, model)
    config = json.loads((model / "config.json").read_text())
    change(config)
    (model / "config.json").write_text(json.dumps(config))
    return model


def wrong_architecture(folder: Path) -> list[str]:
    def change(config: dict[str, Any]) -> None:
        config["architectures"], config["model_type"] = ["NoSuchForCausalLM"], "no_such"

    # Whoever names an implementation is believed: without it the model is refused beforehand.
    model = changed_config(folder, change)
    return ["--model", str(model), "--extra-args", "--model-impl vllm"]


def crash_at_the_first_request(folder: Path) -> list[str]:
    """A head size that the CPU's kernels lack: /health answers, the first request ends it."""

    def change(config: dict[str, Any]) -> None:
        config["text_config"].update(linear_key_head_dim=32, linear_value_head_dim=32)

    model = changed_config(folder, change)
    return ["--model", str(model), "--extra-args", "--load-format dummy"]


def missing_weights(folder: Path) -> list[str]:
    model = changed_config(folder, lambda config: None)
    (model / "model.safetensors").unlink()
    return ["--model", str(model)]


def truncated_weights(folder: Path) -> list[str]:
    model = changed_config(folder, lambda config: None)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    return ["--model", str(model)]


FAILURES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "context above the model": (
        lambda folder: ["--ctx", "300000", "--force"],
        "ctx-above-model",
    ),
    "memory too small": (
        lambda folder: ["--ctx", "262144", "--kv-cache-gib", "0.09765625", "--force"],
        "ctx-does-not-fit",
    ),
    "bad flag": (lambda folder: ["--extra-args", "--no-such-flag"], "unknown-flag"),
    "bad parser": (lambda folder: ["--reasoning-parser", "nosuch"], "unknown-parser"),
    "missing weights": (missing_weights, "weights-missing"),
    "truncated weights": (truncated_weights, "weights-damaged"),
    "wrong architecture": (wrong_architecture, "model-type-unknown"),
    "crash at the first request": (crash_at_the_first_request, "head-size-unsupported"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failed_deploy_is_explained_and_taken_back(
    controller: Controller, good: dict[str, Any], tmp_path: Path, failure: str
) -> None:
    words, rule = FAILURES[failure]
    done = controller.invoke("deploy", "--host", "sandbox", *words(tmp_path), "--json")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout)
    assert told["status"] == "failed"
    assert told["diagnosis"]["rule"] == rule, told
    assert told["back_to"] == good["number"]
    assert f"now: release {good['number']} serves again" in done.stderr
    assert serving(controller)["number"] == good["number"]


def test_a_taken_port(controller: Controller, box: Box, good: dict[str, Any]) -> None:
    server = "python3 -m http.server 8123 --bind 127.0.0.1"
    pid = box(f"nohup {server} >/dev/null 2>&1 & echo $!").strip()
    try:
        told = controller.json("deploy", "--host", "sandbox", "--port", "8123", code=1)
    finally:
        box(f"kill {pid}")
    assert told["diagnosis"]["rule"] == "port-taken"
    assert told["back_to"] == good["number"]


def test_more_memory_than_there_is(
    controller: Controller, good: dict[str, Any], tmp_path: Path
) -> None:
    """Without a fixed KV cache the server takes a share of the memory: of all of it, too much."""
    inventory = tmp_path / "inventory"
    shutil.copytree(controller.inventory, inventory)
    group = inventory / "group_vars" / "sandbox.yml"
    settings = yaml.safe_load(group.read_text())
    del settings["serve"]["kv_cache_gib"]
    settings["serve"]["gpu_memory_utilization"] = 1.0
    group.write_text(yaml.safe_dump(settings))
    told = Controller(inventory).json("deploy", "--host", "sandbox", code=1)
    assert told["diagnosis"]["rule"] == "cpu-memory-taken", told
    assert told["back_to"] == good["number"]


def test_a_killed_worker(controller: Controller, box: Box, good: dict[str, Any]) -> None:
    box("systemctl stop vllm")  # or its engine would be the first that is found
    box(KILL_THE_ENGINE)
    told = controller.json("deploy", "--host", "sandbox", "--ctx", "8192", code=1)
    assert told["diagnosis"]["rule"] in ("engine-vanished", "worker-died"), told
    assert told["back_to"] == good["number"]


def test_a_broken_release_can_be_kept_for_a_look(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    flags = ("--reasoning-parser", "nosuch", "--no-rollback")
    told = controller.json("deploy", "--host", "sandbox", *flags, code=1)
    assert told["back_to"] is None
    assert "nosuch" in box(f"cat {layout.UNIT_FILE}")
    told = controller.json("status", "--host", "sandbox", code=1)["diagnosis"]
    assert (told["rule"], "nosuch" in told["line"]) == ("unknown-parser", True)
    back = controller.json("rollback", "--host", "sandbox")
    assert back["release"] == good["number"]
    assert serving(controller)["number"] == good["number"]


def test_a_model_that_vllm_does_not_know_is_refused_before_the_restart(
    controller: Controller, box: Box, good: dict[str, Any], tmp_path: Path
) -> None:
    before = box("systemctl show vllm -p MainPID,InvocationID")
    model = wrong_architecture(tmp_path)[:2]
    refused = controller.invoke("deploy", "--host", "sandbox", *model, "--json")
    assert refused.returncode == 1
    assert "does not know NoSuchForCausalLM" in json.loads(refused.stdout)["error"]
    assert box("systemctl show vllm -p MainPID,InvocationID") == before


def test_a_context_that_cannot_start_is_refused_before_the_restart(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    before = box("systemctl show vllm -p MainPID,InvocationID")
    refused = controller.invoke("deploy", "--host", "sandbox", "--ctx", "300000")
    assert refused.returncode == 1
    assert "the largest that starts is --ctx 262144" in refused.stderr
    small = ("--ctx", "262144", "--kv-cache-gib", "0.1")
    refused = controller.invoke("deploy", "--host", "sandbox", *small)
    assert refused.returncode == 1
    assert "the largest that starts is --ctx" in refused.stderr
    assert box("systemctl show vllm -p MainPID,InvocationID") == before


def test_long_contexts_are_served_and_can_be_taken_back(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    odd = 'a "b" $c \\d'
    for ctx in (4096, 65536, 262144):
        flags = ["--environment", json.dumps({"ONE_CARD": odd})] if ctx > 65536 else []
        told = controller.json("deploy", "--host", "sandbox", "--ctx", str(ctx), *flags)
        assert (told["status"] != "failed", told["ctx"]) == (True, ctx)
        # The plan is exact where the KV memory is given.
        assert told["memory"]["concurrency"] == told["planned"]["concurrency"]
        assert controller.json("status", "--host", "sandbox")["ctx"] == ctx
    pid = "$(systemctl show vllm -p MainPID --value)"
    assert f"ONE_CARD={odd}\n" in box(f"tr '\\0' '\\n' </proc/{pid}/environ")
    assert controller.json("smoke", "--host", "sandbox", "--repeats", "1")["failed"] == 0
    back = controller.json("rollback", "--host", "sandbox", "--to", str(good["number"]))
    assert (back["status"], back["release"]) == ("changed", good["number"])
    assert serving(controller)["ctx"] == good["ctx"]
    again = controller.json("rollback", "--host", "sandbox", "--to", str(good["number"]))
    assert again["status"] == "ok"
    unknown = controller.invoke("rollback", "--host", "sandbox", "--to", "99")
    assert unknown.returncode == 1
    assert "there is no release 99" in unknown.stderr


@pytest.mark.parametrize(
    ("when", "how", "ctx"),
    [
        ("resources to change", signal.SIGKILL, 8192),  # nothing is changed yet
        ("serve   changed", signal.SIGINT, 12288),  # record and files are being written
        (" s  configuration", signal.SIGKILL, 16384),  # the new server starts
    ],
)
def test_an_interrupted_deploy_leaves_the_old_release_or_the_new_one(
    controller: Controller, good: dict[str, Any], when: str, how: signal.Signals, ctx: int
) -> None:
    words = ["deploy", "--host", "sandbox", "--ctx", str(ctx)]
    newest = controller.json("releases", "--host", "sandbox")["releases"][-1]["number"]
    cut_off(controller, words, when, how)
    told = controller.json(*words)  # waits for what the box is still at
    assert told["ctx"] == ctx
    now = serving(controller)
    assert now["ctx"] == ctx
    assert now["number"] == newest + 1  # one deploy, however often it was asked for


def test_a_deploy_killed_between_two_servers_leaves_the_new_one(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    """The controller and the box's own job end as the old server goes: the new one comes up."""
    words = ["deploy", "--host", "sandbox", "--ctx", "20480"]
    newest = controller.json("releases", "--host", "sandbox")["releases"][-1]["number"]
    box(KILL_THE_JOB)
    process = begun(controller, words)
    killed_while = box(WHEN_THE_JOB_WAS_KILLED)
    process.kill()
    process.communicate(timeout=60)
    assert (killed_while, process.returncode != 0) == ("deactivating\n", True)
    invocation = "systemctl show vllm -p InvocationID --value"
    coming = box(
        "tries=600; until systemctl is-active -q vllm || [ $tries = 0 ]; do tries=$((tries - 1)); "
        f"sleep 0.1; done; {invocation}"
    )
    told = controller.json(*words)
    assert (told["ctx"], told["release"]) == (20480, newest + 1)
    assert serving(controller)["number"] == told["release"]
    assert box(invocation) == coming  # the next deploy has put it on trial, and restarted nothing


def test_a_bad_deploy_without_its_controller_is_taken_back_by_the_box(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    words = ["deploy", "--host", "sandbox", "--reasoning-parser", "nosuch"]
    cut_off(controller, words, "serve   changed", signal.SIGKILL)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        newest = controller.json("releases", "--host", "sandbox")["releases"][-1]
        if newest["state"] != "starting" and newest["number"] > good["number"]:
            break
        time.sleep(1)
    assert newest["state"] == "failed"
    # The next command waits for the way back to end, and finds nothing to do.
    again = controller.json("rollback", "--host", "sandbox", "--to", str(good["number"]))
    assert again["status"] == "ok"
    assert serving(controller)["number"] == good["number"]


def begun(controller: Controller, words: list[str]) -> subprocess.Popen[str]:
    """Start a command; its progress comes through the process's stderr."""
    return subprocess.Popen(
        [INVOKE, *words],
        cwd=PROJECT,
        env=controller.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def cut_off(controller: Controller, words: list[str], when: str, how: signal.Signals) -> None:
    """Run a command until its progress says `when`, then end it."""
    process = begun(controller, words)
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        if when in line:
            process.send_signal(how)
            break
    else:
        pytest.fail(f"never said {when!r}: {seen}")
    process.stderr.read()
    assert process.wait(60) != 0


def test_a_new_key_is_in_force_and_the_old_one_refused(
    controller: Controller, box: Box, good: dict[str, Any]
) -> None:
    read = f"sed s/VLLM_API_KEY=// {layout.API_KEY}"
    old = box(read).strip()
    rotated = controller.invoke("secret", "rotate", "--host", "sandbox")
    assert rotated.returncode == 0, rotated.stderr
    new = box(read).strip()
    ask = (
        "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8000/v1/models "
        "-H 'Authorization: Bearer KEY'"
    )
    assert old != new
    assert (box(ask.replace("KEY", old)), box(ask.replace("KEY", new))) == ("401", "200")
    for key in (old, new):
        assert key not in rotated.stdout + rotated.stderr
    given = "given-by-the-user-0123456789"
    deployed = controller.invoke("deploy", "--host", "sandbox", ONECARD_API_KEY=given)
    assert deployed.returncode == 0, deployed.stderr
    assert box(ask.replace("KEY", given)) == "200"
    assert given not in deployed.stdout + deployed.stderr
    assert given not in box("ls /run/onecard; cat /run/onecard/* /opt/onecard/releases/*/*")
