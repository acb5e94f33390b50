"""System accounts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.resources.base import ABSENT, Differences, Resource, State
from onecard.ssh.probe_batch import Answer


@dataclass(frozen=True)
class User(Resource):
    """A system account without a password, with a group of its own name.

    home: identifies it as onecard's; an account with another home is never changed. Teardown
        removes the account with this home and all of its files (facts/teardown.py).
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType({0: "answered", 2: "no such account"})

    login: str
    home: str
    shell: str = "/usr/sbin/nologin"

    @property
    def name(self) -> str:
        return f"user {self.login}"

    def probe(self) -> str:
        return f"getent passwd {shlex.quote(self.login)}"

    def read(self, answer: Answer) -> State:
        if answer.code == 2:
            return ABSENT
        fields = answer.output.strip().split(":")
        return {"home": fields[5], "shell": fields[6]}

    def desired(self) -> State:
        return {"home": self.home, "shell": self.shell}

    def fix(self, differences: Differences, actual: State) -> str:
        login = shlex.quote(self.login)
        shell = f"--shell {shlex.quote(self.shell)}"
        if not actual:
            home = shlex.quote(self.home)
            more = f"--no-create-home --home-dir {home} {shell} {login}"
            # The files of an account that was lost with the rest of a pod keep its numbers.
            return (
                f"owner=$(stat -Lc '%u %g' -- {home} 2>/dev/null || echo 0 0)\n"
                f"uid=${{owner% *}} gid=${{owner#* }}\n"
                f'if [ "$uid" -gt 0 ] && [ "$gid" -gt 0 ]; then\n'
                f'  getent group "$gid" >/dev/null || groupadd --system --gid "$gid" {login}\n'
                f'  useradd --system --uid "$uid" --gid "$gid" {more}\n'
                f"else\n  useradd --system --user-group {more}\nfi"
            )
        if "home" in differences:
            reason = (
                f"error: the account {self.login} is not onecard's (home {actual['home']}, shell "
                f"{actual['shell']}) and stays as it is; set service_user to another name"
            )
            return f"echo {shlex.quote(reason)}; exit 1"
        return f"usermod {shell} {login}"
