"""The base tree: made by debootstrap once and cached; every box is a copy of it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from pathlib import Path

from onecard.errors import SandboxError
from onecard.sandbox.common.certificates import added
from onecard.sandbox.common.controller import BUNDLE, Controller
from onecard.sandbox.common.furnish import PACKAGES, SETUP, certificate_files
from onecard.sandbox.common.sources import Source, main_source
from onecard.sandbox.common.system import Say, environment, remove_tree, run
from onecard.sandbox.common.tree import write_files

_PHASES = {"Retrieving": "downloading", "Extracting": "extracting", "Unpacking": "unpacking",
           "Configuring": "configuring"}  # fmt: skip
_PROGRESS = re.compile(r"^I: (Retrieving|Extracting|Unpacking|Configuring)\b")


def base_folder(cache: Path, controller: Controller) -> Path:
    """Return the folder of the base tree of this controller's release and settings."""
    source = _source(controller)
    what = "\n".join([*PACKAGES, SETUP, *source.uris, *source.components, controller.bundle])
    digest = hashlib.sha256(what.encode()).hexdigest()[:8]
    return cache / f"base-{controller.codename}-{controller.architecture}-{digest}"


def ensure_base(cache: Path, controller: Controller, say: Say) -> Path:
    """Return the base tree; build it first if needed.

    It is built in another folder and renamed, so that a tree with this name is always complete.
    """
    base = base_folder(cache, controller)
    if base.is_dir():
        return base
    cache.mkdir(parents=True, exist_ok=True)
    for leftover in cache.glob("building-base-*"):
        remove_tree(leftover)
    building = cache / f"building-{base.name}"
    started = time.monotonic()
    say(f"sandbox: building the base tree {controller.codename} {controller.architecture}, once")
    try:
        _debootstrap(building, controller, say, started)
        _set_up(building, controller)
        building.rename(base)
    except BaseException:
        remove_tree(building)
        raise
    say(f"sandbox: base tree ready ({time.monotonic() - started:.1f} s)")
    return base


def debootstrap_command(target: Path, controller: Controller, source: Source) -> list[str]:
    """Return debootstrap's argv for the controller's own release and archive."""
    command = [
        "debootstrap", "--variant=minbase", f"--arch={controller.architecture}",
        f"--include={','.join(PACKAGES)}", f"--components={','.join(source.components)}",
    ]  # fmt: skip
    if source.trusted:
        command.append("--no-check-gpg")
    elif source.keyring in controller.files:
        command.append(f"--keyring={source.keyring}")
    return [*command, controller.codename, str(target), source.uris[0]]


def _source(controller: Controller) -> Source:
    source = main_source(controller.sources, controller.codename)
    if source is None:
        raise SandboxError(
            f"/etc/apt names no archive of {controller.codename} main: add one, the sandbox "
            "builds its boxes from it"
        )
    return source


def _debootstrap(target: Path, controller: Controller, say: Say, started: float) -> None:
    proxy = re.search(r'^Acquire::http::Proxy "(.+)";', controller.apt_settings, re.MULTILINE)
    extra = {"http_proxy": proxy[1]} if proxy else {}
    process = subprocess.Popen(
        debootstrap_command(target, controller, _source(controller)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment(), **extra},
    )
    tail: list[str] = []
    phase = ""
    try:
        for line in process.stdout or ():
            tail = [*tail[-20:], line.rstrip()]
            match = _PROGRESS.match(line)
            if match and _PHASES[match[1]] != phase:
                phase = _PHASES[match[1]]
                say(f"sandbox: base tree: {phase} packages ({time.monotonic() - started:.1f} s)")
    except BaseException:
        process.terminate()
        raise
    finally:
        process.wait()
    if process.returncode != 0:
        raise SandboxError(
            f"debootstrap could not build {controller.codename}", detail="\n".join(tail)
        )


def _set_up(root: Path, controller: Controller) -> None:
    own = (root / BUNDLE.lstrip("/")).read_text()
    extra = certificate_files(added(controller.bundle, own))
    write_files(root, extra)
    update = "update-ca-certificates\n" if extra else ""
    # debootstrap copies the controller's name servers and host name; a box gets its own later.
    run(["chroot", root, "/bin/sh"], given=SETUP + update, extra={"HOME": "/root"})
    for name in ("etc/hostname", "etc/resolv.conf"):
        (root / name).unlink(missing_ok=True)
