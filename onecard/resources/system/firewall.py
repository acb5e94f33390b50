"""Ports that the box's own firewall accepts, by the script `templates/firewall.j2`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State, Value, fields
from onecard.ssh.probe_batch import Answer

MARK = "onecard expose"  # the comment on each of onecard's rules
GATEWAY_MARK = "onecard gateway"  # ... on those of the gateway


@dataclass(frozen=True)
class OpenPorts(Resource):
    """TCP ports that are open in ufw or nftables, or that neither of them blocks.

    script: path of the script; unit: the service that runs it, and again after a reboot.
    """

    script: str
    unit: str
    ports: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"firewall {' '.join(f'{port}/tcp' for port in self.ports)}"

    def probe(self) -> str:
        script = shlex.quote(self.script)
        ports = " ".join(
            str(port) for port in self.ports
        )  # the script on the box may be for other ports
        return f"[ ! -x {script} ] || {script} state {ports}"

    def read(self, answer: Answer) -> State:
        values = fields(answer.output)
        state: dict[str, Value] = {"firewall": values.get("firewall")}
        for port in self.ports if values else ():
            state[f"{port}/tcp"] = values.get(str(port), "open")
        return state

    def desired(self) -> State:
        return {f"{port}/tcp": "open" for port in self.ports}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"services restart {shlex.quote(self.unit)}"


@dataclass(frozen=True)
class NoOpenings(Resource):
    """No rule of onecard in ufw or nftables.

    script: the text of the script, which may be missing on the box while its rules exist.
    mark: the comment on the rules.
    """

    script: str
    mark: str = MARK

    @property
    def name(self) -> str:
        what = "the public API" if self.mark == MARK else "the gateway"
        return f"firewall rules of {what}"

    def probe(self) -> str:
        return (
            "export LC_ALL=C\n"
            "{ ufw show added; nft list ruleset; } 2>/dev/null "
            f"| grep -c '{self.mark}' | sed 's/^/rules=/'"
        )

    def read(self, answer: Answer) -> State:
        return {"rules": int(fields(answer.output).get("rules", "0"))}

    def desired(self) -> State:
        return {"rules": 0}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"sh -s close <<'@end'\n{self.script}\n@end"
