"""Where Debian packages come from: an additional source, and what the sources have."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.apt.apt_get import APT_GET, MADISON, AptGet, update
from onecard.resources.base import Differences, State
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class AptRepository(AptGet):
    """An apt source that a package from a URL installs, with its key."""

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
            f"{{ echo 'error: cannot download '{url}; exit 1; }}\n"
            f'{apt_get} install -- "$folder/source.deb"\n{update(self.lock_wait)}'
        )


@dataclass(frozen=True)
class AptAvailability(AptGet):
    """Packages that apt's sources have; checked before anything that needs them is changed.

    elsewhere: URL of a flat repository that may not be among the sources yet; it is checked too.
    hint: what to do where a package is missing.
    lock_wait: seconds to wait for another process that holds apt's lock.
    """

    packages: tuple[str, ...]
    elsewhere: str = ""
    hint: str = ""
    lock_wait: int = 600

    @property
    def name(self) -> str:
        return f"apt sources with {' '.join(self.packages)}"

    def probe(self) -> str:
        return (
            f"for package in {shlex.join(self.packages)}; do "
            f'if [ "$({MADISON})" ]; then echo "$package"; fi; done'
        )

    def read(self, answer: Answer) -> State:
        return dict.fromkeys(answer.output.split(), "available")

    def desired(self) -> State:
        return dict.fromkeys(self.packages, "available")

    def fix(self, differences: Differences, actual: State) -> str:
        url = shlex.quote(self.elsewhere)
        return _AVAILABILITY.format(
            packages=shlex.join(self.packages),
            update=update(self.lock_wait),
            elsewhere=_ELSEWHERE.format(url=url) if self.elsewhere else _REACHED,
            hint=shlex.quote(self.hint),
        )


_AVAILABILITY = """\
missing() {{
  for package in {packages}; do
    [ "$(apt-cache "$@" madison -- "$package" 2>/dev/null)" ] || printf ' %s' "$package"
  done
}}
[ "$(missing)" ] || exit 0
{update}
absent=$(missing)
[ "$absent" ] || exit 0
{elsewhere}
echo "error: apt's sources have no$absent; "{hint}
exit 1"""

# A source that could not be reached may have them.
_REACHED = """\
case "$updated" in *Err:*) exit 100 ;; esac"""

# Only names are looked up, in temporary lists: no key is needed, and nothing of it stays. Where the
# repository cannot be reached (a bare box may lack certificates), the steps that add it report why.
_ELSEWHERE = """\
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT; chmod 0755 "$folder"
mkdir -p "$folder/lists/partial"
echo "deb [trusted=yes]" {url} ./ >"$folder/list"
set -- -o "Dir::Etc::SourceList=$folder/list" -o Dir::Etc::SourceParts=/dev/null \\
  -o "Dir::State::Lists=$folder/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
apt-get -q "$@" update || exit 0
ls "$folder"/lists/*_Packages* >/dev/null 2>&1 || exit 0
absent=$(missing "$@")
[ "$absent" ] || exit 0"""
