"""Ports that the box's own firewall lets through, by the script `templates/firewall.j2`."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import Differences, Resource, State, Value, fields
from onecard.script import Answer

MARK = "onecard expose"  # the comment on each rule of ours


@dataclass(frozen=True)
class OpenPorts(Resource):
    """TCP ports that are open in ufw or nftables, or need not be since neither refuses anything.

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
        ports = " ".join(str(port) for port in self.ports)  # the script may be one for others
        return f"[ ! -x {script} ] || {script} state {ports}"

    def read(self, answer: Answer) -> State:
        told = fields(answer.output)
        state: dict[str, Value] = {"firewall": told.get("firewall")}
        for port in self.ports if told else ():
            state[f"{port}/tcp"] = told.get(str(port), "open")
        return state

    def desired(self) -> State:
        return {f"{port}/tcp": "open" for port in self.ports}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"systemctl restart {shlex.quote(self.unit)}"


@dataclass(frozen=True)
class NoOpenings(Resource):
    """No rule of ours in ufw or nftables.

    script: the text of the script, which may be gone from the box before its rules are.
    """

    script: str

    @property
    def name(self) -> str:
        return "firewall rules of the public API"

    def probe(self) -> str:
        return (
            "export LC_ALL=C\n"
            "{ ufw show added; nft list ruleset; } 2>/dev/null "
            f"| grep -c '{MARK}' | sed 's/^/rules=/'"
        )

    def read(self, answer: Answer) -> State:
        return {"rules": int(fields(answer.output).get("rules", "0"))}

    def desired(self) -> State:
        return {"rules": 0}

    def fix(self, differences: Differences, actual: State) -> str:
        return f"sh -s close <<'@end'\n{self.script}\n@end"
