"""Many questions to a box in one script, and the answers told apart again. Pure: no I/O.

Each probe runs in a subshell of its own with an empty standard input (the script itself is the
shell's standard input, and a probe that read it would swallow the probes behind it). Its output
travels in base64 on a line of its own with its exit code and its seconds, so that no output,
however odd, can be taken for a frame.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onecard.errors import ProbeError

_FRAME = "@onecard"


@dataclass(frozen=True)
class Answer:
    """What a probe printed on standard output, the end of its standard error, its exit code."""

    output: str
    code: int = 0
    errors: str = ""


def compose(probes: Mapping[str, str]) -> str:
    """Return one shell script that runs every probe and prints one frame for each.

    probes: name -> POSIX shell text, read-only. Names hold no whitespace.
    """
    lines = [
        "_out=$(mktemp) _err=$(mktemp) || exit 70",
        'trap \'rm -f "$_out" "$_err"\' EXIT',
    ]
    for name, text in probes.items():
        lines += [
            "(",
            text.rstrip("\n"),
            ') </dev/null >"$_out" 2>"$_err"; _code=$?',
            f"printf '{_FRAME} %s %s ' {name} \"$_code\"",
            'base64 <"$_out" | tr -d "\\n"; printf " "',
            'tail -c 2000 "$_err" | base64 | tr -d "\\n"; echo',
        ]
    return "\n".join(lines) + "\n"


def parse(output: str, names: Iterable[str]) -> dict[str, Answer]:
    """Return every probe's answer from the script's output.

    Raises ProbeError naming the first probe whose answer is missing or garbled.
    """
    answers: dict[str, Answer] = {}
    for line in output.splitlines():
        if not line.startswith(_FRAME + " "):
            continue
        fields = line.split(" ")
        try:
            _, name, code, out, err = fields
            answers[name] = Answer(_decode(out), int(code), _decode(err))
        except (ValueError, binascii.Error) as error:
            raise ProbeError(f"garbled answer from the box: {line[:80]!r}") from error
    for name in names:
        if name not in answers:
            raise ProbeError(
                f"no answer from the box to the probe {name!r}: the script ended early",
                detail=output[-2000:],
            )
    return answers


def _decode(text: str) -> str:
    return base64.b64decode(text, validate=True).decode("utf-8", "replace")
