"""A saved log's bytes as text, in whatever form they were saved."""

from __future__ import annotations

import codecs
import json
import re

# The longer ones first: UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh", b"PK\x03\x04")
# A torn log may hold a block of zeros; a file that is mostly such signs is none.
_NO_TEXT = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_MOST_NO_TEXT = 0.2
_SAMPLE = 100_000
_DOCKER = '{"log":'


def log_text(data: bytes) -> str:
    """The log that a file holds, its line numbers kept.

    A byte order mark says how it is encoded, else it is UTF-8; Docker's json-file is unwrapped.
    Raises ValueError, in words that go on from the file's name, where it holds no log.
    """
    if data.startswith(_COMPRESSED):
        raise ValueError("is compressed; unpack it first")
    mark, encoding = next((m for m in _MARKS if data.startswith(m[0])), (b"", "utf-8"))
    # Python's newline translation would split progress bars into lines; this keeps them.
    text = data.removeprefix(mark).decode(encoding, "replace")
    if not text.strip("\x00 \t\r\n"):
        raise ValueError("is empty")
    sample = text[:_SAMPLE]
    if len(_NO_TEXT.findall(sample)) > _MOST_NO_TEXT * len(sample):
        raise ValueError("is no text, so no log")
    return "\n".join(map(_unwrapped, text.split("\n"))) if _DOCKER in sample else text


def _unwrapped(line: str) -> str:
    """What a line of Docker's json-file form says."""
    if not line.startswith(_DOCKER):
        return line
    try:
        return str(json.loads(line)["log"]).rstrip("\n")
    except (ValueError, KeyError, TypeError):
        return line
