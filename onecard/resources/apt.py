"""Debian packages."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.facts.lines import upstream, version_key
from onecard.resources.apt_get import (
    APT_GET,
    KEEP_HOLDS,
    MADISON,
    MOVE_HELD,
    AptGet,
    hold,
    states,
    update,
)
from onecard.resources.base import Differences, Resource, State, Value
from onecard.script import Answer


@dataclass(frozen=True)
class AptPackages(AptGet):
    """Packages that are installed.

    at_least: package -> the least upstream version that will do, pairwise; of others any will.
    optional: installed along with them where the archive has them; never a difference.
    otherwise: installed too where the archive lacks one of the optional ones.
    move_held: a held package may be replaced on the way; it stays held.
    cache_age: seconds after which the package lists are fetched anew before an install.
    lock_wait: seconds to wait for another process that holds dpkg's lock.
    """

    packages: tuple[str, ...]
    at_least: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    move_held: bool = False
    cache_age: int = 86400
    lock_wait: int = 600

    @property
    def name(self) -> str:
        least = dict(self.at_least)
        words = [f"{name} >= {least[name]}" if name in least else name for name in self.packages]
        more = f" (and {' '.join(self.optional)} if available)" if self.optional else ""
        if self.otherwise:
            more = more.replace(")", f", else {' '.join(self.otherwise)})")
        return "apt " + " ".join(words) + more

    def probe(self) -> str:
        query = "${Package} ${db:Status-Status} ${Version}\\n"
        # The last command's exit code is the probe's: dpkg-query's.
        return f"dpkg-query -W -f '{query}' -- {shlex.join(self.packages)}"

    def read(self, answer: Answer) -> State:
        wanted, least = self.desired(), dict(self.at_least)
        state: dict[str, Value] = {}
        for line in answer.output.splitlines():
            package, status, *version = line.split()
            if status == "installed":
                has = upstream(*version)
                enough = version_key(has) >= version_key(least.get(package, ""))
                state[package] = wanted[package] if enough else has
        return state

    def desired(self) -> State:
        least = dict(self.at_least)
        return {
            package: f">= {least[package]}" if package in least else "installed"
            for package in self.packages
        }

    def fix(self, differences: Differences, actual: State) -> str:
        missing = shlex.join(package for package in self.packages if package in differences)
        apt_get = APT_GET.format(wait=self.lock_wait)
        held = f" {MOVE_HELD}" if self.move_held else ""
        lines = [
            # What a dropped connection or a full disk left half-done stops every install.
            "dpkg --audit | grep -q . && dpkg --configure -a",
            f"if [ -z \"$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' "
            f'-newermt "-{self.cache_age} seconds" -print -quit)" ]; then\n'
            f"{update(self.lock_wait)}\nfi",
        ]
        if self.optional:
            otherwise = (
                f'; else more="$more {shlex.join(self.otherwise)}"' if self.otherwise else ""
            )
            lines.append(
                f"more=; for package in {shlex.join(self.optional)}; do "
                f'if [ "$({MADISON})" ]; then more="$more $package"{otherwise}; fi; done'
            )
            missing += " $more"
        if self.move_held:
            lines.append(KEEP_HOLDS)
        return "\n".join([*lines, f"{apt_get} install --no-install-recommends{held} -- {missing}"])


@dataclass(frozen=True)
class AptHolds(Resource):
    """Packages that stay at their version until they are asked to move.

    packages: these are there, or will be when the fix runs. patterns: dpkg-query's, for whatever
    else is there.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        {0: "every pattern matches", 1: "one of them matches nothing"}
    )

    packages: tuple[str, ...]
    patterns: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"apt holds {' '.join((*self.packages, *self.patterns))}"

    def probe(self) -> str:
        return states(self._names)

    def read(self, answer: Answer) -> State:
        abbreviations = dict(line.split()[::-1] for line in answer.output.splitlines())
        loose = {name for name, state in abbreviations.items() if state == "ii"}
        loose |= {name for name in self.packages if abbreviations.get(name) != "hi"}
        return {"free to move": " ".join(sorted(loose)) or "nothing"}

    def desired(self) -> State:
        return {"free to move": "nothing"}

    def fix(self, differences: Differences, actual: State) -> str:
        return hold(self._names)

    @property
    def _names(self) -> str:
        return shlex.join((*self.patterns, *self.packages))


@dataclass(frozen=True)
class AptSameVersion(AptGet):
    """A package of exactly the upstream version of another.

    names: what the package may be called; the first that has the version is taken.
    of: the other one, which is there, or will be when the fix runs.
    at_least: an upstream version before which the other one is about to be replaced.
    """

    names: tuple[str, ...]
    of: str
    at_least: str = ""
    lock_wait: int = 600

    @property
    def name(self) -> str:
        return f"apt {self.names[0]} of the version of {self.of}"

    def probe(self) -> str:
        query = "${Package} ${db:Status-Status} ${Version}\\n"
        return f"dpkg-query -W -f '{query}' -- {shlex.join((self.of, *self.names))}"

    def read(self, answer: Answer) -> State:
        rows = (line.split() for line in answer.output.splitlines())
        versions = {row[0]: upstream(row[2]) for row in rows if row[1:2] == ["installed"]}
        found = next((versions[name] for name in self.names if name in versions), None)
        wanted = versions.get(self.of, "")
        same = found == wanted and version_key(wanted) >= version_key(self.at_least)
        return {"version": f"that of {self.of}" if same else found}

    def desired(self) -> State:
        return {"version": f"that of {self.of}"}

    def fix(self, differences: Differences, actual: State) -> str:
        return _SAME_VERSION.format(
            of=shlex.quote(self.of),
            names=shlex.join(self.names),
            first=self.names[0],
            keep_holds=KEEP_HOLDS,
            moving=MOVE_HELD,
            apt_get=APT_GET.format(wait=self.lock_wait),
        )


_SAME_VERSION = """\
{keep_holds}
version=$(dpkg-query -W -f '${{Version}}' {of} | sed 's/^[0-9]*://; s/-[^-]*$//')
for name in {names}; do
  exact=$(apt-cache madison "$name" | awk -v want="$version" '
    {{ have = $3; sub(/^[0-9]+:/, "", have); sub(/-[^-]*$/, "", have) }}
    have == want {{ print $3; exit }}')
  if [ "$exact" ]; then
    {apt_get} install {moving} --allow-downgrades -- "$name=$exact"
    exit 0
  fi
done
echo "error: no apt source has {first} of version $version"
exit 1"""
