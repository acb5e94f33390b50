"""A full disk, no inodes, a quota, a read-only mount: what a box printed -> what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onecard.errors import CommandError, DriftError, FailedStep, OnecardError
from onecard.ssh.disk_space import DISK_PROBE, explain, read_mounts, with_disk_reason
from tests.support.engine_run import Marker, Run
from tests.support.local_pipe import LocalBox
from tests.support.on_shell import shell

APT = Path(__file__).parents[1] / "fixtures" / "apt" / "no-space-to-unpack.txt"

# As df and /proc/mounts reported of a box with environments on a mount of their own.
MOUNTS = """\
blocks=/dev/vda         264212084 49212468  57178444      47% /
blocks=tmpfs              2468368      192   2468176       1% /dev/shm
blocks=devpts                   0        0         0        - /dev/pts
blocks=tmpfs              4936732       72   4936660       1% /run
blocks=none                307200   307196         4     100% /opt/onecard/venvs
blocks=none                307200        4    307196       1% /opt/onecard/models
blocks=none                  1024        0      1024       0% /mnt/a disk
inodes=/dev/vda       16777216 935827 15841389    6% /
inodes=none               2000   2000        0  100% /opt/onecard/models
inodes=tmpfs                 0      0        0     - /run
read_only=/mnt/a disk
read_only=/proc/sys
"""
IN_ORDER = MOUNTS.replace("307200   307196         4", "307200        4    307196").replace(
    "2000   2000        0", "2000      1     1999"
)

UV_FULL = """\
  cause: failed to copy file from /opt/onecard/uv-cache/archive-v0/ZJ3/torch/c10_intrusive_ptr_test to /opt/onecard/venvs/02ffdadc74b_/lib/python3.11/site-packages/torch/test/.tmpsfaO4W: No space left on device (os error 28)
Using Python 3.11.2 environment at: /opt/onecard/venvs/02ffdadc74b_
error: Request failed after 3 retries in 7.7s
  cause: Failed to fetch: https://download.pytorch.org/whl/cpu/torchvision/
  cause: failed to lookup address information: Name or service not known
"""
UV_INODES = """\
  cause: Failed to copy to `/opt/onecard/models/v/lib/python3.11/site-packages/jmespath/compat.py`
  cause: No space left on device (os error 28) at path "/opt/onecard/models/v/lib/python3.11/site-packages/jmespath/.tmpDT2w8M"
"""
FULL = "no space left on /opt/onecard/venvs: 0 MiB of 300 MiB free"
NO_INODES = "no inodes left on /opt/onecard/models: 0 free"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (UV_FULL, FULL),
        (UV_INODES, NO_INODES),
        ("could not write /opt/onecard/venvs/x\ncat: write error: No space left on device", FULL),
        ("sh: 1: cannot create /opt/onecard/venvs/zzz: No space left on device", FULL),
        ("mkdir: cannot create directory '/opt/onecard/models/yyy': No space left on device", NO_INODES),
        ("OSError: [Errno 28] No space left on device", FULL),  # the one that is full
        ("serve: file /opt/onecard/models/x\nbase64: write error: No space left on device", NO_INODES),
        ("E: Write error - write (28: No space left on device)", FULL),
        ("tar: /run/x: Cannot write: No space left on device", "no space left on /run: 4.7 GiB of"),
        ("connection refused", FULL),  # nothing said, and yet a place of ours is full
        (
            "sh: 1: cannot create /mnt/t/zzz: Read-only file system",
            "/mnt/t/zzz is on a read-only mount (/); mount -o remount,rw /; if",
        ),
        (
            "chown: changing ownership of '/opt/onecard/venvs': Read-only file system",
            "/opt/onecard/venvs is on a read-only mount (/opt/onecard/venvs); mount -o remount,rw",
        ),
        (
            "Error: [Errno 30] Read-only file system: '/opt/onecard/models/v'",
            "/opt/onecard/models/v is on a read-only mount (/opt/onecard/models)",
        ),
        (
            "cp: error writing '/opt/onecard/uv-cache/x': Disk quota exceeded",
            "the disk quota is used up at /opt/onecard/uv-cache/x, although / has 54.5 GiB free; "
            "remove files, or have the quota raised",
        ),
        ("cat: write error: Disk quota exceeded", "the disk quota is used up; remove files"),
        ("error: failed to write (os error 122)", "the disk quota is used up; remove files"),
    ],
)  # fmt: skip
def test_explain(output: str, message: str) -> None:
    assert explain(output, read_mounts(MOUNTS)).startswith(message)


@pytest.mark.parametrize(
    "output",
    [
        "connection refused",
        # A container may not write the kernel's own files, which has nothing to do with a disk.
        "sysctl: setting key vm.swappiness, ignoring: Read-only file system",
        "sh: 1: cannot create /proc/sys/vm/swappiness: Read-only file system",
    ],
)
def test_no_disk_has_a_part_in_it(output: str) -> None:
    assert explain(output, read_mounts(IN_ORDER)) == ""


def test_what_was_freed_since_is_a_full_disk_all_the_same() -> None:
    mounts = read_mounts(IN_ORDER)
    assert explain(UV_FULL, mounts).startswith(
        "no space left on /opt/onecard/venvs: 300 MiB of 300 MiB free now"
    )
    message = explain("E: Write error - write (28: No space left on device)", mounts)
    assert message.startswith("no space left on /opt/onecard/venvs: 300 MiB of 300 MiB free now")
    assert explain(APT.read_text(), mounts).startswith("no space left on /: 54.5 GiB of 252.0 GiB")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "blocks=tmpfs                  4096        0      4096       0% /dev\n"
            "blocks=none                     64       64         0     100% /etc/sysctl.d",
            "no space left on /etc/sysctl.d: 0 MiB of 0 MiB free",
        ),
        (
            "blocks=none                  65536    32768     32768      50% /var/cache/apt",
            "no space left on /var/cache/apt: 32 MiB of 64 MiB free now",
        ),
        (
            "blocks=/dev/loop0            65536    65536         0     100% /snap/core\n"
            "read_only=/snap/core",
            "no space left on /opt/onecard/venvs: 300 MiB of 300 MiB free now",
        ),
    ],
)
def test_a_full_mount_outside_onecards_folders_is_found_without_a_path(
    line: str, message: str
) -> None:
    mounts = read_mounts(f"{IN_ORDER}{line}\n")
    output = "E: Write error - write (28: No space left on device)\nE: IO Error saving source cache"
    assert explain(output, mounts).startswith(message)
    assert explain("connection refused", mounts) == ""


def test_what_is_needed_is_reported_where_it_is_known() -> None:
    mounts = read_mounts(MOUNTS)
    assert "0 MiB of 300 MiB free, about 6 GiB needed; free room" in explain(UV_FULL, mounts, 6)
    assert "0 free, a virtual environment takes 100,000; del" in explain(UV_INODES, mounts, 6)


def test_mounts_are_read_from_this_computer() -> None:
    mounts = read_mounts(shell(DISK_PROBE).stdout)
    assert mounts["/"].total_gib > 0
    assert "/proc" not in mounts


def test_a_step_that_fails_has_looked_before_it_cleans_up(tmp_path: Path) -> None:
    class Heavy(Marker):
        needed_gib = 6

        def clean_up(self) -> str:
            return f"df -Pk / >/dev/null && rm {self.path}.part"

    part = tmp_path / "a.part"
    heavy = Heavy(tmp_path / "a", f"touch {part}; echo 'error: retries'; exit 1")
    with pytest.raises(CommandError, match="role0: marker a: retries") as failed:
        Run(tmp_path)([heavy])
    step = failed.value.step
    assert step is not None
    assert (step.name, step.needed_gib, part.exists()) == ("role0: marker a", 6, False)
    assert step.output.splitlines()[-1] == "error: retries"
    assert "/" in read_mounts(step.disks)


def test_only_a_step_that_fails_is_cleaned_up_after(tmp_path: Path) -> None:
    class Heavy(Marker):
        def clean_up(self) -> str:
            return f"rm {self.path}"

    heavy = Heavy(tmp_path / "a")
    Run(tmp_path)([heavy])
    assert heavy.path.exists()


@pytest.mark.parametrize("kind", [CommandError, DriftError])
def test_the_error_names_the_disk_and_includes_the_output(
    kind: type[OnecardError], tmp_path: Path
) -> None:
    box = LocalBox(tmp_path)
    session = box.session()
    try:
        step = FailedStep("vllm: environment /v", UV_FULL, MOUNTS, 6)
        error = with_disk_reason(
            kind("vllm: environment /v: Request failed", "more", step=step), session
        )
        requested = session.round_trips
        written = with_disk_reason(
            CommandError("could not write /x", "Disk quota exceeded"), session
        )
        running = CommandError("given up", "No space left on device", timed_out=True)
        assert with_disk_reason(running, session) is running
    finally:
        box.close()
    assert type(error) is kind
    assert error.message.startswith(f"vllm: environment /v: {FULL}, about 6 GiB needed")
    assert error.detail == "vllm: environment /v: Request failed\nmore"
    assert requested == 0
    assert written.message.startswith("the disk quota is used up")
    assert session.round_trips == 1


def test_a_full_disk_that_nobody_spoke_of_is_added(tmp_path: Path) -> None:
    box = LocalBox(tmp_path)
    try:
        step = FailedStep("python: uv", "error: Request failed", MOUNTS)
        error = with_disk_reason(
            CommandError("python: uv: Request failed", step=step), box.session()
        )
    finally:
        box.close()
    assert error.message.startswith(f"python: uv: Request failed; {FULL}")
