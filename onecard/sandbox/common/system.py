"""Running the controller's own programs, waiting for conditions, removing trees."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from onecard.errors import SandboxError

Say = Callable[[str], None]

_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

# program -> its Debian package
PROGRAMS = {
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nft": "nftables",
    "ip": "iproute2",
    "nsenter": "util-linux",
}


def environment() -> dict[str, str]:
    """Return this process's environment, with LC_ALL=C and the sbin folders in PATH."""
    path = os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin")
    return {**os.environ, "LC_ALL": "C", "PATH": f"{path}:{_SBIN}"}


def run(
    command: Sequence[str | Path],
    *,
    given: str | bytes = "",
    timeout: float = 120.0,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Run a program and return its standard output.

    given: its standard input. timeout: seconds. extra: environment variables to add.
    Raises SandboxError when the program is missing, fails, or exceeds the timeout.
    """
    argv = [str(part) for part in command]
    try:
        done = subprocess.run(
            argv,
            input=given.encode() if isinstance(given, str) else given,
            capture_output=True,
            timeout=timeout,
            check=False,
            env={**environment(), **(extra or {})},
        )
    except FileNotFoundError as error:
        raise SandboxError(f"the sandbox needs the program {argv[0]!r}: install it") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"{argv[0]} did not finish within {timeout:.0f} s") from error
    if done.returncode != 0:
        raise SandboxError(
            f"{' '.join(argv[:3])} failed with exit code {done.returncode}",
            detail=(done.stderr or done.stdout).decode("utf-8", "replace")[-2000:].strip(),
        )
    return done.stdout.decode("utf-8", "replace")


def succeeds(command: Sequence[str | Path], *, timeout: float = 30.0) -> bool:
    """Return whether a program ends with exit code 0."""
    try:
        run(command, timeout=timeout)
    except SandboxError:
        return False
    return True


def install_missing_programs(say: Say) -> None:
    """Install, with apt, the programs that the nspawn driver needs and the controller lacks."""
    path = environment()["PATH"]
    missing = {
        package for program, package in PROGRAMS.items() if not shutil.which(program, path=path)
    }
    if not missing:
        return
    packages = sorted(missing)
    say(f"sandbox: installing {' '.join(packages)} on this computer with apt")
    started = time.monotonic()
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=600"]
    run([*apt, "update"], timeout=900, extra=quiet)
    run([*apt, "install", "-y", "--no-install-recommends", *packages], timeout=1800, extra=quiet)
    say(f"sandbox: installed {' '.join(packages)} ({time.monotonic() - started:.1f} s)")


def wait_until(condition: Callable[[], bool], seconds: float, interval: float = 0.1) -> bool:
    """Poll `condition` until it is true; return whether it became true within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True


def mounts_below(folder: Path, mountinfo: str | None = None) -> list[str]:
    """Return the mount points at or below `folder`, deepest first (proc(5), mountinfo field 5)."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    base = str(folder)
    points = [line.split(" ")[4].replace("\\040", " ") for line in text.splitlines()]
    below = [point for point in points if point == base or point.startswith(base + "/")]
    return sorted(below, key=len, reverse=True)


def remove_tree(folder: Path) -> None:
    """Unmount what is mounted below `folder` and delete it, never crossing into another mount."""
    if not folder.exists():
        return
    real = folder.resolve()
    for point in mounts_below(real):
        run(["umount", "--lazy", point])
    run(["rm", "-rf", "--one-file-system", real], timeout=3600)
