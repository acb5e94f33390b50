"""A real pod: what a container forbids, and what is left of it after a restart."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
import pytest

from onecard.sandbox import Box
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.pod import limits_of_this_computer
from onecard.sandbox.common.system import wait_until
from onecard.sandbox.nspawn.boxes import NspawnDriver
from tests.box.conftest import SANDBOX_CACHE
from tests.support.sandbox_boxes import ask, login, traces

pytestmark = pytest.mark.box

LIMITS = limits_of_this_computer()


@dataclass(frozen=True)
class Pod:
    driver: NspawnDriver
    project: Path
    inventory: Path
    box: Box

    def __call__(self, command: str) -> str:
        return ask(self.box, self.inventory, command)[1]

    @property
    def known_hosts(self) -> str:
        return (self.inventory / "known_hosts").read_text()


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    project = tmp_path_factory.mktemp("project")
    inventory = project / "inventory"
    inventory.mkdir()
    driver = NspawnDriver(project, inventory, print, SANDBOX_CACHE)
    try:
        [box] = driver.up(["pod1"], systemd=False)
        yield Pod(driver, project, inventory, box)
    finally:
        driver.down(None)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("id -un; hostname; pwd", "root\npod1\n/root"),
        ("tr '\\0' ' ' </proc/1/cmdline", "/bin/sh /start.sh"),
        ("ls -d /run/systemd/system /sbin/init /etc/machine-id 2>/dev/null", ""),
        ("command -v systemctl journalctl sudo ip", ""),
        ("sed -n 's/^Cap[PEB].*\t//p' /proc/self/status | sort -u", "00000000a80425fb"),
        ("sed -n 's/^Cap[IA].*\t//p' /proc/self/status | sort -u", "0000000000000000"),
        ("sed -n 's/^Seccomp:\t//p' /proc/self/status", "2"),
        ("unshare --mount true", "unshare: unshare failed: Operation not permitted"),
        ("unshare --user true", "unshare: unshare failed: Operation not permitted"),
        ("mount -t tmpfs none /mnt 2>&1 | head -n1", "mount: /mnt: permission denied."),
        ("df -B1 --output=size /dev/shm | tail -n1", str(64 << 20)),
        ("ls -d /dev/fuse /dev/net 2>/dev/null", ""),
        ("echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo read-only", "read-only"),
        ("echo 9 2>/dev/null >/proc/sys/vm/swappiness || echo read-only", "read-only"),
        ("mountpoint /workspace", "/workspace is a mountpoint"),
        ("getent passwd admin", ""),
        ("ulimit -Hn", str(min(1 << 20, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))),
        ("stat -c %a /run/lock", "1777"),
    ],
)
def test_it_is_like_a_rented_container(pod: Pod, command: str, expected: str) -> None:
    assert pod(command) == expected


def test_its_control_group_has_limits_below_this_computers(pod: Pod) -> None:
    memory = pod("cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes")
    page = os.sysconf("SC_PAGE_SIZE")
    assert str(LIMITS.memory // page * page) in memory.split()
    total = int(pod("awk '/^MemTotal/ {print $2}' /proc/meminfo"))
    assert LIMITS.memory < total * 1024
    quota = pod("cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    assert str(LIMITS.cpu_quota[0]) in quota.split()


def test_pid_1_reaps_what_others_leave(pod: Pod) -> None:
    pod("sh -c 'sleep 0.1 &' </dev/null >/dev/null 2>&1")
    assert wait_until(lambda: pod("ps -eo stat,comm | grep sleep") == "", 10, 0.2)
    assert pod("ps -eo stat | grep -c ^Z") == "0"


def test_it_has_a_network_and_files_arrive_over_sftp(pod: Pod) -> None:
    assert pod("python3 -c 'import socket; print(len(socket.gethostname()))'") == "4"
    assert pod("getent hosts pod1").split() == ["127.0.1.1", "pod1"]
    with login(pod.box, pod.inventory) as client, client.open_sftp() as sftp:
        assert "workspace" in sftp.listdir("/")


def test_only_the_volume_outlives_a_restart(pod: Pod) -> None:
    pod("echo kept >/workspace/kept; touch /root/gone /etc/gone /dev/shm/gone")
    key, known, login_key = pod("cat /etc/ssh/*.pub"), pod.known_hosts, pod.box.key_file.read_text()
    assert pod.driver.restart("pod1") == pod.box
    assert pod.known_hosts == known
    with pytest.raises(paramiko.BadHostKeyException):
        login(pod.box, pod.inventory)
    assert pod.driver.up(["pod1"]) == [pod.box]
    assert pod.known_hosts != known
    assert pod("cat /workspace/kept; ls /root/gone /etc/gone /dev/shm/gone 2>/dev/null") == "kept"
    assert pod("cat /etc/ssh/*.pub") != key
    assert pod.box.key_file.read_text() == login_key


def test_one_that_ended_is_made_anew(pod: Pod) -> None:
    pod("touch /workspace/kept-too /root/gone")
    pod("kill $(cat /run/sshd.pid)")
    assert wait_until(lambda: pod.driver.boxes()[0].state == "stopped", 30)
    assert pod.driver.up(["pod1"], systemd=False) == [pod.box]
    assert pod("ls /workspace/kept-too /root/gone 2>/dev/null") == "/workspace/kept-too"


def test_down_leaves_no_trace(pod: Pod) -> None:
    labels = Labels.of(pod.project)
    assert traces(pod.project, labels, "pod1") != []
    assert pod.driver.down(None) == ["pod1"]
    assert traces(pod.project, labels, "pod1") == []
    assert not (pod.inventory / "sandbox.yml").exists()
