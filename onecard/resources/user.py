"""System accounts."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from onecard.resources.base import ABSENT, Differences, Resource, State
from onecard.script import Answer


@dataclass(frozen=True)
class User(Resource):
    """A system account without a password, with a group of its own name."""

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
        options = f"--home-dir {shlex.quote(self.home)} --shell {shlex.quote(self.shell)}"
        if not actual:
            return f"useradd --system --user-group --no-create-home {options} {login}"
        return f"usermod {options.replace('--home-dir', '--home')} {login}"
