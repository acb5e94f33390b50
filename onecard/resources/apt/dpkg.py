"""What an interrupted run of dpkg left: nothing else is installed before it is finished."""

from __future__ import annotations

from dataclasses import dataclass

from onecard.resources.apt.apt_get import APT_GET, AptGet
from onecard.resources.base import Differences, State
from onecard.ssh.probe_batch import Answer

# wanted and actual state, such as `iU`: unpacked, not configured (dpkg-query(1), db:Status-Abbrev)
_UNFINISHED = "dpkg-query -W -f '${db:Status-Abbrev} ${Package}\\n' | sed -n 's/^.[HUFWt]. *//p'"


@dataclass(frozen=True)
class DpkgFinished(AptGet):
    """dpkg has no package that is half installed, and no journal of a run that was killed.

    lock_wait: seconds to wait for another process that holds dpkg's lock.
    """

    lock_wait: int = 600

    @property
    def name(self) -> str:
        return "dpkg"

    def probe(self) -> str:
        return (
            f"{_UNFINISHED}\n"
            "for journal in /var/lib/dpkg/updates/[0-9]*; do "
            "[ ! -e \"$journal\" ] || echo 'an interrupted run'; done"
        )

    def read(self, answer: Answer) -> State:
        return {"unfinished": ", ".join(answer.output.split("\n")[:-1])}

    def desired(self) -> State:
        return {"unfinished": ""}

    def fix(self, differences: Differences, actual: State) -> str:
        # A package that cannot be configured for lack of another is apt's to complete.
        return (
            "env DEBIAN_FRONTEND=noninteractive dpkg --force-confold --configure -a || true\n"
            f"{APT_GET.format(wait=self.lock_wait)} -f install"
        )
