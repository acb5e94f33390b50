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
    """A system account without a password, with a group of its own name.

    home: what tells it from an account of somebody's own, which is never changed: teardown takes
        the account with this home for ours, and removes all of its files (survey.py).
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
            home = f"--home-dir {shlex.quote(self.home)}"
            return f"useradd --system --user-group --no-create-home {home} {shell} {login}"
        if "home" in differences:
            reason = (
                f"error: the account {self.login} is somebody's own (home {actual['home']}, shell "
                f"{actual['shell']}) and stays as it is; set service_user to another name"
            )
            return f"echo {shlex.quote(reason)}; exit 1"
        return f"usermod {shell} {login}"
