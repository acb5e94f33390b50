"""Two real boxes: made, reached over SSH, rebooted and removed without a trace."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from onecard.errors import UsageError
from onecard.sandbox import Box
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.pip_settings import parse_config_list
from onecard.sandbox.common.system import wait_until
from onecard.sandbox.nspawn.boxes import NspawnDriver
from onecard.sandbox.nspawn.container import NspawnContainer
from tests.support.sandbox_boxes import ask, traces

pytestmark = pytest.mark.box

# Only the base tree is shared with the project's own boxes: it is a cache.
CACHE = Path(__file__).parents[2] / ".onecard" / "sandbox"


@dataclass(frozen=True)
class Pair:
    driver: NspawnDriver
    project: Path
    inventory: Path
    first: Box
    second: Box
    second_seconds: float


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    project = tmp_path_factory.mktemp("project")
    inventory = project / "inventory"
    inventory.mkdir()
    driver = NspawnDriver(project, inventory, print, CACHE)
    try:
        [first] = driver.up(["one"])
        started = time.monotonic()
        _, second = driver.up(["one", "two"])
        yield Pair(driver, project, inventory, first, second, time.monotonic() - started)
    finally:
        driver.down(None)


def test_a_second_box_takes_seconds(pair: Pair) -> None:
    """Some three on a quiet computer; the base tree alone takes a minute."""
    assert pair.second_seconds < 45


@pytest.mark.parametrize(
    ("user", "command", "expected"),
    [
        ("admin", "systemctl is-system-running", "running"),
        ("admin", "systemctl list-units --failed --no-legend", ""),
        ("admin", "sudo -n id -u", "0"),
        ("root", "id -un", "root"),
        ("root", "stat -c %U:%a /home/admin/.ssh/authorized_keys", "admin:600"),
        ("root", "ls /usr/bin/gcc /usr/bin/pip3 2>/dev/null", ""),
        ("root", "sshd -T | grep -c '^passwordauthentication no$'", "1"),
        ("root", "timedatectl show -p Timezone --value | wc -l", "1"),
        ("root", "journalctl -q -b -u ssh.service | grep -c 'Server listening'", "2"),
    ],
)
def test_both_boxes_answer(pair: Pair, user: str, command: str, expected: str) -> None:
    for box in (pair.first, pair.second):
        assert ask(box, pair.inventory, command, user)[1] == expected


def test_each_box_is_its_own(pair: Pair) -> None:
    assert pair.first.address != pair.second.address
    assert pair.first.key_file.read_text() != pair.second.key_file.read_text()
    assert pair.first.key_file.stat().st_mode & 0o777 == 0o600
    for question in ("hostname", "cat /etc/machine-id", "cat /etc/ssh/ssh_host_ed25519_key.pub"):
        assert ask(pair.first, pair.inventory, question) != ask(
            pair.second, pair.inventory, question
        )


def test_boxes_reach_each_other(pair: Pair) -> None:
    greet = "import socket; print(socket.create_connection(('{}', 22), 5).recv(4).decode(), end='')"
    for here, there in ((pair.first, pair.second), (pair.second, pair.first)):
        command = f'python3 -c "{greet.format(there.address)}"'
        assert ask(here, pair.inventory, command) == (0, "SSH-")


def test_apt_update_works_inside(pair: Pair) -> None:
    code, text = ask(pair.first, pair.inventory, "sudo apt-get -q update")
    assert (code, "W:" in text, "E:" in text) == (0, False, False), text


def test_pip_reads_what_the_controller_reads(pair: Pair) -> None:
    here = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    read = (
        'python3 -c \'import configparser as c; p = c.RawConfigParser(); p.read("/etc/pip.conf"); '
        '[print(f"{s}.{k}={v!r}") for s in p.sections() for k, v in p[s].items()]\''
    )
    code, text = ask(pair.second, pair.inventory, read)
    assert code == 0, text

    def words(listing: str) -> dict[tuple[str, str], list[str]]:
        return {name: value.split() for name, value in parse_config_list(listing).items()}

    assert words(text) == words(here.stdout)


def test_a_hardened_unit_runs(pair: Pair) -> None:
    harden = (
        "-p ProtectSystem=strict -p PrivateTmp=yes -p NoNewPrivileges=yes -p StateDirectory=hard "
        "-p SystemCallFilter=@system-service -p ProtectHome=yes -p User=admin"
    )
    command = f"systemd-run --quiet --wait --pipe {harden} sh -c 'touch /var/lib/hard/x && ! touch /usr/x'"
    code, text = ask(pair.first, pair.inventory, command, "root")
    assert code == 0, text


def test_pip_cache_is_shared(pair: Pair) -> None:
    assert ask(pair.first, pair.inventory, "touch /root/.cache/pip/shared-by-test", "root")[0] == 0
    try:
        assert (
            ask(pair.second, pair.inventory, "ls /root/.cache/pip/shared-by-test", "root")[0] == 0
        )
    finally:
        (CACHE / "pip-cache" / "shared-by-test").unlink()


def test_reboot_changes_the_boot_id_and_the_box_returns(pair: Pair) -> None:
    question = "cat /proc/sys/kernel/random/boot_id"
    _, before = ask(pair.first, pair.inventory, question)
    ask(pair.first, pair.inventory, "systemd-run --on-active=0.1 systemctl reboot", "root")

    def rebooted() -> bool:
        try:
            code, after = ask(pair.first, pair.inventory, question)
        except (OSError, EOFError, paramiko.SSHException):
            return False
        return code == 0 and after != before

    assert wait_until(rebooted, 60, 0.3)
    [box] = pair.driver.up(["one"])
    assert box == pair.first
    assert wait_until(
        lambda: ask(box, pair.inventory, "systemctl is-system-running")[1] == "running", 30
    )


def test_up_again_retains_what_runs_and_starts_what_died(pair: Pair) -> None:
    driver = pair.driver
    before = process_of(pair, "one")
    assert driver.up(["one"]) == [pair.first]
    assert process_of(pair, "one") == before
    ask(pair.second, pair.inventory, "touch /root/kept; systemctl poweroff", "root")
    assert wait_until(lambda: driver.boxes()[1].state == "stopped", 30)
    assert driver.up(["two"]) == [pair.second]
    assert ask(pair.second, pair.inventory, "ls /root/kept", "root")[0] == 0


def process_of(pair: Pair, name: str) -> object:
    folder = pair.project / ".onecard" / "sandbox" / "boxes" / name
    return NspawnContainer(name, folder, Labels.of(pair.project)).supervisor


def test_an_interrupted_up_leaves_nothing_half_made(pair: Pair) -> None:
    def interrupt(line: str) -> None:
        if "copied" in line:
            raise KeyboardInterrupt

    driver = NspawnDriver(pair.project, pair.inventory, interrupt, CACHE)
    with pytest.raises(KeyboardInterrupt):
        driver.up(["three"])
    assert [box.name for box in driver.boxes()] == ["one", "two"]
    assert not (pair.project / ".onecard/sandbox/boxes/three").exists()
    assert ask(pair.first, pair.inventory, "true") == (0, "")


def test_unknown_names_are_refused(pair: Pair) -> None:
    with pytest.raises(UsageError, match=r"no sandbox box 'nine' \(existing: one, two\)"):
        pair.driver.down(["nine"])


def test_down_leaves_no_trace(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "known_hosts").write_text("gpu.example ssh-ed25519 AAAAother\n")
    driver = NspawnDriver(tmp_path, inventory, print, CACHE)
    labels = Labels.of(tmp_path)
    try:
        [box] = driver.up(["gone"])
        assert traces(tmp_path, labels, "gone") != []
        assert box.address in (inventory / "known_hosts").read_text()
    finally:
        assert driver.down(None) == ["gone"]
    assert traces(tmp_path, labels, "gone") == []
    assert (inventory / "known_hosts").read_text() == "gpu.example ssh-ed25519 AAAAother\n"
    assert not (inventory / "sandbox.yml").exists()
    assert driver.boxes() == []
    assert driver.down(None) == []
