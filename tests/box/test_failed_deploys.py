"""Deploys that fail, or are refused, on a real box with the real server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.box.conftest import PROJECT, Box, Controller, serving

pytestmark = pytest.mark.box

MODEL = PROJECT / "onecard" / "tiny_model" / "tiny-vqa"
# Run on the box beside a start: ends the engine's process as soon as there is one.
KILL_THE_ENGINE = (
    # The brackets prevent pkill from ending the shell that runs it.
    "nohup sh -c 'tries=600; until pkill -9 -f VLLM::[E]ngineCore || [ $tries = 0 ]; do "
    "tries=$((tries - 1)); sleep 0.2; done' >/dev/null 2>&1 &"
)


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

    # A named implementation is accepted: without it the model is refused beforehand.
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
    # A flag that vLLM does not have: test_planted_secrets.py.
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
    reported = json.loads(done.stdout)
    assert reported["status"] == "failed"
    assert reported["diagnosis"]["rule"] == rule, reported
    assert reported["back_to"] == good["number"]
    assert f"now: release {good['number']} serves again" in done.stderr
    assert serving(controller)["number"] == good["number"]


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
    reported = Controller(inventory).json("deploy", "--host", "sandbox", code=1)
    assert reported["diagnosis"]["rule"] == "cpu-memory-taken", reported
    assert reported["back_to"] == good["number"]


def test_a_killed_worker(controller: Controller, box: Box, good: dict[str, Any]) -> None:
    box("systemctl stop vllm")  # or its engine would be the first that is found
    box(KILL_THE_ENGINE)
    reported = controller.json("deploy", "--host", "sandbox", "--ctx", "8192", code=1)
    # Which of them depends on whether vLLM has the exit code of its engine when it gives up.
    assert reported["diagnosis"]["rule"] in ("killed", "engine-vanished", "worker-died"), reported
    assert reported["back_to"] == good["number"]


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
