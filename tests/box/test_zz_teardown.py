"""`invoke teardown` on the box that every other test has used.

The name keeps this file last: pytest runs files in alphabetical order, and what it leaves behind is
a bare box, of no use to another test.
"""

from __future__ import annotations

import os
import pty
import subprocess
from typing import Any

import pytest

from onecard import kept
from onecard.secret import Secret
from tests.box.conftest import INVOKE, PROJECT, Box, Controller

pytestmark = pytest.mark.box

LEFT = (
    "ls -d /opt/onecard /etc/onecard /var/lib/onecard /var/cache/onecard /run/onecard* "
    "/run/lock/onecard* /etc/systemd/system/vllm* /etc/sysctl.d/*onecard* 2>/dev/null; "
    "getent passwd onecard; getent group onecard; ps axww -o args | grep -i [v]llm; "
    "systemctl list-units --all --no-legend | grep -e vllm -e onecard; "
    "ss -Hltn 'sport = :8000'; find / -xdev -uid $(cat /tmp/uid) 2>/dev/null; rm /tmp/uid"
)


@pytest.fixture(scope="module")
def key(box: Box, deployed: Any) -> str:
    return box("id -u onecard >/tmp/uid; sed s/VLLM_API_KEY=// /etc/onecard/api-key.env").strip()


def test_check_says_what_would_go_and_changes_nothing(
    controller: Controller, box: Box, key: str
) -> None:
    found = controller.json("teardown", "--host", "sandbox", "--check")
    assert found["status"] == "left"
    names = {row["what"] for row in found["left"]}
    assert {"service vllm.service", "/opt/onecard", "account onecard", "port 8000"} <= names
    assert "active" in box("systemctl is-active vllm")
    assert box("ls /run/lock/onecard.lock /etc/onecard/api-key.env")


def test_it_is_not_done_without_the_hosts_name(controller: Controller, box: Box, key: str) -> None:
    silent = controller.invoke("teardown", "--host", "sandbox")
    assert silent.returncode == 1
    assert "--yes" in silent.stderr
    terminal, end = pty.openpty()
    try:
        os.write(terminal, b"box2\n")
        wrong = subprocess.run(
            [INVOKE, "teardown", "--host", "box1"],
            cwd=PROJECT,
            env=controller.environment,
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
    assert "active" in box("systemctl is-active vllm")


def test_it_removes_everything_and_proves_it(
    controller: Controller, box: Box, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONECARD_INVENTORY", str(controller.inventory))
    kept.keep_key("box1", Secret(key))
    known = (controller.inventory / "known_hosts").read_text()
    box(f"mkdir -p /srv; echo 'export KEY={key}' >/root/notes; echo 'oops {key}' | systemd-cat")
    box("journalctl --sync; install -o onecard /dev/null /srv/left-behind")

    report = controller.json("teardown", "--host", "sandbox", "--yes", code=1)
    left = {row["what"]: row["left"] for row in report["checked"] if row["left"]}
    # a file of the user's own is named and stays; everything else is gone
    assert list(left.values()) == ["/root/notes"]
    assert kept.key("box1") is not None
    assert box(f"cat /root/notes; {LEFT}; true") == f"export KEY={key}\n"

    box("rm /root/notes")
    again = controller.invoke("teardown", "--host", "sandbox", "--yes")
    assert again.returncode == 0, again.stderr
    assert "nothing is left of onecard" in again.stdout
    assert key not in again.stdout + again.stderr + str(report)
    assert key not in box("journalctl --no-pager -a -o cat")
    assert kept.key("box1") is None
    assert (controller.inventory / "known_hosts").read_text() == known


def test_a_second_teardown_finds_nothing(controller: Controller, key: str) -> None:
    report = controller.json("teardown", "--host", "sandbox")  # nothing to confirm either
    assert report["status"] == "clean"
    assert not any(row["left"] for row in report["checked"])
    tunnel = controller.invoke("tunnel", "--host", "sandbox")
    assert tunnel.returncode == 1
    assert "no server is deployed" in tunnel.stderr


def test_a_half_provisioned_box_is_cleaned_too(controller: Controller, box: Box, key: str) -> None:
    box(
        "mkdir -p /opt/onecard/venv /etc/onecard; useradd --system -d /var/lib/onecard onecard\n"
        "printf '# Written by onecard\\n[Service]\\nExecStart=/bin/sleep 600\\n' "
        ">/etc/systemd/system/vllm.service\nsystemctl daemon-reload; systemctl start vllm"
    )
    report = controller.json("teardown", "--host", "sandbox", "--yes")
    assert report["status"] == "clean"
    assert "not-found" in box("systemctl show vllm -p LoadState")


def test_the_box_may_be_provisioned_again(
    controller: Controller, box: Box, provisioned: Any, key: str
) -> None:
    (host,) = controller.json("provision", "--host", "sandbox", "--check")["hosts"]
    assert host["failed"] == 0
    pending = {change["resource"] for change in host["pending"]}
    assert {"user onecard", "directory /opt/onecard", "directory /etc/onecard"} <= pending
    first = provisioned["hosts"][0]["changed"]
    assert host["changed"] >= first - 1  # all but the Debian packages, which stay
