"""A secret that is made on the box and never leaves it unasked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from onecard.resources.base import ABSENT, Differences, Resource, State, fields
from onecard.script import Answer


@dataclass(frozen=True)
class SecretFile(Resource):
    """A root-only file `VARIABLE=RANDOM` for systemd's EnvironmentFile=.

    The value is drawn on the box from the kernel's generator (32 bytes); neither the probe nor the
    fix ever shows it.
    """

    path: str
    variable: str

    @property
    def name(self) -> str:
        return f"secret {self.path}"

    def probe(self) -> str:
        path = shlex.quote(self.path)
        return (
            f"[ -e {path} ] || exit 0\n"
            f"stat -c 'mode=%a\nowner=%U' -- {path}\n"
            f"grep -qE '^{self.variable}=.{{16,}}$' {path} && echo set=yes || true"
        )

    def read(self, answer: Answer) -> State:
        return fields(answer.output) or ABSENT

    def desired(self) -> State:
        return {"mode": "600", "owner": "root", "set": "yes"}

    def fix(self, differences: Differences, actual: State) -> str:
        path = shlex.quote(self.path)
        lines = []
        if "set" in differences:
            lines = [
                f'mkdir -p -- "$(dirname {path})"',
                f"rm -f -- {path}",
                f"install -m 0600 -o root -g root /dev/null {path}",
                f"printf '{self.variable}=%s\\n' "
                f"\"$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')\" >{path}",
            ]
        return "\n".join([*lines, f"chown root:root {path}", f"chmod 0600 {path}"])
