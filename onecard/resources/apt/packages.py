"""Debian packages."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.facts.versions import upstream, version_key
from onecard.resources.apt.apt_get import (
    APT_GET,
    MADISON,
    MOVE_HELD,
    RESTORE_HOLDS,
    AptGet,
    hold,
    states,
    update,
)
from onecard.resources.base import Differences, Resource, State, Value
from onecard.ssh.probe_batch import Answer

_REMOVED = "removed"
_GONE = ("not-installed", "config-files")  # dpkg-query(1), db:Status-Status


@dataclass(frozen=True)
class AptPackages(AptGet):
    """Packages that are installed.

    at_least: pairs of a package and its minimum upstream version; any version of the others fits.
    optional: installed with them where the archive has them; never a difference.
    otherwise: installed instead where the archive lacks one of the optional ones.
    remove: removed with it, together with what needs them.
    move_held: a held package may be replaced; it stays held.
    cache_age: seconds after which the package lists are updated before an installation.
    lock_wait: seconds to wait for another process that holds dpkg's lock.
    """

    packages: tuple[str, ...]
    at_least: tuple[tuple[str, str], ...] = ()
    optional: tuple[str, ...] = ()
    otherwise: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
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
        less = f" without {' '.join(self.remove)}" if self.remove else ""
        return "apt " + " ".join(words) + more + less

    def probe(self) -> str:
        query = "${Package} ${db:Status-Status} ${Version}\\n"
        # The probe's exit code is the last command's, dpkg-query's.
        return f"dpkg-query -W -f '{query}' -- {shlex.join((*self.packages, *self.remove))}"

    def read(self, answer: Answer) -> State:
        wanted, least = self.desired(), dict(self.at_least)
        state: dict[str, Value] = dict.fromkeys(self.remove, _REMOVED)
        for line in answer.output.splitlines():
            package, status, *version = line.split()
            if package in self.remove:
                state[package] = _REMOVED if status in _GONE else status
            elif status == "installed":
                has = upstream(*version)
                enough = version_key(has) >= version_key(least.get(package, ""))
                state[package] = wanted[package] if enough else has
        return state

    def desired(self) -> State:
        least = dict(self.at_least)
        return {
            package: f">= {least[package]}" if package in least else "installed"
            for package in self.packages
        } | dict.fromkeys(self.remove, _REMOVED)

    def fix(self, differences: Differences, actual: State) -> str:
        # apt-get(8): a minus behind a name removes the package in the same step.
        words = [*self.packages, *(f"{package}-" for package in self.remove)]
        missing = shlex.join(word for word in words if word.removesuffix("-") in differences)
        apt_get = APT_GET.format(wait=self.lock_wait)
        held = f" {MOVE_HELD}" if self.move_held else ""
        lines = [
            # A package that a full disk or a lost connection left half-installed blocks apt-get.
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
            lines.append(RESTORE_HOLDS)
        return "\n".join([*lines, f"{apt_get} install --no-install-recommends{held} -- {missing}"])


@dataclass(frozen=True)
class AptHolds(Resource):
    """Packages that stay at their version until onecard moves them.

    packages: installed, now or when the fix runs. patterns: dpkg-query's, for further installed
    packages.
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

    names: possible names of the package; the first that has the version is installed.
    of: the other package, installed now or when the fix runs.
    at_least: the minimum upstream version of the other; an older one is about to be replaced.
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
            restore_holds=RESTORE_HOLDS,
            moving=MOVE_HELD,
            apt_get=APT_GET.format(wait=self.lock_wait),
        )


_SAME_VERSION = """\
{restore_holds}
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
