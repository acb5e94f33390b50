"""`invoke teardown` on a copy of the served box."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from onecard.credentials import client_copies
from onecard.credentials.secret import Secret
from onecard.reference.documents_schema import check
from tests.box.conftest import INVOKE, PROJECT, SERVER, Box, Controller, copied_box
from tests.support.planted_secrets import Request, searched, unexpected, watched

pytestmark = pytest.mark.box

LEFT = (
    "ls -d /opt/onecard /etc/onecard /var/lib/onecard /var/cache/onecard /run/onecard* "
    "/run/lock/onecard* /etc/systemd/system/vllm* /etc/sysctl.d/*onecard* 2>/dev/null; "
    "getent passwd onecard; getent group onecard; ps axww -o args | grep -i [v]llm; "
    "systemctl list-units --all --no-legend | grep -e vllm -e onecard; "
    "ss -Hltn 'sport = :8000'; find / -xdev -uid $(cat /tmp/uid) 2>/dev/null; rm /tmp/uid"
)


@pytest.fixture(scope="module")
def served(controller: Controller, deployed: Any) -> Controller:
    """The shared box, as it is once it serves."""
    return controller


@pytest.fixture(scope="module")
def rental(served: Controller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    """A copy of the served box, whose server has started with it."""
    with copied_box(tmp_path_factory.mktemp("rental"), served) as opened:
        opened.json("deploy", "--host", "sandbox")
        yield opened


@pytest.fixture(scope="module")
def box(rental: Controller) -> Box:
    return Box(rental)


@pytest.fixture(scope="module")
def key(box: Box) -> str:
    return box("id -u onecard >/tmp/uid; sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()


def test_check_reports_what_would_go_and_changes_nothing(
    rental: Controller, box: Box, key: str
) -> None:
    found = rental.json("teardown", "--host", "sandbox", "--check")
    assert found["status"] == "left"
    names = {row["what"] for row in found["left"]}
    assert {"service vllm.service", "/opt/onecard", "account onecard", "port 8000"} <= names
    assert box(SERVER)
    assert box("ls /run/lock/onecard.lock /etc/onecard/api-key.env")


def test_it_is_not_done_without_the_hosts_name(rental: Controller, box: Box, key: str) -> None:
    silent = rental.invoke("teardown", "--host", "sandbox")
    assert silent.returncode == 1
    assert "--yes" in silent.stderr
    terminal, end = pty.openpty()
    try:
        os.write(terminal, b"box2\n")
        wrong = subprocess.run(
            [INVOKE, "teardown", "--host", "box1"],
            cwd=PROJECT,
            env=rental.environment,
            stdin=end,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        os.close(terminal)
        os.close(end)
    assert wrong.returncode == 1, wrong.stderr
    assert "nothing was changed" in wrong.stderr
    assert box(SERVER)


def test_it_removes_everything_and_proves_it(
    rental: Controller, box: Box, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(rental.inventory))
    client_copies.save_key("box1", Secret(key))
    known = (rental.inventory / "known_hosts").read_text()
    box(f"echo 'export KEY={key}' >/root/notes; install -D -o onecard /dev/null /srv/left-behind")
    journal = "journalctl" in box("command -v journalctl || true")
    if journal:
        box(f"echo 'oops {key}' | systemd-cat; journalctl --sync")

    secrets = {"API key": key, "hub token": "planted-hub-5d20f3"}
    with watched(Request(secrets), box) as on_the_box:
        done = rental.invoke(
            "-d", "teardown", "--host", "sandbox", "--yes", "--json", HF_TOKEN=secrets["hub token"]
        )
    assert done.returncode == 1, done.stderr
    assert not any(value in done.stdout + done.stderr for value in secrets.values())
    assert unexpected(on_the_box()) == []
    check("teardown", done.stdout)
    report = json.loads(done.stdout)
    left = {row["what"]: row["left"] for row in report["checked"] if row["left"]}
    # a file of the user's own is named and stays; everything else is gone
    assert list(left.values()) == ["/root/notes"]
    assert client_copies.key("box1") is not None
    assert box(f"cat /root/notes; {LEFT}; true") == f"export KEY={key}\n"

    box("rm /root/notes")
    again = rental.invoke("teardown", "--host", "sandbox", "--yes")
    assert again.returncode == 0, again.stderr
    assert "nothing is left of onecard" in again.stdout
    assert key not in again.stdout + again.stderr + str(report)
    assert searched(Request(secrets), box) == set()
    assert client_copies.key("box1") is None
    assert (rental.inventory / "known_hosts").read_text() == known


def test_a_second_teardown_finds_nothing(rental: Controller, key: str) -> None:
    report = rental.json("teardown", "--host", "sandbox")  # nothing to confirm either
    assert report["status"] == "clean"
    assert not any(row["left"] for row in report["checked"])
    tunnel = rental.invoke("tunnel", "--host", "sandbox")
    assert tunnel.returncode == 1
    assert "no server is deployed" in tunnel.stderr


def test_a_half_provisioned_box_is_cleaned_too(rental: Controller, box: Box, key: str) -> None:
    box(
        "mkdir -p /opt/onecard/venv /etc/onecard; useradd --system -d /var/lib/onecard onecard\n"
        "printf '# Written by onecard\\n[Service]\\nExecStart=/bin/sleep 600\\n' "
        ">/etc/systemd/system/vllm.service\nsystemctl daemon-reload; systemctl start vllm"
    )
    report = rental.json("teardown", "--host", "sandbox", "--yes")
    assert report["status"] == "clean"
    assert "not-found" in box("systemctl show vllm -p LoadState")


def test_the_box_may_be_provisioned_again(
    rental: Controller, box: Box, provisioned: Any, key: str
) -> None:
    (host,) = rental.json("provision", "--host", "sandbox", "--check")["hosts"]
    assert host["failed"] == 0
    pending = {change["resource"] for change in host["pending"]}
    assert {"user onecard", "directory /opt/onecard", "directory /etc/onecard"} <= pending
    first = provisioned["hosts"][0]["changed"]
    assert host["changed"] >= first - 1  # all but the Debian packages, which stay
