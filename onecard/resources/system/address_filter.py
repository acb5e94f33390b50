"""Whether systemd can confine a unit's network to some addresses on this box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from onecard.resources.base import Differences, Resource, State
from onecard.ssh.probe_batch import Answer

# A datagram to a port of this box that nobody has to listen on.
_TRY = """\
systemd-run -q --wait --pipe -p IPAddressDeny=any python3 - 2>&1 <<'@end'
import socket
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("127.0.0.1", 9))
    print("sent")
except PermissionError:
    print("refused")
@end
"""


@dataclass(frozen=True)
class AddressFilter(Resource):
    """IPAddressDeny= of a unit works: it is tried, since a systemd that cannot says nothing."""

    title: ClassVar[str] = "systemd's address filter"

    @property
    def name(self) -> str:
        return self.title

    def probe(self) -> str:
        return f"{_TRY}true"

    def read(self, answer: Answer) -> State:
        return {"works": answer.output.strip() == "refused"}

    def desired(self) -> State:
        return {"works": True}

    def fix(self, differences: Differences, actual: State) -> str:
        reason = (
            "error: this kernel does not enforce IPAddressDeny= of a unit (CONFIG_CGROUP_BPF), so "
            "every computer that reaches this box would reach Ray, which runs what it is sent: "
            "boot a kernel that does"
        )
        return f'echo "{reason}"; exit 1'
