"""The advice of a diagnosis for display: the fix, the commands on the box and on this computer."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onecard.diagnosis.verdict import Diagnosis

# Tasks that do not need a host: a model's fit and a secret may apply to all hosts.
_HOSTLESS = ("fit", "secret")


def advice(
    found: Diagnosis, host: str = "", given: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return the advice as rows of (title, text): `fix`, `on the box`, `type`, without empty ones.

    host: of the failed server, added to the command. given: flags of the failed deploy
    (`--ctx=65536`), added to an advised deploy.
    """
    rows = (
        ("fix", found.fix),
        ("on the box", found.on_box),
        ("type", command(found.command, host, given)),
    )
    return tuple((title, text) for title, text in rows if text)


def command(text: str, host: str = "", given: Sequence[str] = ()) -> str:
    """Return an advised command, or several joined by `&&`, for this host and with these flags."""
    return " && ".join(_one(part, host, given) for part in text.split(" && ")) if text else ""


def _one(text: str, host: str, given: Sequence[str]) -> str:
    words = shlex.split(text)
    task, flags = words[1], {word for word in words if word.startswith("--")}
    if host and task not in _HOSTLESS and "--host" not in flags:
        text += f" --host {shlex.quote(host)}"
    if task == "deploy":
        added = [flag for flag in given if flag.partition("=")[0] not in flags]
        text += "".join(f" {shlex.quote(flag)}" for flag in added)
    return text
