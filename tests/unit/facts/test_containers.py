"""Facts of containers: limits, what they forbid, who provides them; scripts run on imitated files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from onecard.facts import PROBES, read_facts, to_json
from onecard.facts.model import Facts
from onecard.ssh.probe_batch import Answer
from tests.support.on_shell import shell
from tests.support.pods import pod


def test_a_runpod_pod() -> None:
    facts = pod("runpod-a100")
    box = facts.machine.container
    assert (box.kind, box.provider, facts.systemd) == ("docker", "runpod", False)
    memory = facts.memory
    assert (memory.total_gib, memory.limit_gib, memory.host_total_gib) == (117.0, 117.0, 1007.35)
    # 117 GiB less 40 GiB in use, of which 30 GiB are pages of files
    assert (memory.available_gib, memory.host_available_gib) == (107.0, 859.48)
    assert (memory.cpus, memory.cpu_limit, memory.host_cpus) == (16, 16.0, 128)
    assert facts.volumes == ("/workspace",)
    assert facts.machine.fuse is False
    assert facts.machine.shell == "/bin/bash"
    assert facts.machine.forbidden == ("clock", "firewall", "modules", "reboot", "sysctl")
    assert facts.machine.can("accounts")
    assert to_json(facts)["systemd"] is False


def test_a_vast_instance() -> None:
    facts = pod("vast-4090x2")
    assert (facts.machine.container.kind, facts.machine.container.provider) == ("docker", "vast")
    assert (facts.memory.total_gib, facts.memory.available_gib) == (125.92, 122.92)
    assert (facts.memory.cpus, facts.memory.host_cpus) == (32, 128)
    assert facts.volumes == ()
    assert facts.machine.no_new_privs
    assert not facts.machine.can("accounts")
    assert facts.machine.can("packages")


def system(text: str) -> Facts:
    return read_facts({"system": Answer(text)})


def test_a_privileged_container_may_do_what_a_machine_may() -> None:
    machine = system("uid=0\ncapabilities=000001ffffffffff\nmarker=docker\n").machine
    assert machine.container.kind == "docker"
    assert machine.forbidden == ()
    assert machine.capabilities is not None
    assert {"SYS_MODULE", "CHECKPOINT_RESTORE"} <= set(machine.capabilities)


def test_a_login_without_rights_says_nothing_about_roots() -> None:
    machine = system("uid=1000\nroot=sudo\ncapabilities=0000000000000000\n").machine
    assert (machine.capabilities, machine.forbidden) == (None, ())


@pytest.mark.parametrize(
    ("text", "kind", "provider"),
    [
        ("marker=docker\nhint=docker\n", "docker", ""),
        ("marker=podman\nmarker=oci\n", "podman", ""),
        ("marker=kubernetes\nhint=containerd\n", "kubernetes", ""),
        ("marker=lxc\n", "lxc", ""),
        ("hint=docker\nhint=kubepods\n", "kubernetes", ""),
        ("hint=containerd\n", "containerd", ""),
        ("variable=RUNPOD_POD_ID\n", "docker", "runpod"),
        ("variable=CONTAINER_ID\n", "docker", "vast"),
        ("Virtualization=kvm\nvm=kvm\n", "", ""),
        ("Virtualization=lxc\nvm=kvm\n", "lxc", ""),
    ],
)
def test_kind_and_provider(text: str, kind: str, provider: str) -> None:
    found = system(text).machine.container
    assert (found.kind, found.provider) == (kind, provider)


GIB = 2**30
# Files below the imitated root of control groups, and /proc/1/cgroup.
UNIFIED = {
    "cpu.max": "max 100000",
    "pods/memory.max": str(64 * GIB),
    "pods/memory.current": str(10 * GIB),
    "pods/memory.stat": f"anon 1\ninactive_file {4 * GIB}\nactive_file 2",
    "pods/cpu.max": "350000 100000",
    "pods/one/memory.max": "max",
    "pods/one/memory.current": str(1 * GIB),
    "pods/one/cpu.max": "1600000 100000",
}
VERSION_1 = {
    "memory/memory.limit_in_bytes": str(8 * GIB),
    "memory/memory.usage_in_bytes": str(2 * GIB),
    "memory/memory.stat": f"cache 1\ntotal_inactive_file {GIB}",
    "cpu,cpuacct/cpu.cfs_quota_us": "50000",
    "cpu,cpuacct/cpu.cfs_period_us": "100000",
}
UNLIMITED = {
    "memory/memory.limit_in_bytes": "9223372036854771712",
    "memory/memory.usage_in_bytes": "1",
}
MEMINFO = f"MemTotal: {256 * 2**20} kB\nMemAvailable: {200 * 2**20} kB\n"


@pytest.mark.parametrize(
    ("files", "of_process_1", "expected"),
    [
        (UNIFIED, "0::/pods/one\n", (64.0, 58.0, 64.0, 3.5)),
        # In a namespace of its own the group is the root, and all that is mounted.
        ({"memory.max": str(GIB), "memory.current": "0"}, "0::/\n", (1.0, 1.0, 1.0, None)),
        ({"memory.max": str(GIB), "memory.current": "0"}, "0::/../../x\n", (1.0, 1.0, 1.0, None)),
        (VERSION_1, "9:cpu,cpuacct:/docker/6f\n4:memory:/docker/6f\n", (8.0, 7.0, 8.0, 0.5)),
        (UNLIMITED, "4:memory:/docker/6f\n", (256.0, 200.0, None, None)),
        ({}, "0::/init.scope\n", (256.0, 200.0, None, None)),
        ({}, "", (256.0, 200.0, None, None)),
    ],
    ids=["two levels", "namespace", "outside", "version 1", "unlimited", "no files", "no groups"],
)
def test_limits_of_the_control_groups(
    tmp_path: Path,
    files: Mapping[str, str],
    of_process_1: str,
    expected: tuple[float, float, float | None, float | None],
) -> None:
    groups = tmp_path / "cgroup"
    groups.mkdir()
    for name, text in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(text + "\n")
    if "cpu,cpuacct/cpu.cfs_quota_us" in files:
        (groups / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "of-process-1").write_text(of_process_1)
    (tmp_path / "meminfo").write_text(MEMINFO)
    script = (
        PROBES["memory"]
        .replace("/sys/fs/cgroup", str(groups))
        .replace("/proc/1/cgroup", str(tmp_path / "of-process-1"))
        .replace("/proc/meminfo", str(tmp_path / "meminfo"))
    )
    done = shell(script)
    assert done.returncode == 0, done.stderr
    memory = read_facts({"memory": Answer(done.stdout)}).memory
    assert (memory.total_gib, memory.available_gib, memory.limit_gib, memory.cpu_limit) == expected
    assert memory.cpus == min(memory.host_cpus, max(1, int(memory.cpu_limit or 1024)))


def test_the_environment_of_process_1_shows_names_alone(tmp_path: Path) -> None:
    variables = ("RUNPOD_POD_ID=abc123", "RUNPOD_API_KEY=rpa_SECRET", "container=podman", "X=1")
    (tmp_path / "environ").write_text("\0".join(variables) + "\0")
    done = shell(PROBES["system"].replace("/proc/1/environ", str(tmp_path / "environ")))
    assert "SECRET" not in done.stdout
    assert "abc123" not in done.stdout
    found = system(done.stdout).machine.container
    assert found.provider == "runpod"
    assert found.kind


def test_the_provider_names_the_ports_that_it_maps(tmp_path: Path) -> None:
    variables = (
        *("RUNPOD_TCP_PORT_22=40022", "RUNPOD_TCP_PORT_443=41443", "VAST_TCP_PORT_70001=41701"),
        *("VAST_UDP_PORT_99=1", "RUNPOD_TCP_PORT_8=", "MY_TCP_PORT_5=5"),
    )
    (tmp_path / "environ").write_text("\0".join(variables) + "\0")
    done = shell(PROBES["network"].replace("/proc/1/environ", str(tmp_path / "environ")))
    network = read_facts({"network": Answer(done.stdout)}).network
    assert network.mapped == {22: 40022, 443: 41443, 41701: 41701}


def test_volumes_are_mounts_of_their_own(tmp_path: Path) -> None:
    for name in ("data", "workspace", "etc", ".cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "mounts").write_text(
        "overlay / overlay rw,relatime 0 0\n"
        "/dev/vda1 /etc/hosts ext4 rw 0 0\n"
        f"/dev/vda1 {tmp_path}/data ext4 rw,relatime 0 0\n"
        f"/dev/vda1 {tmp_path}/etc ext4 ro,relatime 0 0\n"
        f"tmpfs {tmp_path} tmpfs rw 0 0\n"
        f"/dev/vda1 {tmp_path}/.cache ext4 rw,relatime 0 0\n"
        f"/dev/vda1 {tmp_path}/workspace ext4 rw,relatime 0 0\n"
    )
    done = shell(PROBES["disks"].replace("/proc/mounts", str(tmp_path / "mounts")))
    facts = read_facts({"disks": Answer(done.stdout)})
    assert facts.volumes == (f"{tmp_path}/data", f"{tmp_path}/workspace")
    paths = [disk.path for disk in facts.disks]
    assert f"{tmp_path}/workspace" in paths  # also where another mount has its device
    named = read_facts({"disks": Answer("volume=/data\nvolume=/workspace\n")})
    assert named.volumes == ("/workspace", "/data")
