"""Which sandbox driver this computer can run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from onecard.errors import SandboxError
from onecard.sandbox.common.backend import SandboxDriver
from onecard.sandbox.common.system import Say
from onecard.sandbox.docker.boxes import DockerDriver, docker_responds
from onecard.sandbox.nspawn.boxes import NspawnDriver


def choose_driver(
    project: Path, inventory: Path, say: Say, cache: Path | None = None
) -> SandboxDriver:
    """Return the nspawn driver for root on Linux, else Docker's when its engine responds.

    project: the clone, whose `.onecard/sandbox` holds the boxes. inventory: the folder to show
    them in. say: called with each progress line. cache: folder of base trees and the pip cache;
    None for the project's own. Raises SandboxError when neither is possible.
    """
    if kind_of(sys.platform, os.geteuid(), docker_responds) == "nspawn":
        return NspawnDriver(project, inventory, say, cache)
    return DockerDriver(project, inventory, say, cache)


def kind_of(platform: str, user_id: int, docker: Callable[[], bool]) -> Literal["nspawn", "docker"]:
    """Return the kind of driver. `docker` is called only where nspawn is not possible."""
    if platform == "linux" and user_id == 0:
        return "nspawn"
    if docker():
        return "docker"
    raise SandboxError(
        "the sandbox needs root on Debian or Ubuntu (run it with sudo), or a Docker engine that "
        "this user may use; neither is available"
    )
