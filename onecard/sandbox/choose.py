"""Which driver this computer can carry."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from onecard.errors import SandboxError
from onecard.sandbox.docker import DockerDriver, docker_answers
from onecard.sandbox.driver import Driver
from onecard.sandbox.nspawn import NspawnDriver
from onecard.sandbox.system import Say


def choose_driver(project: Path, inventory: Path, say: Say, cache: Path | None = None) -> Driver:
    """Return the nspawn driver for root on Linux, else Docker's when its engine answers.

    project: the clone, whose `.onecard/sandbox` holds the boxes. inventory: the folder to show
    them in. say: takes a line of progress. cache: where base trees and the pip cache lie; None
    for the project's own. Raises SandboxError when neither is possible.
    """
    if kind_of(sys.platform, os.geteuid(), docker_answers) == "nspawn":
        return NspawnDriver(project, inventory, say, cache)
    return DockerDriver(project, inventory, say, cache)


def kind_of(platform: str, user_id: int, docker: Callable[[], bool]) -> Literal["nspawn", "docker"]:
    """Return the kind of driver. `docker` is asked only where nspawn is impossible."""
    if platform == "linux" and user_id == 0:
        return "nspawn"
    if docker():
        return "docker"
    raise SandboxError(
        "the sandbox needs root on Debian or Ubuntu (run it with sudo), or a Docker engine that "
        "this user may use; neither is here"
    )
