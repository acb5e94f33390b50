"""Checks, one row for each way that a box can be wrong."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from rich.console import Console

from onecard.doctor import (
    blockers,
    checkup,
    preflight,
    print_checks,
    print_facts,
    serving,
    to_json,
)
from onecard.facts import (
    AptLock,
    Container,
    Disk,
    Driver,
    Facts,
    GpuProcess,
    KernelLog,
    Listener,
    Package,
    PciDevice,
    Unit,
    Xid,
)
from onecard.settings.settings import Settings
from tests.support.facts_support import A100, CARD, box, working
from tests.support.pods import pod

SWITCH = PciDevice("0000:05:00.0", "nvswitch", "1af1")
GOOD = working("580.95.05")
LOCK = AptLock("/var/lib/dpkg/lock-frontend", 812, "unattended-upgr")
FULL = (Disk("/opt", "/", 20.0, 3.0), Disk("/var/lib", "/", 20.0, 3.0))
CLOSED = (Disk("/opt", "/opt", 200.0, 150.0, read_only=True),)
UNIT = Unit("nvidia-fabricmanager.service", "inactive", "disabled", True)
RUNNING = {"units": {UNIT.name: dataclasses.replace(UNIT, active="active")}}
MANAGED = dataclasses.replace(GOOD, fabric_manager="580.95.05")
OTHER_MANAGER = dataclasses.replace(GOOD, fabric_manager="580.82.07")
FOREIGN = working("580.95.05", "foreign")
UTILS = {"nvidia": (Package("nvidia-utils-580-server", "580.95.05-0ubuntu1", "ubuntu"),)}
DOCKER = {"container": Container("docker")}
PRIVILEGED = DOCKER | {"capabilities": ("SYS_ADMIN",)}
NOT_KEPT = dataclasses.replace(CARD, persistence=False)
UTILS_LOOSE = {
    "unattended": True,
    "nvidia": (Package("nvidia-driver-580-server", "580.95.05-0ubuntu1", "ubuntu"),),
}
MIG = dataclasses.replace(CARD, mig=True)

# The boxes of the rows are made up, each the plain one with one thing wrong. Where the rules are from:
SOURCES = {
    "system": "the releases that the roles know",
    "architecture": "vLLM's installation guide: wheels for x86_64, and for aarch64 with less in them",
    "root": "what apt, systemd and the driver ask for",
    "systemd": "the server is a unit, or a program of supervisord",
    "machine": "systemd-detect-virt(1)",
    "clock": "apt-secure(8), Valid-Until; TLS certificates' validity; 300 s is ours",
    "disk": "our estimate of an environment of vLLM: 15 GiB with CUDA, 100,000 files",
    "writable": "mount(8)",
    "memory": "our estimate of vLLM's processes",
    "dpkg": "apt's own message: dpkg was interrupted, you must manually run dpkg --configure -a",
    "apt lock": "apt.conf(5), DPkg::Lock::Timeout",
    "network": "resolv.conf(5)",
    "port": "vllm serve --port",
    "gpu": "the PCI ID database, vendor 10de",
    "driver": "fixtures/driver",
    "build": "test_cuda_match.py",
    "nouveau": "NVIDIA's README, Installing the NVIDIA Driver",
    "fabric manager": "NVIDIA, Fabric Manager User Guide; CUDA error 802, system not yet initialized",
    "mig": "NVIDIA, MIG User Guide",
    "xid": "NVIDIA, XID Errors",
    "ecc": "nvidia-smi(1), ecc.errors.uncorrected",
    "gpu memory": "nvidia-smi(1), --query-compute-apps",
    "persistence": "NVIDIA, Driver Persistence",
    "reboot": "update-notifier's /run/reboot-required; the kernels in /boot",
    "headers": "DKMS; GoogleCloudDataproc/initialization-actions issue 1084",
    "upgrades": "NVIDIA/ubuntu-packaging-nvidia-driver issue 3",
    "python": "Triton compiles against Python.h; Debian's python3-venv",
    "cloud-init": "cloud-init status(1)",
    "shared memory": "NCCL's user guide, /dev/shm; vllm/distributed/device_communicators/shm_broadcast.py",
    "processors": "vLLM, Optimization and Tuning: 2 + N cores",
}

PREFLIGHT: list[tuple[dict[str, Any], str, str]] = [
    ({"os": {"id": "ubuntu", "version": "20.04"}}, "system", "blocker"),
    ({"os": {"id": "alpine", "version": "3.20"}}, "system", "blocker"),
    ({"os": {"id": "debian", "version": "11"}}, "system", "ok"),
    ({"kernel": {"arch": "aarch64"}}, "architecture", "warning"),
    ({"kernel": {"arch": "riscv64"}}, "architecture", "blocker"),
    ({"machine": {"root": ""}}, "root", "blocker"),
    ({"machine": {"root": "sudo"}}, "root", "ok"),
    ({"machine": {"systemd": False}}, "systemd", "ok"),
    ({"machine": {"forbidden": ("packages",)}}, "system", "blocker"),
    ({"machine": {"container": Container("docker")}}, "machine", "ok"),
    ({"machine": {"clock_skew": -301.0}}, "clock", "blocker"),
    ({"machine": {"synchronised": False}}, "clock", "warning"),
    ({"machine": {"synchronised": False, "container": Container("lxc")}}, "clock", "ok"),
    ({"disks": FULL}, "disk", "blocker"),
    ({"disks": CLOSED}, "writable", "blocker"),
    ({"memory": {"total_gib": 8.0}}, "memory", "blocker"),
    ({"memory": {"total_gib": 4.0, "limit_gib": 4.0}}, "memory", "blocker"),
    ({"packages": {"journal": True}}, "dpkg", "warning"),
    ({"packages": {"journal": True, "locks": (LOCK,)}}, "dpkg", "ok"),
    ({"packages": {"locks": (LOCK,)}}, "apt lock", "warning"),
    ({"network": {"default_route": ""}}, "network", "warning"),
    ({"network": {"listeners": (Listener("0.0.0.0", 8000, "nginx", 1),)}}, "port", "warning"),
    ({"network": {"listeners": (Listener("0.0.0.0", 8000, "vllm", 1),)}}, "port", "ok"),
    ({"pci": ()}, "gpu", "blocker"),
    ({"driver": Driver(route="mixed", routes=("nvidia", "ubuntu"))}, "driver", "blocker"),
    ({}, "driver", "warning"),
    ({"driver": GOOD, "gpus": (CARD,)}, "driver", "ok"),
    ({"driver": Driver(nouveau_loaded=True)}, "nouveau", "warning"),
    ({"pci": (A100, SWITCH), "driver": GOOD, "gpus": (CARD,)}, "fabric manager", "blocker"),
    ({"pci": (A100, SWITCH), "driver": OTHER_MANAGER, "gpus": (CARD,)}, "fabric manager", "blocker"),
    ({"pci": (A100, SWITCH), "driver": MANAGED, "machine": RUNNING}, "fabric manager", "ok"),
    # provision brings it
    ({"pci": (A100, SWITCH), "driver": GOOD, "gpus": (CARD,), "packages": UTILS}, "fabric manager", "warning"),
    ({"pci": (A100, SWITCH), "driver": FOREIGN, "gpus": (CARD,)}, "fabric manager", "blocker"),
    ({"pci": (A100, SWITCH), "driver": FOREIGN, "gpus": (CARD,), "machine": DOCKER}, "fabric manager", "ok"),
    ({"machine": {"units": {UNIT.name: UNIT}}}, "fabric manager", "ok"),
    ({"gpus": (MIG,), "driver": GOOD}, "mig", "blocker"),
    ({"gpus": (dataclasses.replace(MIG, mig_devices=("1g.10gb MIG-a",)),)}, "mig", "warning"),
    ({"driver": dataclasses.replace(GOOD, smi="failed", error="No devices were found")}, "driver", "blocker"),
]  # fmt: skip

CHECKUP: list[tuple[dict[str, Any], str, str]] = [
    ({"kernel_log": KernelLog((Xid(79, "0000:3b:00", ""),))}, "xid", "warning"),
    ({"kernel_log": KernelLog((Xid(31, "0000:3b:00", ""),))}, "xid", "ok"),
    ({"gpus": (dataclasses.replace(CARD, ecc_errors=2),)}, "ecc", "warning"),
    ({"gpus": (dataclasses.replace(CARD, processes=(GpuProcess(7, "python3", 900),)),)}, "gpu memory", "warning"),
    ({"gpus": (dataclasses.replace(CARD, persistence=False),)}, "persistence", "warning"),
    ({"kernel": {"newer": "6.8.0-99-generic"}}, "reboot", "warning"),
    ({}, "headers", "warning"),
    ({"python": {"header": ""}}, "python", "warning"),
    ({"machine": {"cloud_init": "running"}}, "cloud-init", "warning"),
    ({"packages": {"unattended": True, "nvidia": (Package("nvidia-driver-580", "1"),)}}, "upgrades", "warning"),
    ({"memory": {"shm_gib": 0.06}}, "shared memory", "ok"),
    ({"memory": {"shm_gib": 0.06}, "gpus": (CARD, CARD)}, "shared memory", "warning"),
    ({"memory": {"cpus": 2, "host_cpus": 64}}, "processors", "warning"),
    ({"memory": {"cpus": 3, "host_cpus": 64}}, "processors", "ok"),
]  # fmt: skip


# What the fix of a check is, which depends on what provision would do there.
FIXES: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"pci": (A100, SWITCH), "driver": GOOD, "gpus": (CARD,), "packages": UTILS}, {},
     "fabric manager", "invoke provision"),
    ({"pci": (A100, SWITCH), "driver": FOREIGN, "gpus": (CARD,)}, {}, "fabric manager",
     "install nvidia-fabricmanager 580.95.05 the way that the driver came, then systemctl enable"),
    ({"pci": (A100, SWITCH), "driver": dataclasses.replace(FOREIGN, fabric_manager="580.95.05"),
      "gpus": (CARD,), "machine": {"units": {UNIT.name: UNIT}}}, {},
     "fabric manager", "systemctl enable --now nvidia-fabricmanager"),
    ({"pci": (A100, SWITCH), "driver": OTHER_MANAGER, "gpus": (CARD,), "packages": UTILS},
     {"source": "none"}, "fabric manager", "install nvidia-fabricmanager 580.95.05 "),
    ({"driver": GOOD, "gpus": (NOT_KEPT,)}, {}, "persistence", "invoke provision"),
    ({"driver": FOREIGN, "gpus": (NOT_KEPT,)}, {}, "persistence", "nvidia-smi -pm 1"),
    ({"driver": FOREIGN, "gpus": (NOT_KEPT,), "machine": DOCKER}, {}, "persistence",
     "it is the host's"),
    ({"driver": Driver(nouveau_loaded=True)}, {}, "nouveau", "invoke provision --reboot"),
    ({"driver": Driver(nouveau_loaded=True)}, {"source": "none"}, "nouveau",
     "echo blacklist nouveau "),
    ({"packages": UTILS_LOOSE, "driver": GOOD, "gpus": (CARD,)}, {}, "upgrades",
     "invoke provision"),
    ({"packages": UTILS_LOOSE, "driver": GOOD, "gpus": (CARD,)}, {"source": "none"}, "upgrades",
     "apt-mark hold nvidia-driver-580-server"),
    ({"os": {"id": "debian", "version": "12"}, "kernel": {"release": "6.1.0-18-cloud-amd64"}}, {},
     "headers", "apt-get install linux-headers-6.1.0-18-cloud-amd64; if apt no longer has them: "
     "apt-get install linux-image-cloud-amd64 linux-headers-cloud-amd64"),
    ({}, {}, "headers", "apt-get install linux-headers-6.8.0-90-generic; if apt no longer has "
     "them: apt-get install linux-image-generic linux-headers-generic"),
    ({"kernel": {"release": "6.18.44-custom"}}, {}, "headers",
     "apt-get install linux-headers-6.18.44-custom"),
    ({"memory": {"shm_gib": 0.06}, "gpus": (CARD, CARD), "machine": DOCKER}, {}, "shared memory",
     "create the pod with --shm-size=8g (a docker option of its template), or set "
     'serve.environment: {NCCL_SHM_DISABLE: "1", VLLM_MQ_MAX_CHUNK_BYTES_MB: "1"}'),
    ({"memory": {"shm_gib": 0.06}, "gpus": (CARD, CARD), "machine": PRIVILEGED}, {}, "shared memory",
     "mount -o remount,size=8G /dev/shm"),
    ({"machine": DOCKER | {"clock_skew": 301.0, "forbidden": ("clock",)}}, {}, "clock",
     "it is the host's"),
    ({"gpus": (MIG,), "driver": FOREIGN, "machine": DOCKER}, {}, "mig", "it is the host's"),
    ({"gpus": (CARD,), "driver": FOREIGN, "machine": DOCKER, "disks": FULL}, {}, "disk",
     "free space (apt-get clean) or create the pod with a larger disk"),
    ({"gpus": (dataclasses.replace(CARD, ecc_errors=2),), "driver": FOREIGN, "machine": DOCKER}, {},
     "ecc", "take a pod on another machine"),
]  # fmt: skip


def outcome(checks: tuple[Any, ...], name: str) -> Any:
    return next(check for check in checks if check.name == name)


@pytest.mark.parametrize(("change", "name", "status"), PREFLIGHT)
def test_preflight(change: dict[str, Any], name: str, status: str) -> None:
    check = outcome(preflight(box(**change), Settings()), name)
    assert check.status == status, check
    assert bool(check.fix) == (status != "ok")
    assert "\n" not in check.message + check.fix


@pytest.mark.parametrize(("change", "name", "status"), CHECKUP)
def test_checkup(change: dict[str, Any], name: str, status: str) -> None:
    check = outcome(checkup(box(**change), Settings()), name)
    assert check.status == status, check
    assert bool(check.fix) == (status != "ok")


@pytest.mark.parametrize(("change", "setting", "name", "fix"), FIXES)
def test_a_fix_repairs_what_it_names(
    change: dict[str, Any], setting: dict[str, Any], name: str, fix: str
) -> None:
    check = outcome(checkup(box(**change), Settings.model_validate({"driver": setting})), name)
    assert check.fix.startswith(fix)


def test_a_card_that_nvidia_smi_does_not_show_is_missed() -> None:
    second = dataclasses.replace(A100, address="0000:02:00.0")
    facts = box(driver=working("580.95.05"), gpus=(CARD,), pci=(A100, second))
    found = outcome(preflight(facts, Settings()), "gpu")
    assert (found.status, found.message) == (
        "warning",
        "2 cards on the PCI bus, nvidia-smi shows 1",
    )
    passed_on = dataclasses.replace(second, driver="vfio-pci")
    of_a_guest = dataclasses.replace(facts, pci=(A100, passed_on))
    docker = dataclasses.replace(facts.machine, container=Container(kind="docker"))
    in_a_pod = dataclasses.replace(facts, machine=docker)
    for fewer in (of_a_guest, in_a_pod):
        assert outcome(preflight(fewer, Settings()), "gpu").status == "ok"


def test_wsl_is_not_told_to_rent_a_card() -> None:
    facts = box(kernel={"release": "6.6.87.2-microsoft-standard-WSL2"}, pci=(), gpus=())
    assert "driver on Windows" in outcome(preflight(facts, Settings()), "gpu").fix


def test_every_rule_has_a_source() -> None:
    assert set(SOURCES) == {check.name for check in checkup(box(), Settings())}


def test_cpu_needs_no_card() -> None:
    settings = Settings(accelerator="cpu")
    facts = box(pci=(), memory={"total_gib": 8.0})
    assert blockers(preflight(facts, settings)) == ()
    assert not {"gpu", "driver"} & {check.name for check in checkup(facts, settings)}


def test_empty_facts_do_not_crash() -> None:
    assert blockers(checkup(Facts(), Settings()))


def screen(render: Callable[[Console], None], width: int) -> list[str]:
    out = io.StringIO()
    render(Console(file=out, width=width))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_one_screen(width: int) -> None:
    facts = box(
        driver=GOOD,
        gpus=tuple(dataclasses.replace(CARD, index=n, persistence=False) for n in range(8)),
    )
    checks = checkup(facts, Settings())
    for render in (partial(print_facts, facts), partial(print_checks, facts, checks)):
        lines = screen(render, width)
        assert len(lines) <= 50
        assert max(map(len, lines)) <= width
    reported = " ".join(" ".join(screen(partial(print_checks, facts, checks), width)).split())
    assert "persistence off fix: invoke provision" in reported
    assert reported.endswith("checks ok, 2 warnings")
    assert to_json(facts, checks)["checks"][0]["status"] == "ok"


def test_the_worst_comes_first() -> None:
    checks = checkup(box(os={"id": "alpine"}), Settings())
    words = [line.split()[0] for line in screen(partial(print_checks, box(), checks), 120)]
    assert words.index("blocker") < words.index("warning") < words.index("ok")


def test_the_facts_name_what_is_checked() -> None:
    running = Unit("nvidia-fabricmanager.service", "active", "enabled", True)
    facts = box(
        kernel={"secure_boot": True, "newer": "6.8.0-99-generic", "headers": True},
        pci=(A100, SWITCH),
        driver=dataclasses.replace(GOOD, cuda="13.0", open_module=True, fabric_manager="580.95.05"),
        gpus=(dataclasses.replace(CARD, ecc=True, processes=(GpuProcess(7, "python3", 900),)),),
        packages={"locks": (LOCK,), "unattended": True, "holds": ("a", "b", "c", "d")},
        network={"listeners": (Listener("::", 22, "sshd", 1), Listener("0.0.0.0", 22, "sshd", 1))},
        memory={"nofile_soft": 1024, "nofile_hard": 4096, "memlock_hard": 64, "shm_gib": 0.06},
        machine={"units": {running.name: running}},
        disks=(
            Disk("/opt", "/", 200.0, 150.0),
            Disk("/var/lib", "/", 200.0, 150.0),
            Disk("/boot", "/boot", 2.0, 1.0),
            Disk("/workspace", "/workspace", 1000.0, 900.0),
        ),
        kernel_log=KernelLog((Xid(79, "0000:3b:00", ""), Xid(31, "0000:3b:00", ""))),
    )
    reported = " ".join(" ".join(screen(partial(print_facts, facts), 120)).split())
    for part in (
        "kernel 6.8.0-90-generic x86_64, headers, Secure Boot on, 6.8.0-99-generic waits",
        "kvm virtual machine",
        "/dev/shm 0.1 GiB",
        "1024 open files, at most 4096; locked memory 64 KiB",
        "disk 150 of 200 GiB free, / (for /opt, /var/lib)",
        "disk 1 of 2 GiB free, /boot",
        "disk 900 of 1000 GiB free, /workspace",
        "listening: 22 sshd",
        "apt is held by unattended-upgr (812), unattended-upgrades on, held: a, b, c and 1 more",
        "3.12.3, with Python.h, venv",
        "580.95.05 (open module), CUDA 13.0, from ubuntu, NVSwitch, Fabric Manager 580.95.05 active",
        "persistence on, MIG off, ECC on",
        "python3 (7), 900 MiB",
        "Xid 2 in the kernel log, the last: 79, 31",
    ):
        assert part in reported, part
    bare = " ".join(" ".join(screen(partial(print_facts, box()), 120)).split())
    assert "GPU A100 SXM4 80GB at 0000:00:06.0, no driver" in bare


def test_the_servers_own_port_is_not_called_free() -> None:
    for listeners, message in (
        ((), "8000 is free"),
        ((Listener("127.0.0.1", 8000, "vllm", 7),), "8000 is the server's own"),
        # A container without ss knows the socket's owner alone.
        ((Listener("127.0.0.1", 8000, user="onecard"),), "8000 is the server's own"),
    ):
        facts = box(network={"listeners": listeners})
        (check,) = [one for one in preflight(facts, Settings()) if one.name == "port"]
        assert (check.status, check.message) == ("ok", message)


@pytest.mark.parametrize(
    ("serve", "status", "words"),
    [
        ({"tensor_parallel": 2}, "warning", "a server on several cards needs 1"),
        ({"tensor_parallel": 1}, "ok", "0.06 GiB"),
        ({"pipeline_parallel": 2, "tensor_parallel": 1}, "warning", "a server on several cards"),
        (
            {"environment": {"NCCL_SHM_DISABLE": "1", "VLLM_MQ_MAX_CHUNK_BYTES_MB": "1"}},
            "ok",
            "0.06 GiB",
        ),
        (
            {"tensor_parallel": 1, "mm_processor_cache_type": "shm"},
            "warning",
            "mm_processor_cache_type shm needs 4",
        ),
        (
            {"mm_processor_cache_type": "shm", "mm_processor_cache_gib": 0.5},
            "warning",
            "a server on several cards and mm_processor_cache_type shm needs 1.5",
        ),
    ],
)
def test_shared_memory_is_weighed_against_what_the_server_uses(
    serve: dict[str, Any], status: str, words: str
) -> None:
    facts = pod("vast-4090x2")
    settings = Settings.model_validate({"serve": {"tensor_parallel": "auto", **serve}})
    found = outcome(serving(facts, settings), "shared memory")
    assert (found.status, words in found.message) == (status, True), found
    assert bool(found.fix) == (status != "ok")


@pytest.mark.parametrize("name", ["runpod-a100", "vast-4090x2"])
def test_a_pod_is_not_told_to_be_a_virtual_machine(name: str) -> None:
    checks = checkup(pod(name), Settings())
    texts = " ".join(check.fix for check in checks)
    for word in ("virtual machine", "reboot", "modprobe", "timedatectl", "systemctl"):
        assert word not in texts, word
    assert outcome(checks, "systemd").message.endswith("supervisord runs the server")
    assert (
        "it forbids clock, firewall, modules, reboot, sysctl" in outcome(checks, "machine").message
    )
    assert not [check for check in blockers(checks) if check.name != "disk"]


def test_a_volume_whose_limit_df_does_not_show() -> None:
    check = outcome(checkup(pod("runpod-a100"), Settings()), "disk")
    assert check.status == "warning"
    assert check.message.startswith("/workspace shows its provider's whole storage (118784 GiB")
    assert outcome(checkup(pod("vast-4090x2"), Settings()), "disk").status == "ok"


def test_the_proxy_of_runpod_is_named() -> None:
    words = "its HTTP proxy ends a request after 100 s"
    assert words in outcome(checkup(pod("runpod-a100"), Settings()), "machine").message
    assert words not in outcome(checkup(pod("vast-4090x2"), Settings()), "machine").message
