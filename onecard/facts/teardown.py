"""Teardown facts: read before a teardown, which removes their sources. Pure: no I/O."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass

from onecard.box import unit_words
from onecard.box.paths import ETC, STATE, UNIT
from onecard.credentials.secret import Secret
from onecard.errors import ProbeError
from onecard.ssh.answer_lines import Lines

_FIRST_PERSON = 1000  # UID_MIN of Debian's and Ubuntu's login.defs
# The forms of a secret in a file that root alone may read: sed scripts that print it.
_SECRETS = (
    r"s/^[A-Z_]*\(KEY\|TOKEN\|SECRET\|PASSWORD\)=\(.\{16,\}\)$/\2/p",  # systemd's EnvironmentFile=
    r"s/^\([!-<>-~]\{16,\}\)$/\1/p",  # the value and nothing else
    r"s/.* password \([^ ]\{12,\}\).*/\1/p",  # netrc
)


@dataclass(frozen=True)
class TeardownFacts:
    """Facts for a teardown.

    uid: of the service account, None if onecard created none. port: the server's.
    secrets: all values that are stored as secrets on the box.
    """

    uid: int | None
    port: int
    secrets: tuple[Secret, ...] = ()


def teardown_facts_script(login: str) -> str:
    """Return read-only shell whose output `read_teardown_facts` parses.

    An account with another home, or with a person's uid, was not created by onecard, whose account
    is a system account. All files of its own account are removed.
    """
    patterns = shlex.join(word for pattern in _SECRETS for word in ("-e", pattern))
    return (
        f"entry=$(getent passwd {login})\n"
        f"case $entry in {login}:*:{STATE}:*)\n"
        f'  uid=$(id -u {login}); [ "$uid" -ge {_FIRST_PERSON} ] || echo "uid=$uid" ;;\nesac\n'
        f"printf 'unit=%s\\n' \"$(services cat {UNIT} | base64 -w0)\"\n"
        f"find -H {ETC} {STATE}/huggingface/token -type f -perm 0600 ! -name '*.pem' "
        f"-exec sed -n {patterns} {{}} + 2>/dev/null | sort -u "
        "| while read -r value; do\n"
        '  echo "secret=$(printf %s "$value" | base64 -w0)"\ndone\n'
    )


def read_teardown_facts(output: str, port: int, known: tuple[Secret, ...]) -> TeardownFacts:
    """Parse the script's output.

    port: used if no unit names one. known: secrets that this computer stores. Raises ProbeError
    for a garbled answer.
    """
    values = Lines(output)
    try:
        uid = int(values.one("uid")) if values.one("uid") else None
        found = [Secret(base64.b64decode(text).decode()) for text in values.all("secret")]
        unit = base64.b64decode(values.one("unit")).decode("utf-8", "replace")
    except ValueError as error:
        # Not what it said: it may hold a secret.
        raise ProbeError("garbled answer from the box, before a teardown; run it again") from error
    return TeardownFacts(uid, _port(unit) or port, tuple(dict.fromkeys((*found, *known))))


def _port(unit: str) -> int:
    """Return the port in a unit's command, 0 if it has none."""
    try:
        return int(unit_words.options(unit_words.command(unit)).get("port", ""))
    except ValueError:
        return 0
