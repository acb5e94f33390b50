"""The commands of a diagnosis, and where to type them; logs in the forms in which they are saved."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from invoke import Collection
from invoke.parser import Parser

import tasks
from onecard.commands import inspection
from onecard.commands.deploy_flags import flags, words
from onecard.deploy.startup_check import StartupCheck
from onecard.diagnosis import Rule, advice, diagnose, shipped_rules
from onecard.diagnosis.reading.log_text import log_text
from onecard.errors import UsageError

TAKEN = "OSError: [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use"
SEQS = "ValueError: max_num_seqs (1024) exceeds available Mamba cache blocks (313)."


@pytest.mark.parametrize("rule", shipped_rules(), ids=lambda rule: rule.id)
def test_every_command_can_be_typed(rule: Rule) -> None:
    """Invoke's own parser takes it: the task is there, and its flags."""
    command = diagnose(rule.example).command
    parser = Parser(contexts=Collection.from_module(tasks).to_contexts())
    for part in command.split(" && ") if command else ():
        argv = shlex.split(part)[1:]
        assert [context.name for context in parser.parse_argv(argv)] == argv[:1]


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (SEQS, "invoke deploy --max-num-seqs 313"),
        (TAKEN, "invoke deploy --port 8001"),
        (TAKEN.replace("8000", "8001"), "invoke deploy --port 8002"),
        (
            "ValueError: Free memory on device cuda:0 (19.77/22.05 GiB) on startup is less than desired GPU memory utilization (0.9, 19.84 GiB).",
            "invoke deploy --gpu-memory-utilization 0.89",
        ),
        (
            "ValueError: Available memory on node 0 (5.00/16.71 GiB) on startup is less than desired CPU memory utilization (0.8, 13.37 GiB).",
            "invoke deploy --gpu-memory-utilization 0.29",
        ),
        (
            "ValueError: max_num_batched_tokens (2048) is smaller than max_model_len (4096).",
            "invoke deploy --max-num-batched-tokens 4096",
        ),
        (
            "ValueError: World size (4) is larger than the number of available GPUs (2) in this node.",
            "invoke deploy --tensor-parallel 2",
        ),
        (
            "ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).",
            "invoke deploy --tensor-parallel 7",
        ),
        (
            "TimeoutError: Timed out waiting for engine core processes to start. Waited 600s (configured by VLLM_ENGINE_READY_TIMEOUT_S).",
            "invoke deploy --ready-timeout 1200",
        ),
        (
            "ValueError: Model architectures ['X'] are not supported for now.",
            "invoke upgrade",
        ),
        (
            "ValueError: At most 1 image(s) may be provided in one prompt.",
            "invoke deploy --limit-mm-per-prompt '{image: 2}'",
        ),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", "invoke rollback"),
        (
            "AssertionError: 12 is not divisible by 99999999999999999999",
            "invoke deploy --tensor-parallel 12",
        ),
    ],
)
def test_the_numbers_of_the_log_are_used(line: str, command: str) -> None:
    assert diagnose(line).command == command


def test_what_is_typed_on_the_box_is_distinguished() -> None:
    found = diagnose(TAKEN)
    assert found.on_box == "sudo ss -ltnp | grep :8000"
    assert found.to_json()["on_box"] == found.on_box
    assert dict(advice(found)) == {
        "fix": found.fix,
        "on the box": found.on_box,
        "type": "invoke deploy --port 8001",
    }


def test_a_failed_deploys_flags_and_host_are_repeated() -> None:
    given = words(
        flags(
            {"ctx": "65536", "max_num_seqs": "400", "extra_args": "--seed 1", "enforce_eager": True,
             "host": "gpu-1", "port": None}
        )
    )  # fmt: skip
    assert given == (
        "--ctx=65536",
        "--max-num-seqs=400",
        "--extra-args=--seed 1",
        "--enforce-eager",
    )
    assert dict(advice(diagnose(SEQS), "gpu-1", given))["type"] == (
        "invoke deploy --max-num-seqs 313 --host gpu-1 --ctx=65536 '--extra-args=--seed 1'"
        " --enforce-eager"
    )
    model = "ValueError: Model architectures ['X'] are not supported for now."
    assert dict(advice(diagnose(model), "gpu-1", given))["type"] == "invoke upgrade --host gpu-1"


def test_a_failed_deploy_tells_the_whole_command() -> None:
    check = StartupCheck(lambda event: None, lambda number: None, ("--ctx=65536",))
    check.line(SEQS)
    check.first.release, check.first.reason = 7, "it ended"
    error = check.error("gpu-1")
    assert error is not None
    reported = error.detail.splitlines()
    assert "type: invoke deploy --max-num-seqs 313 --host gpu-1 --ctx=65536" in reported


@pytest.mark.parametrize(
    "data",
    [
        TAKEN.encode("utf-8-sig"),
        TAKEN.encode("utf-16"),
        b"\xfe\xff" + TAKEN.encode("utf-16-be"),
        TAKEN.encode("utf-32"),
        json.dumps({"log": TAKEN + "\n", "stream": "stderr", "time": "2026-11-23T08:31:09Z"}).encode(),
        b"\0" * 20 + b"\n" + TAKEN.encode(),
    ],
)  # fmt: skip
def test_the_forms_of_a_saved_log(data: bytes) -> None:
    assert diagnose(log_text(data)).rule == "port-taken"


def test_dockers_json_hides_no_level() -> None:
    line = "(APIServer pid=1) WARNING 11-23 08:31:15 [x.py:1] OSError: [Errno 24] Too many open files\n"
    text = "\n".join(json.dumps({"log": line, "stream": "stderr"}) for _ in range(3))
    assert diagnose(log_text(text.encode())).failure is False


@pytest.mark.parametrize(
    ("data", "words_of_it"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (bytes(range(256)) * 40, "is not text"),
        (b"\x1f\x8b\x08\x00abc", "is compressed"),
    ],
)
def test_what_is_no_log_is_reported(tmp_path: Path, data: bytes, words_of_it: str) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(data)
    with pytest.raises(UsageError, match=words_of_it):
        inspection.diagnose(str(log), "", as_json=False)


def test_the_diagnosis_as_it_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "x.log"
    log.write_text(TAKEN)
    assert inspection.diagnose(str(log), "gpu-1", as_json=False) == 1
    printed = capsys.readouterr().out
    assert "on the box  sudo ss -ltnp | grep :8000\n" in printed
    assert "type        invoke deploy --port 8001 --host gpu-1\n" in printed
