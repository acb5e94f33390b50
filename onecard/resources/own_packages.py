"""Debian packages that can be given back exactly: what was there before stays."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.apt import AptPackages
from onecard.resources.apt_get import APT_GET
from onecard.resources.base import Differences, Resource, State
from onecard.script import Answer

_INSTALLED = (
    "installed() { dpkg-query -W -f '${db:Status-Status} ${Package}\\n' "
    "| sed -n 's/^installed //p' | sort; }"
)


@dataclass(frozen=True)
class OwnPackages(AptPackages):
    """Packages, and a record on the box of everything that came along with them.

    record: file that lists, one a line, the packages that these installs added.
    quiet: services that must not start by being installed.
    """

    record: str = ""
    quiet: tuple[str, ...] = ()

    def fix(self, differences: Differences, actual: State) -> str:
        record = shlex.quote(self.record)
        masked = [
            f"systemctl cat {unit} >/dev/null 2>&1 || systemctl mask -q {unit}"
            for unit in self.quiet
        ]
        return "\n".join(
            [
                *masked,
                _INSTALLED,
                f'mkdir -p -- "$(dirname {record})"; before=$(mktemp); installed >"$before"',
                # Also when the install fails in the middle.
                f"""trap 'installed | comm -13 "$before" - >>{record}; rm -f "$before"' EXIT""",
                super().fix(differences, actual),
            ]
        )


@dataclass(frozen=True)
class PackagesGivenBack(Resource):
    """Nothing of what a record lists is installed any more.

    leftovers: package -> folders that its removal leaves behind, pairwise.
    """

    record: str
    quiet: tuple[str, ...] = ()
    leftovers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"packages listed in {self.record}"

    def probe(self) -> str:
        return f"[ ! -e {self.record} ] || tr '\\n' ' ' <{self.record}"

    def read(self, answer: Answer) -> State:
        return {"installed": answer.output.strip() or "none"}

    def desired(self) -> State:
        return {"installed": "none"}

    def fix(self, differences: Differences, actual: State) -> str:
        apt_get = APT_GET.format(wait=600)
        return "\n".join(
            [
                # What was installed later may need one of them by now.
                f"others=$(apt-get -s purge -- $(cat {self.record}) "
                f"| sed -n 's/^Purg \\([^ ]*\\).*/\\1/p' | grep -vxFf {self.record} || true)",
                '[ -z "$others" ] || { echo "error: remove first what needs them by now:" $others; '
                "exit 1; }",
                f"{apt_get} purge -- $(cat {self.record})",
                *(
                    f"if grep -qx {package} {self.record}; then rm -rf {folder}; fi"
                    for package, folder in self.leftovers
                ),
                # Only a mask of ours: it is a link to nothing where no package brought a unit.
                *(
                    f"[ -e /lib/systemd/system/{unit} ] || systemctl unmask -q {unit}"
                    for unit in self.quiet
                ),
                f"rm -f {self.record}",
            ]
        )
