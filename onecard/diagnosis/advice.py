"""A diagnosis' advice as it is printed: what to do, what to type on the box, what to type here."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onecard.diagnosis.verdict import Diagnosis

# Tasks for which a host is no matter of course: a model's fit and a secret may be every host's.
_HOSTLESS = ("fit", "secret")


def advice(
    found: Diagnosis, host: str = "", given: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """What to do in rows of (title, text): `fix`, `on the box`, `type`; those with a text.

    host: the failed server's, to be named in the command. given: the flags that the failed deploy
    was given (`--ctx=65536`), which the one to be typed must be given too.
    """
    rows = (
        ("fix", found.fix),
        ("on the box", found.on_box),
        ("type", command(found.command, host, given)),
    )
    return tuple((title, text) for title, text in rows if text)


def command(text: str, host: str = "", given: Sequence[str] = ()) -> str:
    """An advised command, or several joined by `&&`, for this host and with these flags."""
    return " && ".join(_one(part, host, given) for part in text.split(" && ")) if text else ""


def _one(text: str, host: str, given: Sequence[str]) -> str:
    words = shlex.split(text)
    task, flags = words[1], {word for word in words if word.startswith("--")}
    if host and task not in _HOSTLESS and "--host" not in flags:
        text += f" --host {shlex.quote(host)}"
    if task == "deploy":
        kept = [flag for flag in given if flag.partition("=")[0] not in flags]
        text += "".join(f" {shlex.quote(flag)}" for flag in kept)
    return text
