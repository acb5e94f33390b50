"""Damage to the environment, and disks that cannot take it, on the box with the real packages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.box.conftest import Box, Controller

pytestmark = pytest.mark.box

SITE = "/opt/onecard/current/lib/python3*/site-packages"
VENVS = "/opt/onecard/venvs"


@pytest.fixture
def whole(controller: Controller, box: Box, deployed: Any) -> Iterator[None]:
    """The environment is in order afterwards."""
    yield
    assert controller.invoke("provision", "--host", "box1").returncode == 0


def vllm(report: Any) -> list[str]:
    """Return what a plan would change of the environment."""
    (host,) = report["hosts"]
    return [
        text
        for each in host.get("pending", [])
        if each["role"] == "vllm"
        for text in each["changes"]
    ]


def test_a_half_deleted_environment_is_detected_and_built_again(
    controller: Controller, box: Box, whole: None
) -> None:
    pid = box("systemctl show vllm -p MainPID")
    box(f"mkdir /root/away; cd {SITE}; mv fastapi numpy openai PIL /root/away")
    (files,) = vllm(controller.json("plan", "--host", "box1"))
    assert files.startswith("files: fastapi 0.")
    assert " files are missing; numpy 2." in files
    doctor = controller.json("doctor", "--host", "box1")
    (found,) = [check for check in doctor["checks"] if check["name"] == "environment"]
    assert (found["status"], found["fix"]) == ("warning", "invoke provision")
    refused = controller.invoke("deploy", "--host", "box1")
    assert refused.returncode == 1
    assert "the environment is damaged: fastapi 0." in refused.stderr
    assert "run: invoke provision --host box1" in refused.stderr
    assert box("systemctl show vllm -p MainPID") == pid

    (host,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (host["status"], host["changed"], host["failed"]) == ("changed", 1, 0)
    (again,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (again["changed"], again["round_trips"] <= 2) == (0, True)
    assert controller.invoke("deploy", "--host", "box1").returncode == 0
    restarted = controller.invoke("restart", "--host", "box1")  # the release of before
    assert restarted.returncode == 0, restarted.stderr
    assert box("systemctl show vllm -p MainPID") != pid
    box("rm -rf /root/away")


def test_a_file_that_is_damaged_in_the_cache_too_comes_from_the_index(
    controller: Controller, box: Box, whole: None
) -> None:
    version = f"{SITE}/openai/_version.py"
    assert int(box(f"stat -c %h {version}")) > 1  # it is one with the copy in the cache
    box(f"for each in {version}; do : >$each; done; rm /opt/onecard/tools/venv/bin/uv")
    (files,) = vllm(controller.json("plan", "--host", "box1"))
    assert "files have another size" in files
    (host,) = controller.json("provision", "--host", "box1")["hosts"]
    assert (host["status"], host["failed"]) == ("changed", 0)
    assert int(box(f"stat -c %s {version}")) > 0
    assert vllm(controller.json("plan", "--host", "box1")) == []


def test_a_new_environment_that_does_not_pass_stays_out(
    controller: Controller, box: Box, whole: None
) -> None:
    box(f"mv {SITE}/fastapi /root/; cd /usr/bin && mv cc cc.away && mv gcc gcc.away")
    before = box(f"ls -id {VENVS}/*")
    try:
        failed = controller.invoke("provision", "--host", "box1")
    finally:
        box("cd /usr/bin && mv cc.away cc && mv gcc.away gcc")
    assert failed.returncode == 1
    assert "no C compiler (cc) on the server's PATH" in failed.stderr
    assert box(f"ls -id {VENVS}/*") == before  # nothing was left beside it, either
    box(f"mv /root/fastapi {SITE}/")
    assert box("ls /opt/onecard/current/lock.yml").strip()
    assert vllm(controller.json("plan", "--host", "box1")) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            "size=300m",
            rf"no space left on {VENVS}: [0-9]+ MiB of 300 MiB free( now)?, about 6 GiB needed",
        ),
        ("nr_inodes=2000", f"no inodes left on {VENVS}: 0 free"),
        ("ro", rf"{VENVS} is on a read-only mount \({VENVS}\); mount -o remount,rw {VENVS}"),
    ],
)
def test_a_disk_that_cannot_take_it_is_named(
    controller: Controller, box: Box, whole: None, options: str, words: str
) -> None:
    box(f"mount -t tmpfs -o {options} none {VENVS}")
    try:
        failed = controller.invoke("provision", "--host", "box1")
        left = box(f"ls {VENVS}")
    finally:
        box(f"umount {VENVS}")
    assert failed.returncode == 1
    (line,) = [each for each in failed.stderr.splitlines() if each.startswith("error: ")]
    assert re.search(words, line), line
    assert left == ""


def test_a_release_that_cannot_be_written_names_its_disk(
    controller: Controller, box: Box, whole: None
) -> None:
    pid = box("systemctl show vllm -p MainPID")
    box("mount -t tmpfs -o nr_inodes=1 none /opt/onecard/releases")
    try:
        failed = controller.invoke("deploy", "--host", "box1", "--ctx", "2048")
    finally:
        box("umount /opt/onecard/releases")
    assert failed.returncode == 1
    assert "no inodes left on /opt/onecard/releases: 0 free" in failed.stderr
    assert box("systemctl show vllm -p MainPID") == pid
