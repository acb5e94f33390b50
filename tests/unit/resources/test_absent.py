"""What is to be gone: probed and removed through a real shell on this computer."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from onecard.credentials.secret import Secret
from onecard.facts.teardown import TeardownFacts, read_teardown_facts, teardown_facts_script
from onecard.resources.absent import NoPath, NoService, wiped
from onecard.resources.base import diff
from onecard.resources.system.leftovers import (
    NoAccount,
    NoGpuMemory,
    NoListener,
    NoProcesses,
    NoSecretTraces,
)
from onecard.ssh.probe_batch import Answer
from tests.support.on_shell import apply, differing, fix, look, shell


def test_a_folder_goes_with_everything_in_it_and_its_secrets_are_wiped(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "token").write_text("secret")
    (folder / "weights").write_text("large")
    gone = NoPath(str(folder), wipe=("token",))
    assert look(gone)["left"] != "nothing"
    assert apply(gone).startswith("wiped 1 files ")
    assert not folder.exists()
    assert tmp_path.exists()


def test_what_is_not_there_is_in_order(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert differing(NoPath(str(tmp_path / "none"))) == set()
    assert differing(NoPath(str(tmp_path / "link"))) == {"left"}
    apply(NoPath(str(tmp_path / "link")))
    assert differing(NoPath("/proc")) == set()  # a mount is somebody else's
    assert differing(NoService("onecard-no-such.service")) == set()
    assert differing(NoProcesses(uid=None)) == set()
    assert differing(NoListener(1, uid=None)) == set()
    assert differing(NoAccount("root", uid=None)) == set()
    assert differing(NoSecretTraces(())) == set()


def test_a_listener_is_found_by_its_owner_where_ss_is_missing() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        probe = NoListener(listening.getsockname()[1], uid=os.getuid()).probe()
        found = subprocess.run(
            ["sh", "-c", probe.replace("command -v ss", "false")],
            capture_output=True,
            text=True,
            check=True,
        )
    assert found.stdout == f"uid {os.getuid()}\n"


def test_wiping_overwrites_or_reports_that_it_cannot(tmp_path: Path) -> None:
    file = tmp_path / "api-key.env"
    file.write_text("VLLM_API_KEY=abc")
    message = subprocess.run(
        ["sh", "-c", wiped(str(tmp_path))], capture_output=True, text=True, check=True
    ).stdout
    overwritten = "files overwritten" in message
    assert overwritten == (file.read_bytes() != b"VLLM_API_KEY=abc")
    assert overwritten or "not overwritten: " in message


def test_a_process_is_ours_by_its_command_in_this_namespace() -> None:
    """Looked at and never ended here: this computer may be somebody's box."""
    others = subprocess.Popen(["sleep", "600"])
    ours = subprocess.Popen(["/opt/onecard/venv/bin/x", "600"], executable="/bin/sleep")
    try:
        deadline = time.monotonic() + 10
        while f"pid {ours.pid} sleep" not in (left := str(look(NoProcesses(uid=None))["left"])):
            assert time.monotonic() < deadline
        assert f"pid {others.pid} " not in left
        assert f"pid {others.pid} " not in str(look(NoProcesses(uid=64001))["left"])
    finally:
        for each in (ours, others):
            each.kill()
            each.wait()


@pytest.mark.parametrize(
    ("apps", "memory", "left"),
    [
        ("", "0, 4\n1, 0", "nothing"),
        ("", "0, 71234\n1, 3", "71234 MiB on GPU 0 by no process"),
        ("1", "0, 71234", "nothing"),  # process 1 is not ours: its memory is its own business
    ],
)
def test_gpu_memory(
    apps: str, memory: str, left: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "nvidia-smi"
    fake.write_text(
        f"#!/bin/sh\ncase $1 in *apps*) printf '{apps}' ;; *) printf '{memory}\\n' ;; esac\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert look(NoGpuMemory(uid=None)) == {"left": left}


def test_the_journal_is_removed_for_a_secret_alone() -> None:
    traces = NoSecretTraces((Secret("value"),))
    assert fix(traces, "3 lines in the journal\n/root/notes")[0] == "journalctl --rotate"
    assert fix(traces, "/root/notes") == ["true"]
    state = traces.read(Answer("/root/notes"))
    assert [str(each) for each in diff(traces.desired(), state).values()] == [
        "left: /root/notes -> nothing"
    ]
    assert "value" not in repr(traces) + traces.name


def test_secrets_are_found_in_files_of_people_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("export KEY='planted-secret-of-this-test'\n")
    (tmp_path / "other").write_text("nothing\n")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "notes").write_text("planted-secret-of-this-test")
    secrets = (Secret("another-one-here"), Secret("planted-secret-of-this-test"))
    assert look(NoSecretTraces(secrets, (str(tmp_path),))) == {"left": str(tmp_path / "notes")}
    assert not list(Path("/dev/shm").glob("onecard-search.*"))


def test_survey() -> None:
    unit = b'[Service]\nExecStart=/x/vllm serve "a --port 9" --port 8017\n'
    output = f"uid=999\nunit={base64.b64encode(unit).decode()}\nsecret=YWJjZGVmZ2hpamtsbW5vcA==\n"
    here = (Secret("known-on-this-computer"), Secret("abcdefghijklmnop"))
    assert read_teardown_facts(output, 8000, here) == TeardownFacts(
        999, 8017, (Secret("abcdefghijklmnop"), Secret("known-on-this-computer"))
    )
    assert read_teardown_facts("", 8000, ()) == TeardownFacts(None, 8000, ())
    done = subprocess.run(
        ["sh", "-c", teardown_facts_script("root")], capture_output=True, text=True, check=True
    )
    assert "uid=" not in done.stdout  # root has another home: it is not an account of ours


@pytest.mark.parametrize(
    ("home", "uid", "reported"),
    [
        ("/var/lib/onecard", 999, "uid=999\n"),
        ("/var/lib/onecard", 1000, ""),  # a person's account, whatever its home is
        ("/home/llm", 999, ""),
    ],
)
def test_the_account_whose_files_go_is_ours(
    home: str, uid: int, reported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, expected in (("getent", f"llm:x:{uid}:{uid}::{home}:/bin/sh"), ("id", str(uid))):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {expected}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert (
        "".join(
            line
            for line in shell(teardown_facts_script("llm")).stdout.splitlines(keepends=True)
            if line.startswith("uid=")
        )
        == reported
    )
