"""Debian packages whose installation can be reverted exactly: earlier packages stay."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.apt.apt_get import APT_GET
from onecard.resources.apt.packages import AptPackages
from onecard.resources.base import Differences, Resource, State
from onecard.ssh.probe_batch import Answer

_INSTALLED = (
    "installed() { dpkg-query -W -f '${db:Status-Status} ${Package}\\n' "
    "| sed -n 's/^installed //p' | sort; }"
)


@dataclass(frozen=True)
class OwnPackages(AptPackages):
    """Packages, and a record on the box of everything that was installed with them.

    record: file that lists, one a line, the packages that these installs added.
    quiet: services that the installation must not start.
    """

    record: str = ""
    quiet: tuple[str, ...] = ()

    def fix(self, differences: Differences, actual: State) -> str:
        record = shlex.quote(self.record)
        masked = [f"services mask {unit}" for unit in self.quiet]
        return "\n".join(
            [
                *masked,
                _INSTALLED,
                f'mkdir -p -- "$(dirname {record})"; before=$(mktemp); installed >"$before"',
                # Also when the installation fails midway.
                f"""trap 'installed | comm -13 "$before" - >>{record}; rm -f "$before"' EXIT""",
                super().fix(differences, actual),
            ]
        )


@dataclass(frozen=True)
class OwnPackagesRemoved(Resource):
    """No package of a record is installed any more.

    leftovers: pairs of a package and a folder that its removal leaves behind.
    """

    record: str
    quiet: tuple[str, ...] = ()
    leftovers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"packages listed in {self.record}"

    def probe(self) -> str:
        return f"[ ! -e {self.record} ] || sort -u {self.record} | tr '\\n' ' '"

    def read(self, answer: Answer) -> State:
        return {"installed": answer.output.strip() or "none"}

    def desired(self) -> State:
        return {"installed": "none"}

    def fix(self, differences: Differences, actual: State) -> str:
        apt_get = APT_GET.format(wait=600)
        return "\n".join(
            [
                # A stop of a pod deletes packages, and not their record, which is on its volume.
                "ours=$(dpkg-query -W -f '${Package}\\n' "
                f"| grep -xFf {self.record} | sort -u || true)",
                'if [ -n "$ours" ]; then',
                # Packages that were installed later may depend on them.
                "others=$(apt-get -s purge -- $ours "
                f"| sed -n 's/^Purg \\([^ ]*\\).*/\\1/p' | grep -vxFf {self.record} || true)",
                '[ -z "$others" ] || { '
                'echo "error: remove these dependent packages first:" $others; exit 1; }',
                f"{apt_get} purge -- $ours",
                "fi",
                *(
                    f"if grep -qx {package} {self.record}; then rm -rf {folder}; fi"
                    for package, folder in self.leftovers
                ),
                *(f"services unmask {unit}" for unit in self.quiet),
                f"rm -f {self.record}",
            ]
        )
