"""Decode the bytes of a saved log, in any common encoding, compression or format."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO

from onecard.diagnosis.reading.collected import plain_lines

# The longer ones first: UTF-32's mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OPENERS: Mapping[bytes, Callable[[BinaryIO], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
}
_COMPRESSED = (b"\x28\xb5\x2f\xfd", b"PK\x03\x04")  # zstd and zip
# A log of this size, unpacked, is diagnosed in minutes; more is a mistake.
_LARGEST = 512 * 1024**2
# A damaged log may hold a block of zeros; a file mostly of such characters is not a log.
_NO_TEXT = re.compile("[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f\ufffd]")
_MOST_NO_TEXT = 0.2
_SAMPLE = 100_000


def log_text(data: bytes) -> str:
    """Return the log in a file, or on standard input.

    gzip, bzip2 and xz are unpacked; a byte order mark sets the encoding, else it is UTF-8; the
    records of log collectors become lines (collected.py).
    Raises ValueError, with a message to follow the file's name, if it holds no log.
    """
    data = _unpacked(data)
    mark, encoding = next((m for m in _MARKS if data.startswith(m[0])), (b"", "utf-8"))
    # Python's newline translation would split progress bars into lines; split("\n") does not.
    text = data.removeprefix(mark).decode(encoding, "replace")
    if not text.strip("\x00 \t\r\n"):
        raise ValueError("is empty")
    sample = text[:_SAMPLE]
    if len(_NO_TEXT.findall(sample)) > _MOST_NO_TEXT * len(sample):
        raise ValueError("is not text, so it is not a log")
    return plain_lines(text)


def _unpacked(data: bytes) -> bytes:
    if data.startswith(_COMPRESSED):
        raise ValueError("is compressed (zip or zstd); unpack it first")
    opener = next((opener for magic, opener in _OPENERS.items() if data.startswith(magic)), None)
    if opener is None:
        return data
    try:
        with opener(io.BytesIO(data)) as file:
            unpacked = file.read(_LARGEST + 1)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise ValueError(f"is compressed, and damaged: {error}") from error
    if len(unpacked) > _LARGEST:
        raise ValueError(f"is more than {_LARGEST // 1024**2} MiB when unpacked")
    return unpacked
