"""What only a person can answer: passwords, passphrases, and whether a host key is right."""

from __future__ import annotations

import getpass
import os
import sys
import threading
from collections.abc import Mapping

from onecard.secret import Secret

_ONE_AT_A_TIME = threading.Lock()  # several hosts are worked on at once; questions are not
# By question. A run may open several connections, the last of them when its terminal is gone.
_typed: dict[str, Secret] = {}


class Prompts:
    """Answers from the environment, else from the terminal, once a run, else None.

    ONECARD_SSH_PASSWORD and ONECARD_SUDO_PASSWORD answer for every host of the run.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment

    def ssh_password(self, login: str) -> Secret | None:
        """Return the password of `user@address`."""
        return self._hidden("ONECARD_SSH_PASSWORD", f"Password of {login}: ")

    def passphrase(self, login: str) -> Secret | None:
        """Return the passphrase of the private key that is offered to `user@address`."""
        return self._hidden("ONECARD_KEY_PASSPHRASE", f"Passphrase of the key for {login}: ")

    def sudo_password(self, login: str) -> Secret | None:
        """Return the password that sudo on the box wants."""
        return self._hidden("ONECARD_SUDO_PASSWORD", f"sudo password on {login}: ")

    def accepts(self, question: str) -> bool:
        """Ask a yes-or-no question; no terminal means no."""
        if not sys.stdin.isatty():
            return False
        with _ONE_AT_A_TIME:
            sys.stderr.write(f"{question} [yes/no] ")
            sys.stderr.flush()
            return sys.stdin.readline().strip().lower() == "yes"

    def types(self, question: str, expected: str) -> bool:
        """Have a person type `expected` to go on; no terminal means no."""
        if not sys.stdin.isatty():
            return False
        with _ONE_AT_A_TIME:
            sys.stderr.write(question)
            sys.stderr.flush()
            return sys.stdin.readline().strip() == expected

    def _hidden(self, variable: str, question: str) -> Secret | None:
        if value := self._environment.get(variable):
            return Secret(value)
        with _ONE_AT_A_TIME:
            if question not in _typed:
                if not sys.stdin.isatty():
                    return None
                _typed[question] = Secret(getpass.getpass(question, stream=sys.stderr))
            return _typed[question]
