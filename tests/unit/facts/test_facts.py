"""Facts from real answers: this project's capture of a container, and an H200's nvidia-smi."""

from __future__ import annotations

import csv
import dataclasses
import fcntl
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from onecard.doctor import checkup
from onecard.doctor.server_check import server
from onecard.driver import decide
from onecard.facts import PROBES, AptLock, GpuProcess, Listener, read_facts, to_json
from onecard.settings.settings import Settings
from onecard.ssh.probe_batch import Answer, compose, parse
from tests.support.on_shell import shell

HERE = Path(__file__).parents[1] / "fixtures" / "facts"


def answers(**outputs: str) -> dict[str, Answer]:
    return {name: Answer(output) for name, output in outputs.items()}


def h200(**extra: str) -> dict[str, Answer]:
    """What the probes print on the H200, its columns taken from the captured table."""
    header, row = csv.reader(io.StringIO((HERE / "h200-query.csv").read_text()))
    reported = {
        name.strip().split(" ")[0]: value.strip() for name, value in zip(header, row, strict=True)
    }
    columns = (
        "index name uuid driver_version memory.total memory.used pci.bus_id persistence_mode"
        " compute_cap mig.mode.current ecc.mode.current ecc.errors.uncorrected.volatile.total"
    )
    gpu = ", ".join(reported[column].removesuffix(" MiB") for column in columns.split())
    proc = (HERE / "h200-proc-version.txt").read_text()
    lines = [f"proc={line}" for line in proc.splitlines()]
    lines += ["module=nvidia", "module=nvidia_uvm", "smi=yes", f"gpu={gpu}", "exit=0", "cuda=13.0"]
    lines += [extra.get("more", "")]
    pci = "device=0000:00:06.0 030200 2335 nvidia\nbus=yes\n"
    return answers(nvidia="\n".join(lines), pci=pci, packages=extra.get("packages", ""))


def test_captured_container() -> None:
    reported = json.loads((HERE / "debian12-container.json").read_text())
    facts = read_facts({name: Answer(**answer) for name, answer in reported.items()})
    assert (facts.os.id, facts.os.version, facts.os.codename) == ("debian", "12", "bookworm")
    assert facts.kernel.arch == "x86_64"
    assert facts.machine.container.kind == "docker"
    assert not facts.machine.container.kernel
    assert not facts.machine.systemd
    assert facts.memory.avx512
    assert facts.memory.cpus == 2
    assert facts.disk("/var/lib") is not None
    assert facts.python.libc == "2.36"
    assert facts.driver.smi == "missing"
    assert any(one.process == "vllm" for one in facts.network.listeners)
    json.dumps(to_json(facts))


def test_captured_h200() -> None:
    """A container on a real H200 machine: Ubuntu 24.04, driver 580, no systemd, no lspci, no ss.

    The names of process 1 and of the kernel were replaced, and a mount of the provider's left out.
    """
    reported = json.loads((HERE / "h200-container.json").read_text())
    facts = read_facts({name: Answer(**answer) for name, answer in reported.items()}, 1795467233.0)
    assert (facts.os.id, facts.os.version, facts.python.version) == ("ubuntu", "24.04", "3.12.3")
    assert (facts.machine.container.kind, facts.machine.systemd) == ("docker", False)
    assert facts.kernel.secure_boot is False
    assert facts.memory.memlock_hard == -1
    assert facts.memory.shm_gib == 128.0
    assert [listener.port for listener in facts.network.listeners] == [2024]
    (gpu,) = facts.gpus
    assert (gpu.name, gpu.memory_total_mib, gpu.capability) == ("NVIDIA H200", 143771, "9.0")
    assert (gpu.persistence, gpu.mig, gpu.ecc, gpu.ecc_errors) == (True, False, True, 0)
    assert (facts.driver.route, facts.driver.open_module, facts.driver.uvm) == (
        "foreign",
        True,
        True,
    )
    assert facts.kernel_log.xids == facts.kernel_log.complaints == ()
    assert facts.packages.holds[0] == "libcublas-13-0"

    settings = Settings()
    assert decide(facts, settings.driver).action == "leave"
    wrong = [check for check in checkup(facts, settings) if check.status != "ok"]
    assert wrong == []


def test_a_real_process_on_the_h200() -> None:
    """As nvidia-smi reported of a Python that held a tensor of 1 GiB on that machine."""
    reported = json.loads((HERE / "h200-container.json").read_text())
    app = "app=GPU-69199a4a-7422-53a9-cc8c-a883aa2ab189, 778, 1634, python3\n"
    reported["nvidia"]["output"] += app
    facts = read_facts({name: Answer(**answer) for name, answer in reported.items()})
    assert facts.gpus[0].processes == (GpuProcess(778, "python3", 1634),)


def test_captured_two_h100s_that_a_process_holds() -> None:
    """Read over SSH on a machine with two cards, while a Python held 60 GiB of each.

    The names of process 1 and of the kernel were replaced; the checks are as that box has them now.
    """
    reported = json.loads((HERE / "h100x2-container.json").read_text())
    facts = read_facts({name: Answer(**answer) for name, answer in reported.items()}, 1795594910.0)
    assert [(gpu.name, gpu.memory_total_mib, gpu.capability) for gpu in facts.gpus] == [
        ("NVIDIA H100 80GB HBM3", 81_559, "9.0")
    ] * 2
    assert [gpu.processes for gpu in facts.gpus] == [(GpuProcess(1110, "python3", 61_958),)] * 2
    message = json.loads((HERE / "h100x2-doctor.json").read_text())
    checks = (*checkup(facts, Settings()), server("", ""))
    assert [dataclasses.asdict(check) for check in checks] == message
    assert {row["name"] for row in message if row["status"] != "ok"} == {"gpu memory"}


def test_every_queried_field_exists() -> None:
    known = set((HERE / "h200-query-gpu-fields.txt").read_text().replace('"', "").split())
    requested = re.findall(r"^ +(?:first|more)=(\S+)$", PROBES["nvidia"], re.M)
    assert len(requested) == 2
    assert set(",".join(requested).split(",")) <= known


def test_h200() -> None:
    facts = read_facts(h200())
    (gpu,) = facts.gpus
    assert (gpu.name, gpu.memory_total_mib, gpu.capability) == ("NVIDIA H200", 143771, "9.0")
    assert (gpu.persistence, gpu.mig, gpu.ecc, gpu.ecc_errors) == (True, False, True, 0)
    assert gpu.pci == "0000:00:06.0"
    driver = facts.driver
    assert (driver.version, driver.loaded, driver.cuda) == ("580.159.04", "580.159.04", "13.0")
    assert driver.open_module
    assert driver.route == "foreign"
    assert facts.pci[0].name == "H200 SXM 141GB"


def test_processes_and_slices() -> None:
    uuid = "GPU-90d4c1e1-98c3-592b-ddb3-2c5dcf43bb64"
    more = (
        f"app={uuid}, 4242, 70000, /usr/bin/python3\n"
        f"list=GPU 0: NVIDIA H200 (UUID: {uuid})\n"
        "list=MIG 1g.18gb     Device  0: (UUID: MIG-aa)\n"
    )
    (gpu,) = read_facts(h200(more=more)).gpus
    assert [(p.pid, p.memory_mib) for p in gpu.processes] == [(4242, 70000)]
    assert gpu.mig_devices == ("1g.18gb MIG-aa",)


UBUNTU = "nvidia=nvidia-utils-580-server|580.95.05-0ubuntu0.24.04.2|Ubuntu Core Developers <ubuntu-devel-discuss@lists.ubuntu.com>\n"
NVIDIA = "nvidia=nvidia-open|580.95.05-1ubuntu1|NVIDIA Corporation <cudatools@nvidia.com>\n"
TOOLKIT = "nvidia=nvidia-container-toolkit|1.17|NVIDIA CORPORATION <cudatools@nvidia.com>\n"


@pytest.mark.parametrize(
    ("packages", "more", "route"),
    [
        (UBUNTU, "", "ubuntu"),
        (NVIDIA, "", "nvidia"),
        (UBUNTU + TOOLKIT, "", "ubuntu"),
        (UBUNTU + NVIDIA, "", "mixed"),
        (UBUNTU, "runfile=yes", "mixed"),
        ("", "runfile=yes", "runfile"),
    ],
)
def test_route(packages: str, more: str, route: str) -> None:
    assert read_facts(h200(packages=packages, more=more)).driver.route == route


def test_mismatch() -> None:
    message = (
        "smi=yes\ngpu=Failed to initialize NVML: Driver/library version mismatch\nexit=18\n"
        "loaded=580.95.05\n"
    )
    driver = read_facts(answers(nvidia=message)).driver
    assert (driver.smi, driver.mismatch, driver.version) == ("failed", True, "580.95.05")


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("gpu=No devices were found\nexit=6\n", "No devices were found"),
        ("exit=124\n", "no answer within 60 s"),
        ("exit=9\n", "exit code 9"),
    ],
)
def test_what_nvidia_smi_prints_when_it_fails(message: str, error: str) -> None:
    driver = read_facts(answers(nvidia=f"smi=yes\n{message}loaded=580.95.05\n")).driver
    assert (driver.smi, driver.error, driver.mismatch) == ("failed", error, False)


def test_old_driver_without_capability_column() -> None:
    row = "gpu=0, A100, GPU-1, 470.10, 81920, 0, 00000000:00:06.0, Enabled\nexit=0\nsmi=yes\n"
    pci = "device=0000:00:06.0 030200 20b2 nvidia\n"
    assert read_facts(answers(nvidia=row, pci=pci)).gpus[0].capability == "8.0"


def test_pci_kinds() -> None:
    pci = "device=0000:05:00.0 068000 1af1 nvidia\ndevice=0000:06:00.1 040300 10f0 \nbus=yes\n"
    facts = read_facts(answers(pci=pci))
    assert [device.kind for device in facts.pci] == ["nvswitch", "other"]
    assert facts.nvswitch


@pytest.mark.parametrize(
    ("images", "newer"),
    [
        (("6.8.0-45-generic", "6.8.0-90-generic", "6.8.0-99-generic"), "6.8.0-99-generic"),
        (("6.8.0-90-generic", "6.17.0-5-aws"), ""),
        (("6.8.0-99-generic",), ""),
    ],
)
def test_newer_kernel(images: tuple[str, ...], newer: str) -> None:
    reported = "release=6.8.0-90-generic\n" + "".join(f"image={image}\n" for image in images)
    assert read_facts(answers(kernel=reported)).kernel.newer == newer


def test_packages() -> None:
    reported = (
        "hold=nvidia-utils\nunfinished=libc6\njournal=0001\n"
        "lock=/var/lib/dpkg/lock-frontend 812 unattended-upgr\n"
    )
    packages = read_facts(answers(packages=reported)).packages
    assert packages.locks == (AptLock("/var/lib/dpkg/lock-frontend", 812, "unattended-upgr"),)
    assert packages.unattended_running
    assert packages.journal
    assert packages.unfinished == ("libc6",)


def test_xid() -> None:
    line = "[ 12.3] NVRM: Xid (PCI:0000:3b:00): 79, pid=1, GPU has fallen off the bus."
    (xid,) = read_facts(answers(kernel_log=f"line={line}\n")).kernel_log.xids
    assert (xid.code, xid.pci) == (79, "0000:3b:00")


@pytest.mark.parametrize(
    ("dmesg", "journalctl", "readable", "lines"),
    [
        ("seq -f 'NVRM: %.0f' 70", "exit 9", True, 60),
        ("echo other", "exit 9", True, 0),
        ("exit 1", "echo nouveau: a fault", True, 1),
        ("exit 1", "exit 0", True, 0),
        ("exit 1", "exit 1", False, 0),
    ],
)
def test_kernel_log_is_read_from_the_journal_where_dmesg_is_refused(
    tmp_path: Path, dmesg: str, journalctl: str, readable: bool, lines: int
) -> None:
    for name, text in (("dmesg", dmesg), ("journalctl", journalctl)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    done = shell(f"PATH={tmp_path}:$PATH\n{PROBES['kernel_log']}")
    assert read_facts(answers(kernel_log=done.stdout)).kernel_log.readable == readable
    assert done.stdout.count("line=") == lines
    assert done.stdout.endswith("line=NVRM: 70\n") == (lines == 60)


def test_the_holder_of_a_lock_of_apt(tmp_path: Path) -> None:
    for name in ("lock-frontend", "lock"):
        (tmp_path / name).touch()
    with (tmp_path / "lock-frontend").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        done = shell(PROBES["packages"].replace("/var/lib/dpkg", str(tmp_path)))
    (held,) = read_facts(answers(packages=done.stdout)).packages.locks
    assert (held.path, held.pid) == (str(tmp_path / "lock-frontend"), os.getpid())
    assert held.process


def test_listeners_without_ss() -> None:
    reported = "tcp=0100007F:1F40 onecard\ntcp=00000000000000000000000001000000:0016\n"
    assert read_facts(answers(network=reported)).network.listeners == (
        Listener("::1", 22),
        Listener("127.0.0.1", 8000, user="onecard"),
    )


def test_units_and_clock() -> None:
    reported = (
        "epoch=1000\nsystemd=yes\nVersion=255.4-1ubuntu8.15\nVirtualization=kvm\n"
        "SystemState=degraded\nvm=kvm\nId=nvidia-fabricmanager.service\nLoadState=loaded\n"
        "ActiveState=active\nUnitFileState=enabled\n\nId=apt-daily.service\nLoadState=not-found\n"
    )
    machine = read_facts(answers(system=reported, python="synchronised=no\n"), now=400.0).machine
    assert (machine.clock_skew, machine.synchronised) == (600.0, False)
    assert (machine.systemd_version, machine.state) == ("255", "degraded")
    assert (machine.container.kind, machine.container.vm) == ("", "kvm")
    assert machine.units["nvidia-fabricmanager.service"].active == "active"
    assert not machine.units["apt-daily.service"].found


# /proc/mounts as a virtual machine, a container and a rental's network volume have it.
MOUNTS = """\
/dev/vda1 / ext4 rw,relatime 0 0
/dev/vda1 /etc/hosts ext4 rw,relatime 0 0
/dev/vdb1 {folder}/hostname ext4 rw,relatime 0 0
/dev/vdb1 {folder}/a\\040disk ext4 rw,relatime 0 0
/dev/vdb1 {folder}/again ext4 rw,relatime 0 0
mfs#mfs.example:9421 {folder}/workspace fuse rw,relatime 0 0
10.0.0.1:/export {folder}/nfs nfs4 ro,relatime 0 0
overlay /var/lib/docker/overlay2/x/merged overlay rw,relatime 0 0
/dev/vdc1 /var/lib/docker/volumes/x ext4 rw,relatime 0 0
/dev/loop1 {folder}/snap squashfs ro,relatime 0 0
lxcfs {folder}/lxcfs fuse.lxcfs rw,relatime 0 0
fusectl {folder}/fusectl fusectl rw,relatime 0 0
tmpfs {folder}/tmpfs tmpfs rw,relatime 0 0
"""


def test_every_real_mount(tmp_path: Path) -> None:
    for name in ("a disk", "again", "workspace", "nfs", "snap", "lxcfs", "fusectl", "tmpfs"):
        (tmp_path / name).mkdir()
    (tmp_path / "hostname").touch()
    (tmp_path / "mounts").write_text(MOUNTS.format(folder=tmp_path))
    done = shell(PROBES["disks"].replace("/proc/mounts", str(tmp_path / "mounts")))
    reported = [disk.path for disk in read_facts(answers(disks=done.stdout)).disks]
    assert reported[:4] == ["/", "/opt", "/var", "/var/lib"]
    assert reported[7:] == [str(tmp_path / name) for name in ("a disk", "workspace", "nfs")]
    assert f"read_only={tmp_path}/nfs" in done.stdout


def test_a_disk_whose_inodes_are_not_reported() -> None:
    reported = (
        "path=/\nblocks=/dev/sda1 1048576 0 524288 50% /\ninodes=\n"
        "path=/data\nblocks=/dev/sdb1 2097152 0 1048576 50% /data\ninodes=/dev/sdb1 9 4 5 50% /data\n"
    )
    root, data = read_facts(answers(disks=reported)).disks
    assert (root.free_gib, root.inodes_total) == (0.5, 0)
    assert (data.mount, data.free_gib, data.inodes_free) == ("/data", 1.0, 5)


def test_probes_answer_here() -> None:
    done = subprocess.run(
        ["sh", "-s"], input=compose(PROBES), capture_output=True, text=True, timeout=60, check=True
    )
    found = parse(done.stdout, PROBES)
    assert {name: answer.code for name, answer in found.items()} == dict.fromkeys(PROBES, 0)
    assert read_facts(found).kernel.release


def test_the_probes_start_few_programs(tmp_path: Path) -> None:
    """Each program is counted by a wrapper; shell that only forks is not."""
    log = tmp_path / "log"
    names = set(re.findall(r"[a-z][a-z0-9-]+", "\n".join(PROBES.values())))
    builtins = {"test", "printf", "echo", "true", "kill", "pwd", "time"}
    programs = {name: shutil.which(name) for name in names - builtins}
    for name, program in {**programs, "python3": sys.executable}.items():
        if program:
            wrapper = tmp_path / name
            wrapper.write_text(f'#!/bin/sh\necho {name} >>{log}\nexec {program} "$@"\n')
            wrapper.chmod(0o755)
    shell(f"PATH={tmp_path}:$PATH\n{compose(PROBES)}")
    started = Counter(log.read_text().split())
    assert started["python3"] == 1
    assert sum(started.values()) <= 40, started


def test_a_dead_network_mount_costs_only_its_own_sizes(tmp_path: Path) -> None:
    """df hangs as soon as it meets that mount: each other path is then probed by itself."""
    mounts = ["/dev/a /srv ext4 rw 0 0", f"server:/x {tmp_path} nfs4 rw 0 0"]
    (tmp_path / "mounts").write_text("\n".join(mounts) + "\n")
    df = tmp_path / "df"
    df.write_text(
        f'#!/bin/sh\nfor path; do [ "$path" != {tmp_path} ] || exec sleep 20; done\nexec {shutil.which("df")} "$@"\n'
    )
    df.chmod(0o755)
    script = PROBES["disks"].replace("/proc/mounts", str(tmp_path / "mounts"))
    started = time.monotonic()
    done = shell(f"PATH={tmp_path}:$PATH\n" + script.replace("-s KILL 5", "-s KILL 0.5"))
    assert time.monotonic() - started < 10
    paths = [disk.path for disk in read_facts(answers(disks=done.stdout)).disks]
    assert str(tmp_path) not in paths
    assert {"/", "/opt", "/tmp", "/srv"} <= set(paths)


def test_the_sizes_of_all_paths_and_mounts_take_two_runs_of_df(tmp_path: Path) -> None:
    df = tmp_path / "df"
    df.write_text(f'#!/bin/sh\necho run >>{tmp_path}/runs\nexec {shutil.which("df")} "$@"\n')
    df.chmod(0o755)
    shell(f"PATH={tmp_path}:$PATH\n" + PROBES["disks"])
    assert len((tmp_path / "runs").read_text().split()) == 2
