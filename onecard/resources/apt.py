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
    """Packages that are installed.

    optional: installed along with them where the archive has them; never a difference.
    move_held: a held package may be replaced on the way.
    hint: what to think of when they cannot be installed.
    cache_age: seconds after which the package lists are fetched anew before an install.
    lock_wait: seconds to wait for another process that holds dpkg's lock.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType(
        {0: "every package is known", 1: "dpkg does not know one of them"}
    )

    packages: tuple[str, ...]
    optional: tuple[str, ...] = ()
    move_held: bool = False
    hint: str = ""
    cache_age: int = 86400
    lock_wait: int = 600

    @property
    def name(self) -> str:
        more = f" (and {' '.join(self.optional)} if available)" if self.optional else ""
        return "apt " + " ".join(self.packages) + more

    def probe(self) -> str:
        query = "${Package} ${db:Status-Status}\\n"
        # The last command's exit code is the probe's: dpkg-query's.
        return f"dpkg-query -W -f '{query}' -- {shlex.join(self.packages)}"

    def read(self, answer: Answer) -> State:
        pairs = (line.split() for line in answer.output.splitlines())
        return {package: status for package, status in pairs if status == "installed"}

    def desired(self) -> State:
        return dict.fromkeys(self.packages, "installed")

    def fix(self, differences: Differences, actual: State) -> str:
        missing = shlex.join(package for package in self.packages if package in differences)
        apt_get = APT_GET.format(wait=self.lock_wait)
        held = " --allow-change-held-packages" if self.move_held else ""
        lines = [
            # What a dropped connection or a full disk left half-done stops every install.
            "dpkg --audit | grep -q . && dpkg --configure -a",
            f"if [ -z \"$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' "
            f'-newermt "-{self.cache_age} seconds" -print -quit)" ]; then '
            f"{apt_get} update; fi",
        ]
        if self.optional:
            lines.append(
                f"more=; for package in {shlex.join(self.optional)}; do "
                '! apt-cache show "$package" >/dev/null 2>&1 || more="$more $package"; done'
            )
            missing += " $more"
        return "\n".join([*lines, f"{apt_get} install --no-install-recommends{held} -- {missing}"])

    def advice(self) -> str:
        return self.hint


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
        return self._query

    def read(self, answer: Answer) -> State:
        abbreviations = dict(line.split()[::-1] for line in answer.output.splitlines())
        loose = {name for name, state in abbreviations.items() if state == "ii"}
        loose |= {name for name in self.packages if abbreviations.get(name) != "hi"}
        return {"free to move": " ".join(sorted(loose)) or "nothing"}

    def desired(self) -> State:
        return {"free to move": "nothing"}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"{self._query} 2>/dev/null | sed -n 's/^ii *//p' | xargs -r apt-mark hold"

    @property
    def _query(self) -> str:
        names = shlex.join((*self.patterns, *self.packages))
        # Status-Abbrev: what is wanted (i, h for hold), what is (i for installed).
        return f"dpkg-query -W -f '${{db:Status-Abbrev}} ${{Package}}\\n' -- {names}"


@dataclass(frozen=True)
class AptRepository(Resource):
    """An apt source that a package from a URL brings, with its key."""

    accepts: ClassVar[Mapping[int, str]] = AptPackages.accepts

    package: str
    url: str
    lock_wait: int = 600

    @property
    def name(self) -> str:
        return f"apt source {self.package}"

    def probe(self) -> str:
        return f"dpkg-query -W -f '${{db:Status-Status}}' -- {shlex.quote(self.package)}"

    def read(self, answer: Answer) -> State:
        return {self.package: answer.output.strip() or None}

    def desired(self) -> State:
        return {self.package: "installed"}

    def fix(self, differences: Differences, actual: State) -> str:
        apt_get = APT_GET.format(wait=self.lock_wait)
        url = shlex.quote(self.url)
        return (
            'folder=$(mktemp -d); trap \'rm -rf "$folder"\' EXIT; chmod 0755 "$folder"\n'
            f'curl -fsSL --retry 3 -o "$folder/source.deb" {url} || '
            f"{{ echo 'error: cannot fetch {self.url}'; exit 1; }}\n"
            f'{apt_get} install -- "$folder/source.deb"\n{apt_get} update'
        )


@dataclass(frozen=True)
class AptSameVersion(Resource):
    """A package of exactly the upstream version of another.

    names: what the package may be called; the first that has the version is taken.
    of: the other one, which is there, or will be when the fix runs.
    """

    accepts: ClassVar[Mapping[int, str]] = AptPackages.accepts

    names: tuple[str, ...]
    of: str
    lock_wait: int = 600

    @property
    def name(self) -> str:
        return f"apt {self.names[0]} of the version of {self.of}"

    def probe(self) -> str:
        query = "${Package} ${db:Status-Status} ${Version}\\n"
        return f"dpkg-query -W -f '{query}' -- {shlex.join((self.of, *self.names))}"

    def read(self, answer: Answer) -> State:
        rows = (line.split() for line in answer.output.splitlines())
        versions = {row[0]: _upstream(row[2]) for row in rows if row[1:2] == ["installed"]}
        found = next((versions[name] for name in self.names if name in versions), None)
        same = found is not None and found == versions.get(self.of)
        return {"version": f"that of {self.of}" if same else found}

    def desired(self) -> State:
        return {"version": f"that of {self.of}"}

    def fix(self, differences: Differences, actual: State) -> str:
        return _SAME_VERSION.format(
            of=shlex.quote(self.of),
            names=shlex.join(self.names),
            first=self.names[0],
            apt_get=APT_GET.format(wait=self.lock_wait),
        )


_SAME_VERSION = """\
version=$(dpkg-query -W -f '${{Version}}' {of} | sed 's/^[0-9]*://; s/-[^-]*$//')
for name in {names}; do
  exact=$(apt-cache madison "$name" | awk -v want="$version" '
    {{ have = $3; sub(/^[0-9]+:/, "", have); sub(/-[^-]*$/, "", have) }}
    have == want {{ print $3; exit }}')
  if [ "$exact" ]; then
    {apt_get} install --allow-change-held-packages --allow-downgrades -- "$name=$exact"
    exit 0
  fi
done
echo "error: no apt source has {first} of version $version"
exit 1"""


def _upstream(version: str) -> str:
    """Return a Debian version without its epoch and revision: `1:580.95.05-0ubuntu1`."""
    return version.rpartition(":")[2].rsplit("-", 1)[0]
