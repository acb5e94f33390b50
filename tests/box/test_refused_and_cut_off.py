"""A run that is refused, locked out or cut off, on a real box over real SSH."""

from __future__ import annotations

import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from onecard.inventory.load import load
from tests.box.conftest import Box, Controller

pytestmark = pytest.mark.box


def test_another_run_is_excluded_and_named(controller: Controller, box: Box, deployed: Any) -> None:
    from onecard.engine.converge import gather
    from onecard.ssh.login import connected, holder

    host = load(controller.inventory).hosts["box1"]
    with connected(host, controller.inventory / "known_hosts") as held:
        gather(held.session, holder("provision"))
        refused = controller.invoke("provision", "--host", "sandbox")
        assert refused.returncode == 1
        assert "locked by `invoke provision`" in refused.stderr
    assert controller.invoke("provision", "--host", "sandbox").returncode == 0


def test_broken_connection_leaves_the_job_running(
    controller: Controller, box: Box, deployed: Any
) -> None:
    """A controller that is killed in the middle: the job ends by itself, the next run sees a sound box."""
    box("cd /opt/onecard/current/lib/python3*/site-packages && rm -rf openai openai-*")
    running = controller.begin("provision", "--host", "sandbox")
    deadline = time.monotonic() + 60
    while "/run/onecard/job" not in box("ps axww -o args"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    while True:
        done = controller.invoke("provision", "--host", "sandbox", "--json")
        if done.returncode == 0:
            break
        assert "locked by" in done.stderr, done.stderr
        assert time.monotonic() < deadline
        time.sleep(0.5)
    box("/opt/onecard/current/bin/python -c 'import openai'")


def test_bad_input_is_one_line_and_exit_2(controller: Controller, tmp_path: Path) -> None:
    rows = (
        (("provision", "--bogus"), "bogus"),
        (("provision", "--host", "nowhere"), "nowhere"),
        (("deploy", "--host", "sandbox", "--ctx", "64q"), "--ctx"),
        (("deploy", "--host", "sandbox", "--port", "99999"), "--port"),
        (("smoke", "--host", "sandbox", "--cases", "/no/such.yml"), "/no/such.yml"),
        (("fit", "--gpu", "A1000"), "A1000"),
        (("sandbox.up", "--count", "many"), "--count"),
    )
    for words, named in rows:
        done = controller.invoke(*words)
        assert done.returncode == 2, (words, done.stderr)
        assert named in done.stderr
        assert "Traceback" not in done.stderr
    (tmp_path / "none").mkdir()
    empty = controller.invoke("deploy", "--host", "sandbox", "--model", str(tmp_path / "none"))
    assert empty.returncode == 2
    assert "is empty" in empty.stderr
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("serv: {ctx: 1}\n")
    (tmp_path / "hosts.yml").write_text("all: {hosts: {a: {ansible_host: 127.0.0.1}}}\n")
    done = controller.invoke("plan", ONECARD_INVENTORY=str(tmp_path))
    assert done.returncode == 2
    assert "group_vars/all.yml: line 1: serv: no such setting" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_unreachable_is_exit_3_within_the_timeout(controller: Controller) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)  # takes the connection and never answers
        started = time.monotonic()
        done = controller.invoke("provision", "--host", f"root@127.0.0.1:{silent.getsockname()[1]}")
    assert done.returncode == 3, done.stderr
    assert time.monotonic() - started < 40
    refused = controller.json("provision", "--host", "root@127.0.0.1:9", code=3)
    assert refused["hosts"][0]["status"] == "unreachable"


def test_changed_and_unknown_host_keys_are_refused(controller: Controller) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    file = controller.inventory / "known_hosts"
    right = file.read_text()
    other = (
        Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        .decode()
    )
    try:
        file.write_text(f"{right.split()[0]} {other}\n")
        changed = controller.invoke("plan", "--host", "sandbox")
        assert changed.returncode == 3
        assert changed.stderr.count("SHA256:") == 2
        assert controller.invoke("trust", "--host", "sandbox").returncode == 3
        file.write_text("")
        unknown = controller.invoke("plan", "--host", "sandbox")
        assert unknown.returncode == 3
        assert "invoke trust" in unknown.stderr
        trusted = controller.invoke("trust", "--host", "sandbox")
        assert trusted.returncode == 0, trusted.stderr
        assert "SHA256:" in trusted.stdout
        assert controller.invoke("plan", "--host", "sandbox").returncode == 0
    finally:
        file.write_text(right)
