"""A secret in a root-only file: generated on the box, or set by the user."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass

from onecard.box import paths
from onecard.credentials.secret import Secret
from onecard.resources.base import ABSENT, Differences, Resource, State, Upload, fields
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class SecretFile(Resource):
    """A file `VARIABLE=VALUE` for systemd's EnvironmentFile=, readable by root alone.

    value: the desired value; None for any value, by default one generated on the box with the
        kernel's generator (32 bytes). Only its SHA-256 is ever read, and it is never shown.
    """

    path: str
    variable: str
    value: Secret | None = None

    @property
    def name(self) -> str:
        return f"secret {self.path}"

    def probe(self) -> str:
        path = shlex.quote(self.path)
        return (
            f"[ -e {path} ] || exit 0\n"
            f"stat -c 'mode=%a\nowner=%U' -- {path}\n"
            f"grep -qE '^{self.variable}=.{{16,}}$' {path} && echo long=yes\n"
            f"{self.digest_probe()}"
        )

    def digest_probe(self, key: str = "digest", source: str = "") -> str:
        """Return shell that prints `KEY=` and the SHA-256 of the value in a file or an environment.

        source: shell that prints the `VARIABLE=VALUE` line among others; the file if empty.
        """
        lines = source or f"cat {shlex.quote(self.path)} 2>/dev/null"
        value = f"{lines} | sed -n 's/^{self.variable}=//p' | tr -d '\\n'"
        return f"printf '{key}=%s\\n' \"$({value} | sha256sum | cut -d' ' -f1)\""

    def read(self, answer: Answer) -> State:
        values = fields(answer.output)
        if not values:
            return ABSENT
        state = {"mode": values["mode"], "owner": values["owner"]}
        if self.value is None:
            return {**state, "value": "set" if "long" in values else "too short"}
        return {**state, "value": "as given" if self.holds(values["digest"]) else "another"}

    def holds(self, digest: str) -> bool:
        """Return whether a SHA-256 is the desired value's."""
        return (
            self.value is not None
            and hashlib.sha256(self.value.reveal().encode()).hexdigest() == digest
        )

    def desired(self) -> State:
        value = "set" if self.value is None else "as given"
        return {"mode": "600", "owner": "root", "value": value}

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        if self.value is None or "value" not in differences:
            return ()
        return (Upload(self._stage, Secret(f"{self.variable}={self.value.reveal()}\n")),)

    def fix(self, differences: Differences, actual: State) -> str:
        path = shlex.quote(self.path)
        lines = []
        if "value" in differences:
            content = (
                f"cat {self._stage}"
                if self.value is not None
                else f"printf '{self.variable}=%s\\n' "
                "\"$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')\""
            )
            lines = [
                f'mkdir -p -- "$(dirname {path})"',
                f"install -m 0600 -o root -g root /dev/null {path}.onecard-new",
                f"{content} >{path}.onecard-new",
                f"mv -fT -- {path}.onecard-new {path}",
            ]
        return "\n".join([*lines, f"chown root:root {path}", f"chmod 0600 {path}"])

    @property
    def _stage(self) -> str:
        return f"{paths.JOB_SECRETS}/{self.variable}"
