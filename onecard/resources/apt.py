"""Debian packages."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.resources.base import Differences, Resource, State
from onecard.script import Answer

# A box fresh from its provider often has unattended-upgrades at work: wait for it, never break in.
# Noninteractive: a package's question must not stop a run that nobody watches.
APT_GET = (
    "env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a apt-get -q -y "
    "-o DPkg::Lock::Timeout={wait} -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "
    "-o Dpkg::Options::=--force-confold"
)


@dataclass(frozen=True)
class AptPackages(Resource):
    """Packages that are installed, and those of them that are held at their version.

    cache_age: seconds after which the package lists are fetched anew before an install.
    lock_wait: seconds to wait for another process that holds dpkg's lock.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        {0: "every package is known", 1: "dpkg does not know one of them"}
    )

    packages: tuple[str, ...]
    holds: tuple[str, ...] = ()
    cache_age: int = 86400
    lock_wait: int = 600

    @property
    def name(self) -> str:
        return "apt " + " ".join(self.packages or self.holds)

    def probe(self) -> str:
        wanted = shlex.join((*self.packages, *self.holds))
        query = "${Package} ${db:Status-Status} ${db:Status-Want}\\n"
        # The last command's exit code is the probe's: dpkg-query's.
        return f"dpkg-query -W -f '{query}' -- {wanted}"

    def read(self, answer: Answer) -> State:
        state: dict[str, str | int | bool | None] = {}
        for line in answer.output.splitlines():
            package, status, want = line.split()
            if status == "installed":
                state[package] = "installed"
            if want == "hold":
                state[f"hold {package}"] = True
        return state

    def desired(self) -> State:
        return {
            **dict.fromkeys(self.packages, "installed"),
            **{f"hold {package}": True for package in self.holds},
        }

    def fix(self, differences: Differences, actual: State) -> str:
        missing = [package for package in self.packages if package in differences]
        unheld = [package for package in self.holds if f"hold {package}" in differences]
        apt_get = APT_GET.format(wait=self.lock_wait)
        lines = []
        if missing:
            lines += [
                # What a dropped connection or a full disk left half-done stops every install.
                "dpkg --audit | grep -q . && dpkg --configure -a",
                f"if [ -z \"$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' "
                f'-newermt "-{self.cache_age} seconds" -print -quit)" ]; then '
                f"{apt_get} update; fi",
                f"{apt_get} install --no-install-recommends -- {shlex.join(missing)}",
            ]
        if unheld:
            lines.append(f"apt-mark hold -- {shlex.join(unheld)}")
        return "\n".join(lines)
