"""The ways in: a password for sudo, a jump host, root itself."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import yaml

from tests.box.conftest import Box, Controller

pytestmark = pytest.mark.box


@pytest.fixture(scope="module")
def elsewhere(controller: Controller, tmp_path_factory: pytest.TempPathFactory) -> Controller:
    """An inventory that knows the same box, and will know others."""
    inventory = tmp_path_factory.mktemp("logins") / "inventory"
    shutil.copytree(controller.inventory, inventory)
    return Controller(inventory)


@pytest.fixture(scope="module")
def place(controller: Controller) -> dict[str, Any]:
    """The box's connection keys, as the sandbox wrote them."""
    found = yaml.safe_load((controller.inventory / "sandbox.yml").read_text())
    variables: dict[str, Any] = found["all"]["children"]["sandbox"]["hosts"]["box1"]
    return variables


def add(controller: Controller, name: str, variables: dict[str, Any]) -> None:
    """Write a further host into the tests' inventory."""
    hosts = {"all": {"children": {"sandbox": {"hosts": {name: variables}}}}}
    (controller.inventory / "hosts.yml").write_text(yaml.safe_dump(hosts))


def test_sudo_with_a_password(elsewhere: Controller, box: Box, place: dict[str, Any]) -> None:
    box(
        "id prompted >/dev/null 2>&1 || useradd -m -s /bin/bash -G sudo prompted\n"
        "echo prompted:right-horse | chpasswd\n"
        "echo '%sudo ALL=(ALL) ALL' >/etc/sudoers.d/prompted\n"
        "install -d -m 0700 -o prompted -g prompted /home/prompted/.ssh\n"
        "install -m 0600 -o prompted -g prompted /root/.ssh/authorized_keys /home/prompted/.ssh/\n"
    )
    add(elsewhere, "prompted", {**place, "ansible_user": "prompted"})
    silent = elsewhere.invoke("facts", "--host", "prompted")
    assert silent.returncode == 3
    assert "ONECARD_SUDO_PASSWORD" in silent.stderr
    wrong = elsewhere.invoke("facts", "--host", "prompted", ONECARD_SUDO_PASSWORD="wrong-horse")
    assert wrong.returncode == 3
    assert "did not accept the password" in wrong.stderr
    right = elsewhere.invoke("facts", "--host", "prompted", ONECARD_SUDO_PASSWORD="right-horse")
    assert right.returncode == 0, right.stderr
    assert "right-horse" not in right.stdout + right.stderr
    (changes,) = elsewhere.json("provision", "--host", "box1", "--check")["hosts"]
    assert changes["failed"] == 0


ACCOUNT = """
id limited >/dev/null 2>&1 || useradd -m -s /bin/bash limited
install -d -m 0700 -o limited -g limited /home/limited/.ssh
install -m 0600 -o limited -g limited /root/.ssh/authorized_keys /home/limited/.ssh/
"""
MAY_NOT = "user limited may not use sudo on limited"


@pytest.mark.parametrize(
    ("sudoers", "account", "words"),
    [
        ("", "passwd -l limited", f"{MAY_NOT}: log in as root"),
        ("", "echo limited:right-horse | chpasswd", f"{MAY_NOT}: log in as root"),
        (
            "limited ALL=(ALL) ALL",
            "passwd -l limited",
            f"{MAY_NOT}, which wants a password, and this account has none: log in as root",
        ),
        (
            "limited ALL=(ALL) NOPASSWD: /usr/bin/id",
            "echo limited:right-horse | chpasswd",
            f"{MAY_NOT}: log in as root",
        ),
        (
            "Defaults:limited requiretty\nlimited ALL=(ALL) NOPASSWD: ALL",
            "passwd -l limited",
            "requiretty in sudoers), and a command over SSH has none: add `Defaults:limited",
        ),
    ],
    ids=["no rights", "a password alone", "no password", "one command", "requiretty"],
)
def test_sudo_that_is_refused(
    sudoers: str,
    account: str,
    words: str,
    elsewhere: Controller,
    box: Box,
    place: dict[str, Any],
) -> None:
    add(elsewhere, "limited", {**place, "ansible_user": "limited"})
    rules = "/etc/sudoers.d/limited"
    try:
        box(
            f"{ACCOUNT}{account} >/dev/null\nprintf '%b\\n' '{sudoers}' >{rules}\nvisudo -cqf {rules}"
        )
        password = {"ONECARD_SUDO_PASSWORD": "right-horse"} if "horse" in account else {}
        refused = elsewhere.invoke("facts", "--host", "limited", **password)
    finally:
        box(f"rm -f {rules}; ! id limited >/dev/null 2>&1 || userdel -rf limited 2>/dev/null")
    assert refused.returncode == 3
    assert words in refused.stderr
    assert len(refused.stderr.splitlines()) <= 3  # not the script that sudo was to run
    assert "right-horse" not in refused.stdout + refused.stderr


def test_through_a_jump_host(elsewhere: Controller, place: dict[str, Any]) -> None:
    jump = f"admin@{place['ansible_host']}"
    behind = {
        "ansible_host": "127.0.0.1",
        "ansible_user": "root",
        "ansible_ssh_private_key_file": place["ansible_ssh_private_key_file"],
        "ansible_ssh_common_args": f"-J {jump}",
    }
    add(elsewhere, "behind", behind)
    unknown = elsewhere.invoke("facts", "--host", "behind")
    assert unknown.returncode == 3
    assert "invoke trust --host behind" in unknown.stderr
    assert elsewhere.invoke("trust", "--host", "behind").returncode == 0
    reported = elsewhere.json("facts", "--host", "behind")
    assert reported["machine"]["user"] == "root"


def test_no_key_is_one_line_and_exit_3(elsewhere: Controller, place: dict[str, Any]) -> None:
    add(elsewhere, "stranger", {**place, "ansible_user": "nobody"})
    refused = elsewhere.invoke("facts", "--host", "stranger", HOME="/nonexistent", SSH_AUTH_SOCK="")
    assert refused.returncode == 3
    assert "refused the login" in refused.stderr
    assert "Traceback" not in refused.stderr
