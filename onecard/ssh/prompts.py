"""Prompts for a person: passwords, passphrases, and confirmation of a host key."""

from __future__ import annotations

import getpass
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from onecard.credentials.secret import Secret

_ONE_AT_A_TIME = threading.Lock()  # several hosts run in parallel; prompts do not
# By prompt. A run may open several connections, the last of them after its terminal was closed.
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

    def passphrase(self, key_file: Path) -> Secret | None:
        """Return the passphrase of a private key file."""
        return self._hidden("ONECARD_KEY_PASSPHRASE", f"Passphrase of {key_file}: ")

    def pin(self) -> Secret | None:
        """Return the PIN of a security key."""
        return self._hidden("ONECARD_KEY_PASSPHRASE", "PIN of the security key: ")

    def sudo_password(self, login: str) -> Secret | None:
        """Return the password of sudo on the box."""
        return self._hidden("ONECARD_SUDO_PASSWORD", f"sudo password on {login}: ")

    def confirm(self, question: str) -> bool:
        """Prompt for yes or no; no terminal means no."""
        if not sys.stdin.isatty():
            return False
        with _ONE_AT_A_TIME:
            sys.stderr.write(f"{question} [yes/no] ")
            sys.stderr.flush()
            return sys.stdin.readline().strip().lower() == "yes"

    def confirm_by_typing(self, question: str, expected: str) -> bool:
        """Prompt for the text `expected` as confirmation; no terminal means no."""
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
