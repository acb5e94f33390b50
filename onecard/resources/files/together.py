"""Reads many paths in one pass: one `stat`, one `sha256sum` and one `head` for all of them."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from onecard.resources.base import Resource
from onecard.ssh.probe_batch import Answer

STAT = "%F=%a=%U=%G"
LONGEST_SHOWN = 65536  # bytes of a file that a diff shows

# The shell itself tests each path; only those that are there, or are files, reach the programs.
_SCRIPT = r"""
_each() {
  for path in @paths@; do "$1"; done
}
_kind() { if [ -f "$path" ]; then printf f; elif [ -e "$path" ]; then printf e; else printf -; fi; }
_there() { [ ! -e "$path" ] || printf '%s\0' "$path"; }
_file() { [ ! -f "$path" ] || printf '%s\0' "$path"; }
_each _kind
echo
_each _there | xargs -0 -r stat -c '@stat@' --
"""
_DIGESTS = r"""
_each _file | xargs -0 -r sha256sum -- | sed 's/^\\//; s/ .*//'
"""
_CONTENTS = r"""
_each _file | xargs -0 -r stat -L -c %s --
_each _file | xargs -0 -r head -q -c @longest@ -- | base64 -w 0
echo
"""


@dataclass(frozen=True)
class AtPath(Resource):
    """A resource that is one path."""

    path: str

    @property
    def place(self) -> str:
        """Return the path as one word of shell."""
        return shlex.quote(self.path)


@dataclass(frozen=True)
class Together:
    """Reads resources that are one path.

    digests: also the SHA-256 of files; contents: also the beginning of their contents.
    """

    digests: bool = False
    contents: bool = False

    def probe(self, resources: Sequence[Resource]) -> str:
        """Return shell that prints which paths are there, and what `stat` and the others say."""
        paths = " ".join(each.place for each in resources if isinstance(each, AtPath))
        script = _SCRIPT + self.digests * _DIGESTS + self.contents * _CONTENTS
        script = script.replace("@stat@", STAT).replace("@longest@", str(LONGEST_SHOWN))
        return script.replace("@paths@", paths).strip()

    def split(self, resources: Sequence[Resource], answer: Answer) -> Sequence[Answer]:
        """Return each resource's part. Raises ValueError when the parts do not add up."""
        if answer.code:
            raise ValueError(answer.code)
        kinds, *lines = answer.output.split("\n")
        if len(kinds) != len(resources):
            raise ValueError("another number of paths")
        files, there = kinds.count("f"), len(kinds) - kinds.count("-")
        stats, lines = lines[:there], lines[there:]
        digests, lines = (lines[:files], lines[files:]) if self.digests else ([], lines)
        contents = list(_contents(lines[:files], lines[files])) if self.contents else []
        if len(stats) != there or len(digests) not in (0, files):
            raise ValueError("another number of lines")
        return list(_answers(kinds, iter(stats), iter(digests), iter(contents)))


def _answers(
    kinds: str, stats: Iterator[str], digests: Iterator[str], contents: Iterator[str]
) -> Iterator[Answer]:
    for kind in kinds:
        if kind == "-":
            yield Answer("", 1)
            continue
        rows = [next(stats)]
        if kind == "f":
            rows += [row for row in (next(digests, None), next(contents, None)) if row is not None]
        yield Answer("".join(f"{row}\n" for row in rows))


def _contents(sizes: Sequence[str], encoded: str) -> Iterator[str]:
    """Yield the beginning of each file, in base64."""
    data, at = base64.b64decode(encoded, validate=True), 0
    for size in sizes:
        length = min(int(size), LONGEST_SHOWN)
        yield base64.b64encode(data[at : at + length]).decode()
        at += length
    if at != len(data):
        raise ValueError("a file has changed while it was read")
