"""What teardown has to know before it begins, since it removes what tells it. Pure: no I/O."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass

from onecard.facts.lines import Lines
from onecard.layout import ETC, STATE, UNIT_FILE
from onecard.secret import Secret

_FIRST_PERSON = 1000  # UID_MIN of Debian's and Ubuntu's login.defs
# How a file that root alone may read holds a secret: for sed, printing it alone.
_SECRETS = (
    r"s/^[A-Z_]*\(KEY\|TOKEN\|SECRET\|PASSWORD\)=\(.\{16,\}\)$/\2/p",  # systemd's EnvironmentFile=
    r"s/^\([!-<>-~]\{16,\}\)$/\1/p",  # the value and nothing else
    r"s/.* password \([^ ]\{12,\}\).*/\1/p",  # netrc
)


@dataclass(frozen=True)
class Survey:
    """uid: of the service account, None without one that is ours. port: the server's.

    secrets: every value that the box keeps as one.
    """

    uid: int | None
    port: int
    secrets: tuple[Secret, ...] = ()


def survey_script(login: str) -> str:
    """Return read-only shell that prints what `read_survey` understands.

    An account with a home of its own is not ours, nor is one that has a person's number: ours is a
    system account. All that an account of ours owns is removed.
    """
    patterns = shlex.join(word for pattern in _SECRETS for word in ("-e", pattern))
    return (
        f"entry=$(getent passwd {login})\n"
        f"case $entry in {login}:*:{STATE}:*)\n"
        f'  uid=$(id -u {login}); [ "$uid" -ge {_FIRST_PERSON} ] || echo "uid=$uid" ;;\nesac\n'
        f"sed -n 's/^ExecStart=.* --port[ =]\\([0-9]*\\).*/port=\\1/p' {UNIT_FILE} 2>/dev/null\n"
        f"find {ETC} {STATE}/huggingface/token -type f -perm 0600 ! -name '*.pem' "
        f"-exec sed -n {patterns} {{}} + 2>/dev/null | sort -u "
        "| while read -r value; do\n"
        '  echo "secret=$(printf %s "$value" | base64 -w0)"\ndone\n'
    )


def read_survey(output: str, port: int, known: tuple[Secret, ...]) -> Survey:
    """Return what the script told.

    port: the one to take when no unit names one. known: secrets that this computer keeps.
    """
    told = Lines(output)
    uid = int(told.one("uid")) if told.one("uid") else None
    found = [Secret(base64.b64decode(text).decode()) for text in told.all("secret")]
    return Survey(uid, told.number("port") or port, tuple(dict.fromkeys((*found, *known))))
