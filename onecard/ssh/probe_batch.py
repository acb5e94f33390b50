"""Run many probes in one script, and parse the answer of each. Pure: no I/O.

Each probe runs in a subshell of its own with an empty standard input (the script itself is the
shell's standard input, and a probe that read it would swallow the probes after it). Two lanes take
the probes in their order, each the next that the other has not taken. What they print goes to files
in one folder, and all of it is sent at the end in one line of base64: the files' sizes and times,
then their contents. So no output, however odd, can be taken for a frame, and a probe costs no
process but its own.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from onecard.errors import ProbeError

_FRAME = "@onecard"
_LONGEST_ERRORS = 2000  # bytes

# A lane claims a probe by creating its file `.s`, which only one can; `.o` is its output, `.e` its
# errors, `.c` its exit code.
_LANES = r"""
_lane() {
  for _n in @numbers@; do
    set -C
    { true >"$_d/$_n.s"; } 2>/dev/null || { set +C; continue; }
    set +C
    "_$_n" </dev/null >"$_d/$_n.o" 2>"$_d/$_n.e"
    printf %s "$?" >"$_d/$_n.c"
  done
}
_lane &
_lane
wait
cd "$_d" || exit 70
printf '@frame@ '
{
  stat -c '%n %s %y' -- *.c *.e *.o *.s
  echo
  tail -q -c @longest@ -- *.c *.e
  cat -- *.o
} | base64 -w 0
echo
"""


@dataclass(frozen=True)
class Answer:
    """What a probe printed on standard output, the end of its standard error, its exit code.

    seconds: that it took, to some milliseconds (the clock of a file system).
    """

    output: str
    code: int = 0
    errors: str = ""
    seconds: float = field(default=0.0, compare=False)


def compose(probes: Mapping[str, str]) -> str:
    """Return one shell script that runs every probe and prints one frame with all answers.

    probes: name -> POSIX shell text, read-only.
    """
    lines = [
        # In memory where possible: a probe must succeed on a full disk too.
        "_d=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || exit 70",
        "trap 'rm -rf \"$_d\"' EXIT",
    ]
    for number, text in enumerate(probes.values()):
        lines += [f"_{number}() (", text.rstrip("\n"), ")"]
    numbers = " ".join(map(str, range(len(probes))))
    lanes = _LANES.replace("@numbers@", numbers).replace("@frame@", _FRAME)
    return "\n".join(lines) + lanes.replace("@longest@", str(_LONGEST_ERRORS))


def parse(output: str, names: Iterable[str]) -> dict[str, Answer]:
    """Return every probe's answer from the script's output.

    names: of the probes, in the order that `compose` was given. Raises ProbeError for an answer
    that is garbled, or naming the first probe whose answer is missing.
    """
    frame = next((line for line in output.splitlines() if line.startswith(f"{_FRAME} ")), None)
    if frame is None:
        raise ProbeError(
            "no answer from the box to the probes: the script ended early", detail=output[-2000:]
        )
    try:
        files = dict(_files(base64.b64decode(frame.removeprefix(f"{_FRAME} "), validate=True)))
    except (ValueError, binascii.Error) as error:
        raise ProbeError(f"garbled answer from the box: {frame[:80]!r}") from error
    answers = {}
    for number, name in enumerate(names):
        code = files.get(f"{number}.c", _Piece(b"", 0.0)).content
        if not re.fullmatch(rb"[0-9]{1,3}", code):
            raise ProbeError(f"no answer from the box to the probe {name!r}: it ended early")
        answers[name] = _answer(files, number)
    return answers


@dataclass(frozen=True)
class _Piece:
    content: bytes
    changed: float  # seconds of its day


def _answer(files: Mapping[str, _Piece], number: int) -> Answer:
    code, begun = files[f"{number}.c"], files[f"{number}.s"]
    return Answer(
        files[f"{number}.o"].content.decode("utf-8", "replace"),
        int(code.content),
        files[f"{number}.e"].content.decode("utf-8", "replace"),
        (code.changed - begun.changed) % 86400,
    )


def _files(data: bytes) -> Iterator[tuple[str, _Piece]]:
    """Yield each file's name and content. Raises ValueError when the sizes do not add up."""
    listing, _, contents = data.partition(b"\n\n")
    at = 0
    for line in listing.decode("ascii").splitlines():
        name, size, _, clock, _ = line.split(" ")
        length = min(int(size), _LONGEST_ERRORS) if name.endswith(".e") else int(size)
        yield name, _Piece(contents[at : at + length], _seconds(clock))
        at += length
    if at != len(contents):
        raise ValueError("the sizes do not add up")


def _seconds(clock: str) -> float:
    hours, minutes, seconds = clock.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
