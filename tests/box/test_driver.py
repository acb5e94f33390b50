"""The driver role on a real box: packages, holds, reboot. The GPU alone is a stand-in.

Three facts are put into the box's own: the cards on the PCI bus, that it is not a container, and a
kernel of Debian's. The packages come from a stand-in of NVIDIA's repository under their real names.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

import roles
from onecard.console.host_console import HostConsole, progress_console
from onecard.driver import packages
from onecard.engine import probing
from onecard.engine.host_report import HostReport
from onecard.errors import OnecardError, RebootNeededError
from onecard.facts import Container, Facts, PciDevice
from onecard.inventory.load import load
from onecard.inventory.override import override
from onecard.provision.host_run import HostRun
from onecard.ssh.login import connected, holder
from tests.box.conftest import Box, Controller
from tests.support.nvidia_repository import LATER, VERSION, Deb, build
from tests.support.web import serving_files

pytestmark = pytest.mark.box

CARDS = (
    PciDevice("0000:00:06.0", "gpu", "2236", "A10", "nvidia"),
    PciDevice("0000:05:00.0", "nvswitch", "1af1", "A100 NVSwitch"),
)
KERNEL = "6.1.0-18-amd64"
HELD = {"nvidia-open", "nvidia-fabricmanager", "nvidia-persistenced", "nvidia-driver-pinning-580"}
Provision = Callable[..., HostReport]


def with_cards(facts: Facts) -> Facts:
    machine = dataclasses.replace(facts.machine, container=Container(vm="kvm", kernel=True))
    kernel = dataclasses.replace(facts.kernel, release=KERNEL)
    return dataclasses.replace(facts, pci=CARDS, machine=machine, kernel=kernel)


@pytest.fixture(scope="module")
def repository(
    controller: Controller, box: Box, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("repository")
    address = load(controller.inventory).hosts["box1"].connection.address
    bridge = IPv4Network(f"{address}/24", strict=False)[1]
    system = box('. /etc/os-release; echo "$ID$VERSION_ID"').strip()
    with serving_files(folder, str(bridge)) as url:
        build(folder, url, KERNEL, system)
        yield url


@pytest.fixture(scope="module")
def clean(box: Box) -> Iterator[None]:
    yield
    box(
        "systemctl stop nvidia-fabricmanager nvidia-persistenced\n"
        "dpkg-query -W -f '${Package}\\n' '*nvidia*' cuda-keyring 'linux-headers-*' 2>/dev/null |"
        " xargs apt-get -q -y --allow-change-held-packages purge >/dev/null\n"
        "apt-get -q -y purge unattended-upgrades >/dev/null\n"
        "rm -rf /etc/apt/apt.conf.d/60onecard-driver /etc/modprobe.d/onecard-blacklist.conf"
        " /etc/systemd/system/nvidia-persistenced.service.d /var/lib/nvidia-stand-in"
        " /etc/systemd/system/multi-user.target.wants/nvidia-*"
        " /etc/apt/preferences.d/nvidia-driver-pinning\n"
        "systemctl daemon-reload; apt-get -q update >/dev/null"
    )


@pytest.fixture
def run(
    controller: Controller, repository: str, clean: None, monkeypatch: pytest.MonkeyPatch
) -> Provision:
    """Converge the roles base, driver and python, as provision does, on a box with a card."""
    read_facts: Any = probing.read_facts
    monkeypatch.setattr(probing, "read_facts", lambda *a, **k: with_cards(read_facts(*a, **k)))
    monkeypatch.setattr(packages, "REPOSITORY", repository)

    def run(*, check: bool = False, may_reboot: bool = False, **settings: object) -> HostReport:
        wanted = {name.replace("__", "."): value for name, value in settings.items()}
        box1 = load(controller.inventory).hosts["box1"]
        host = override(box1, {"accelerator": "nvidia"} | wanted, {})
        first = host.settings.model_copy(update={"roles": ("base", "driver", "python")})
        host = dataclasses.replace(host, settings=first)
        report = HostReport(host.name)
        console = HostConsole(progress_console(), host.name, show_plan=True)
        try:
            with connected(host, controller.inventory / "known_hosts") as opened:
                one = HostRun(
                    opened, controller.inventory, console, holder("provision"), may_reboot
                )
                one.converge(host, roles.provision, report, check=check)
        except OnecardError as error:
            report.error, report.exit_code = error.message, error.exit_code
            report.reboot_needed = isinstance(error, RebootNeededError)
        return report

    return run


def roles_of(report: HostReport) -> dict[str, tuple[int, int, int]]:
    return {role.name: (role.ok, role.changed, role.failed) for role in report.roles}


def upgraded(message: str) -> str:
    """Return the line in which unattended-upgrade lists what it would upgrade."""
    lines = [line for line in message.splitlines() if "Packages that will be upgraded:" in line]
    return lines[0] if lines else ""


def test_doctor(controller: Controller) -> None:
    reported = controller.json("doctor", "--host", "box1")
    checks = {check["name"]: check for check in reported["checks"]}
    assert checks["system"]["status"] == checks["systemd"]["status"] == "ok"
    assert checks["server"]["message"]
    mounts = {disk["path"]: disk["mount"] for disk in reported["facts"]["disks"]}
    assert mounts["/"] == "/"


def test_a_check_plans_the_driver_and_changes_nothing(run: Provision, box: Box) -> None:
    report = run(check=True)
    assert report.exit_code == 0
    pending = [entry["resource"] for entry in report.pending if entry["role"] == "driver"]
    assert pending[0] == "apt source cuda-keyring"
    assert "NVIDIA driver >= 580 loaded" in pending
    assert not [entry for entry in report.pending if entry["role"] == "python"]
    assert box("ls /etc/apt/sources.list.d/cuda.list 2>/dev/null; apt-mark showhold") == ""


def test_a_branch_that_does_not_exist_is_reported_before_anything_is_changed(
    run: Provision, box: Box
) -> None:
    state = "dpkg-query -W; find /etc -newer /etc/hostname -type f | sort; ls /tmp"
    before = box(state)
    report = run(driver__branch=999)
    assert report.exit_code == 1
    assert "apt's sources have no nvidia-driver-pinning-999; set driver.branch" in report.error
    assert report.changed == 0
    assert box(state) == before


def test_without_a_network_it_is_reported_in_a_line(run: Provision, box: Box) -> None:
    closed = 'Acquire::http::Proxy "http://127.0.0.1:9"; Acquire::Retries "0";'
    box(f"echo '{closed}' >/etc/apt/apt.conf.d/99test")
    try:
        report = run(packages=["tree"])
    finally:
        box("rm /etc/apt/apt.conf.d/99test")
    assert report.exit_code == 1
    assert report.error.startswith("base: apt ")
    assert "apt cannot reach its archive" in report.error
    assert "network and DNS" in report.error
    assert "\n" not in report.error


def test_without_leave_to_reboot_it_stops_there(run: Provision, box: Box) -> None:
    box("(apt-get -q update; apt-get -q -y install unattended-upgrades) >/dev/null")
    report = run()
    assert (report.exit_code, report.reboot_needed) == (1, True), report.error
    assert "has no such module yet; a reboot is needed; python wait" in report.error
    assert "--reboot" in report.error
    assert report.failed == 0
    assert roles_of(report)["python"] == (0, 0, 0)
    assert set(box("apt-mark showhold").split()) >= HELD
    assert box("dpkg-query -W -f '${Version}' nvidia-fabricmanager") == f"{VERSION}-1"
    assert box(f"dpkg-query -W -f '${{Status}}' linux-headers-{KERNEL}") == "install ok installed"
    assert "blacklist nouveau" in box("cat /etc/modprobe.d/onecard-blacklist.conf")


def test_unattended_upgrades_leaves_the_driver(run: Provision, box: Box) -> None:
    reported = box("apt-config dump Unattended-Upgrade::Package-Blacklist")
    assert '"nvidia"' in reported
    assert '"linux-(modules|objects|signatures)-nvidia"' in reported
    # A newer package lies ready. Where its source is allowed and it is not held, it is passed over
    # because of the file alone.
    anything = '#clear Unattended-Upgrade::Origins-Pattern;\nUnattended-Upgrade::Origins-Pattern { "site=*"; };'
    message = box(
        f"cd /etc/apt/apt.conf.d; echo '{anything}' >99test; apt-mark unhold nvidia-fabricmanager >/dev/null\n"
        "unattended-upgrade --dry-run --debug 2>&1; mv 60onecard-driver /run\n"
        "echo ==; unattended-upgrade --dry-run --debug 2>&1; mv /run/60onecard-driver .; rm 99test\n"
        "apt-mark hold nvidia-fabricmanager >/dev/null"
    )
    with_file, without_file = message.split("\n==\n")
    assert "Initial blacklist: nvidia libnvidia" in with_file
    assert "nvidia-fabricmanager" not in upgraded(with_file)
    assert "nvidia-fabricmanager" in upgraded(without_file)


def test_a_second_run_requires_the_reboot_again(run: Provision) -> None:
    report = run()
    assert (report.exit_code, report.reboot_needed, report.changed) == (1, True, 0)


def test_with_leave_to_reboot_it_goes_on_by_itself(run: Provision, box: Box) -> None:
    boot_id = box("cat /proc/sys/kernel/random/boot_id")
    report = run(may_reboot=True)
    assert (report.exit_code, report.error) == (0, "")
    assert box("cat /proc/sys/kernel/random/boot_id") != boot_id
    assert sum(roles_of(report)["python"][:2]) >= 5
    assert box("nvidia-smi --query-gpu=driver_version").strip() == VERSION
    assert box("nvidia-smi --query-gpu=persistence_mode").strip() == "Enabled"
    assert box("systemctl is-active nvidia-fabricmanager nvidia-persistenced").split() == [
        "active",
        "active",
    ]
    assert "multi-user.target" in box(
        "systemctl show nvidia-persistenced -p WantedBy; systemctl is-enabled nvidia-fabricmanager"
    )
    again = run(may_reboot=True)
    assert (again.status, again.changed, again.round_trips) == ("ok", 0, 2)


def test_a_later_branch_replaces_what_is_held(run: Provision, box: Box) -> None:
    report = run(may_reboot=True, driver__branch=590)
    assert (report.exit_code, report.error) == (0, "")
    assert box("nvidia-smi --query-gpu=driver_version").strip() == LATER
    versions = box(
        "dpkg-query -W -f '${Package} ${Version} ${Status}\\n' '*nvidia*' | grep ' installed$'"
    )
    assert set(versions.splitlines()) == {
        "nvidia-driver-pinning-590 590-1 hold ok installed",
        f"nvidia-fabricmanager {LATER}-1 hold ok installed",
        f"nvidia-open {LATER}-1 hold ok installed",
        f"nvidia-persistenced {LATER}-1 hold ok installed",
    }
    again = run(may_reboot=True, driver__branch=590)
    assert (again.status, again.changed, again.round_trips) == ("ok", 0, 2)


def test_a_mixed_install_is_a_blocker_that_reports_how_to_clean_up(
    run: Provision, box: Box, tmp_path: Path
) -> None:
    deb = Deb(
        "nvidia-utils-580-server",
        maintainer="Ubuntu Core Developers <ubuntu-devel-discuss@lists.ubuntu.com>",
    ).build(tmp_path)
    encoded = base64.encodebytes(deb.read_bytes()).decode()
    box(f"base64 -d >/run/utils.deb <<'@end'\n{encoded}@end\ndpkg -i /run/utils.deb >/dev/null")
    try:
        report = run()
    finally:
        box("dpkg --purge nvidia-utils-580-server >/dev/null")
    assert report.exit_code == 1
    assert report.error.startswith("driver installed by two routes (nvidia, ubuntu); ")
    assert "apt-get purge" in report.error
    assert "(nothing was changed)" in report.error
