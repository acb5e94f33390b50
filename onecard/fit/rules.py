"""Which vLLM's rules a plan follows: those of the build that `provision` installs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from onecard.errors import UsageError
from onecard.fit.engine import Engine, engine_for
from onecard.inventory import lock_files
from onecard.inventory.host import Host
from onecard.project import inventory_folder


@dataclass(frozen=True)
class Rules:
    """The rules of a vLLM, and where it is named.

    version: such as `0.26.0`; empty for the newest build, whose number is not known here.
    origin: for people, such as `inventory/locks/h100-1.yml` or `--vllm`.
    """

    version: str
    origin: str

    @property
    def engine(self) -> Engine:
        """Return the rules of that generation of vLLM."""
        return engine_for(self.version)

    def __str__(self) -> str:
        named = f"vLLM {self.version}" if self.version else self.engine.name
        return f"{named}, from {self.origin}"


def named_rules(version: str) -> Rules:
    """Return the rules of the flag `--vllm`. Raises UsageError for what is not a version."""
    if not re.match(r"\d+\.\d+", version):
        raise UsageError(f'--vllm: "{version}" is not a version such as 0.33.0')
    return Rules(version, "--vllm")


def host_rules(host: Host, installed: str = "") -> Rules:
    """Return the rules for a host: of its lock, else of what is installed, else of its channel.

    installed: vLLM's version on the box; empty where there is none, or it was not read.
    """
    if host.lock is not None:
        folder = inventory_folder()
        path = lock_files.path_of(folder, lock_files.owner(host)).relative_to(folder.parent)
        return Rules(host.lock.vllm, path.as_posix())
    if installed:
        return Rules(installed, f"the environment on {host.name}")
    build = host.settings.vllm
    if build.channel == "release" and build.version:
        return Rules(build.version, "the setting vllm.version")
    return Rules("", f"the setting vllm.channel: {build.channel}")
