"""Pods: their trees, command lines and limits, without starting anything."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from onecard.commands.sandbox import default_name
from onecard.errors import UsageError
from onecard.sandbox import Box, box_names
from onecard.sandbox.common.entries import Entry, merge_known_hosts
from onecard.sandbox.common.furnish import Identity, network_files
from onecard.sandbox.common.names import Labels
from onecard.sandbox.common.pod import STRIP, PodLimits, pod_files
from onecard.sandbox.common.project import refuse_systemd
from onecard.sandbox.common.system import wait_until
from onecard.sandbox.docker import commands
from onecard.sandbox.docker.boxes import DockerDriver
from onecard.sandbox.nspawn.boxes import NspawnDriver
from onecard.sandbox.nspawn.cgroup import limit_files
from onecard.sandbox.nspawn.container import NspawnContainer, nspawn_command
from onecard.sandbox.nspawn.pod import drop_command, network_commands, nspawn_options
from tests.unit.sandbox.test_backends import HYBRID, LABELS, controller

# The mask of Docker's default capabilities in /proc/PID/status, and capability(7)'s numbers.
DOCKER_MASK = 0xA80425FB
NUMBERS = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
]
FEW = PodLimits(8 << 30, 1.5)


def test_what_is_dropped_leaves_dockers_capabilities() -> None:
    [option] = [word for word in nspawn_options() if word.startswith("--drop-capability=")]
    dropped = {name[4:].lower() for name in option.partition("=")[2].split(",")}
    allowed = [number for number in range(41) if DOCKER_MASK >> number & 1]
    assert not dropped & {NUMBERS[number] for number in allowed}
    assert {"sys_admin", "net_admin", "sys_resource", "sys_ptrace", "sys_boot"} <= dropped
    shell = drop_command()[1].partition("=")[2].split(",")
    assert shell[0] == "-all"
    assert set(shell[1:]) == {f"+{NUMBERS[number]}" for number in allowed}


def test_a_pod_is_not_booted() -> None:
    pod = NspawnContainer(
        "pod1", Path("/boxes/pod1"), LABELS, writable={"/workspace": Path("/w")}, systemd=False
    )
    command = nspawn_command(pod)
    assert "--boot" not in command
    assert command[-1] == "/start.sh"
    assert command.index("--bind=/w:/workspace") < command.index("/usr/bin/env")
    assert "--tmpfs=/dev/shm:size=67108864,mode=1777,nosuid,nodev,noexec" in command
    assert nspawn_command(NspawnContainer("box1", Path("/b"), LABELS))[-1] == "--boot"


def test_sshd_may_still_change_its_root() -> None:
    [option] = [word for word in nspawn_options() if word.startswith("--system-call-filter=")]
    calls = option.partition("=~")[2].split()
    assert {"mount", "unshare", "setns"} <= set(calls)
    assert not {"@mount", "chroot"} & set(calls)


def test_the_address_is_set_from_outside() -> None:
    words = [" ".join(command) for command in network_commands("10.1.2.10/24", "10.1.2.1")]
    assert "addr add 10.1.2.10/24 dev eth0" in words
    assert words[-1] == "route add default via 10.1.2.1"
    assert list(network_files("10.1.2.10/24", "10.1.2.1", "nameserver 192.0.2.53\n", False)) == [
        "/etc/resolv.conf"
    ]


def test_a_pod_has_no_account_no_unit_and_no_machine_id() -> None:
    files = pod_files(controller(), Identity("pod1", "0" * 32, "ssh-ed25519 L", "KEY", "PUB"))
    assert not [path for path in files if "admin" in path or "systemd" in path]
    assert "/etc/machine-id" not in files
    assert files["/start.sh"].mode == 0o755
    assert files["/root/.ssh/authorized_keys"].content == b"ssh-ed25519 L\n"
    assert "/.dockerenv" in files


@pytest.mark.parametrize("script", [STRIP, commands.POD_SETUP, commands.SETUP])
def test_the_scripts_are_valid_shell(script: str) -> None:
    assert subprocess.run(["sh", "-n"], input=script.encode(), check=False).returncode == 0


def test_the_start_script_runs_the_images_own_script_and_ends_with_sshd(tmp_path: Path) -> None:
    start = pod_files(controller(), Identity("p", "0" * 32, "L", "K", "P"))["/start.sh"].content
    text = start.decode()
    for place, own in (
        ("/usr/sbin/sshd", "sshd"),
        ("/run/", "run-"),
        ("/post_start.sh", "post_start.sh"),
    ):
        text = text.replace(place, f"{tmp_path}/{own}")
    (tmp_path / "post_start.sh").write_text(f"echo started >>{tmp_path}/log\n")
    (tmp_path / "sshd").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "sshd").chmod(0o755)
    process = subprocess.Popen(["sh", "-c", text])
    try:
        log = tmp_path / "log"
        assert wait_until(lambda: log.exists() and log.read_text() == "started\n", 30, 0.01)
        assert process.poll() is None
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.wait()


V1 = HYBRID + "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0\n"


def test_limits_in_either_version() -> None:
    first = "5:memory:/onecard-x\n3:cpu,cpuacct:/onecard-x\n0::/onecard-x/payload\n"
    files = {str(path): text for path, text in limit_files("x", first, V1, FEW).items()}
    assert files["/sys/fs/cgroup/memory/onecard-x/memory.limit_in_bytes"] == str(8 << 30)
    assert files["/sys/fs/cgroup/cpu,cpuacct/onecard-x/cpu.cfs_quota_us"] == "150000"
    assert not [path for path in files if path.startswith("/sys/fs/cgroup/systemd")]
    unified = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"
    member = "0::/system.slice/onecard-x.scope/payload\n"
    group = Path("/sys/fs/cgroup/system.slice/onecard-x.scope/payload")
    assert limit_files("x", member, unified, FEW) == {
        group / "memory.max": str(8 << 30),
        group / "cpu.max": "150000 100000",
    }


def test_only_the_boxs_own_groups_are_limited() -> None:
    assert limit_files("x", "5:memory:/\n3:cpu,cpuacct:/user\n0::/\n", V1, FEW) == {}


def test_names() -> None:
    assert box_names(systemd=False) == ("pod1",)
    assert box_names("a", 2, systemd=False) == ("a1", "a2")
    assert box_names(count=2, systemd=False) == ("pod1", "pod2")


@dataclass(frozen=True)
class Boxes:
    names: tuple[str, ...]

    def boxes(self) -> list[Box]:
        return [Box(n, "10.1.2.3", 22, "root", Path("/k"), "stopped", "nspawn") for n in self.names]


@pytest.mark.parametrize(
    ("names", "given", "expected"),
    [(("pod1",), "", "pod1"), (("box1", "pod1"), "", "box1"), ((), "", "box1"),
     (("box1", "pod1"), "pod1", "pod1")],
)  # fmt: skip
def test_the_box_that_shell_and_restart_mean(
    names: tuple[str, ...], given: str, expected: str
) -> None:
    assert default_name(Boxes(names), given) == expected


def test_a_box_with_systemd_does_not_become_a_pod() -> None:
    pod = Box("pod1", "10.1.2.10", 22, "root", Path("/k"), "running", "nspawn", systemd=False)
    refuse_systemd([pod])
    box = Box("box1", "10.1.2.10", 22, "admin", Path("/k"), "running", "nspawn")
    with pytest.raises(UsageError, match=r"--no-systemd: the box box1 has systemd.*sandbox.down"):
        refuse_systemd([box])


def test_a_recreated_pods_key_is_not_trusted_by_itself() -> None:
    pod = Box("pod1", "10.1.2.10", 22, "root", Path("/k"), "running", "nspawn", systemd=False)
    text = "10.1.2.10 ssh-ed25519 OLD\n"
    assert merge_known_hosts(text, [Entry(pod, None)], []) == text
    assert merge_known_hosts(text, [Entry(pod, "ssh-ed25519 NEW")], []) == (
        "10.1.2.10 ssh-ed25519 NEW\n"
    )


def test_docker_pod() -> None:
    command = commands.create_pod(LABELS, "pod1", "image:1", [Path("/srv/wheels")], FEW)
    text = " ".join(command)
    assert "--privileged" not in command
    assert "--shm-size 67108864 --memory 8589934592 --cpus 1.5" in text
    assert "type=volume,source=onecard-01234567-pod1-workspace,target=/workspace" in command
    assert command[-1] == "image:1"
    lines = commands.dockerfile(controller(), systemd=False).splitlines()
    assert lines[-1] == 'CMD ["/start.sh"]'
    [install] = [line for line in lines if "apt-get install" in line]
    assert "systemd" not in install
    assert "openssh-server" in install


@pytest.mark.parametrize("driver", [NspawnDriver, DockerDriver])
def test_no_box_to_restart(
    driver: type[NspawnDriver | DockerDriver], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UsageError, match="--name: there is no sandbox box 'nope'"):
        driver(tmp_path, tmp_path / "inventory", print).restart("nope")


FAKE_DOCKER = """\
#!/bin/sh
echo "$@" >>"$DOCKER_LOG"
case "$1 $2" in
"container inspect"|"volume inspect") exit 1 ;;
"cp -") cat >"$DOCKER_LOG.tar" ;;
esac
"""


def test_docker_makes_a_pod_anew_and_leaves_its_login_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docker").write_text(FAKE_DOCKER)
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_LOG", str(tmp_path / "log"))
    driver = DockerDriver(tmp_path, tmp_path / "inventory", print)
    folder = tmp_path / ".onecard" / "sandbox" / "boxes" / "pod1"
    driver._make("pod1", "image:1", controller(), systemd=False)
    key, record = (folder / "key").read_text(), json.loads((folder / "box.json").read_text())
    driver._make("pod1", "image:1", controller(), systemd=False)
    again = json.loads((folder / "box.json").read_text())
    assert (folder / "key").read_text() == key
    assert again["host_key"] != record["host_key"]
    assert again["systemd"] is False
    assert "volume rm" not in (tmp_path / "log").read_text()
    names = subprocess.check_output(["tar", "-tf", f"{tmp_path}/log.tar"], text=True).split()
    assert "start.sh" in names
    assert Labels.of(tmp_path).project in (tmp_path / "log").read_text()
