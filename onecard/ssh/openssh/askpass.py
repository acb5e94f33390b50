"""Answers to the prompts of an ssh program, which never sees our terminal.

ssh runs the program of SSH_ASKPASS with its prompt as the argument and reads the answer. The
secrets travel in the environment, which only this account can read; never in an argument or file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PASSPHRASE, PASSWORD = "ONECARD_ASKED_PASSPHRASE", "ONECARD_ASKED_PASSWORD"
PIN = "ONECARD_ASKED_PIN"

_PROGRAM = f"""#!/bin/sh
case $1 in
  *assphrase*) answer=${PASSPHRASE} ;;
  *assword*) answer=${PASSWORD} ;;
  *PIN*) answer=${PIN} ;;
  *) exit 1 ;;
esac
[ -n "$answer" ] && printf '%s\\n' "$answer"
"""


def ask_environment(folder: Path, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return what ssh is started with, so that it reads `secrets`; writes the program to `folder`.

    secrets: by PASSPHRASE, PASSWORD and PIN. A host key is never confirmed this way.
    """
    program = folder / "askpass"
    program.write_text(_PROGRAM)
    program.chmod(0o700)
    # Before OpenSSH 8.4, DISPLAY and a session without a terminal did what REQUIRE does.
    wanted = {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    return {**wanted, **secrets}
