"""The pod on the GPU machine, and a controller that knows it. See README.md for what they need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.pod import PORT, GpuPod

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = os.environ.get("ONECARD_GPU_FOLDER", "")
INVENTORY = """\
all:
  hosts:
    gpupod:
      ansible_host: 127.0.0.1
      ansible_port: {port}
      ansible_user: root
      ansible_ssh_private_key_file: {folder}/key
      wheelhouse: {folder}/wheelhouse
      vllm: {{channel: release, version: "0.25.1"}}
      model: {{source: {project}/onecard/tiny_model/tiny-vqa, name: tiny-vqa}}
      serve:
        ctx: 4096
        reasoning_parser: qwen3
        environment: {{VLLM_USE_FLASHINFER_SAMPLER: "0"}}
        extra_args: [--gdn-prefill-backend, triton]
"""


@dataclass(frozen=True)
class Controller:
    """Types commands as a user does, and keeps what they print in transcript.txt."""

    folder: Path

    def invoke(self, *words: str, code: int = 0) -> str:
        """Run a command; return its standard output. Fails on another exit code."""
        environment = {
            **os.environ,
            "ONECARD_INVENTORY": str(self.folder / "inventory"),
            "ONECARD_RUNS": str(self.folder / "runs"),
            "NO_COLOR": "1",
            "COLUMNS": "100",
        }
        invoke = Path(sys.executable).parent / "invoke"
        began = time.monotonic()
        done = subprocess.run(
            [invoke, *words], cwd=PROJECT, env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        with (self.folder / "transcript.txt").open("a") as transcript:
            shown = "" if "--json" in words else done.stdout
            transcript.write(f"$ invoke {' '.join(words)}\n{done.stderr}{shown}")
            transcript.write(f"-- exit {done.returncode}, {time.monotonic() - began:.1f} s\n\n")
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    def json(self, *words: str, code: int = 0) -> Any:
        """Run a command with --json; return its document."""
        return json.loads(self.invoke(*words, "--json", code=code))


@pytest.fixture(scope="module")
def pod() -> Iterator[GpuPod]:
    if not FOLDER:
        pytest.skip("ONECARD_GPU_FOLDER is not set: tests/gpu/README.md")
    started = GpuPod(Path(FOLDER))
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def controller(pod: GpuPod) -> Controller:
    inventory = pod.folder / "inventory"
    inventory.mkdir(exist_ok=True)
    text = INVENTORY.format(port=PORT, folder=pod.folder, project=PROJECT)
    (inventory / "hosts.yml").write_text(text)
    controller = Controller(pod.folder)
    controller.invoke("trust", "--host", "gpupod")
    return controller
