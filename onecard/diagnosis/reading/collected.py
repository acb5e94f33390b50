"""Turn the records of a log collector into the lines that the programs wrote.

Known are Docker's json-file, journald's json and json-pretty, any other JSON object a line with the
text under a usual key, and the parts of long lines that Docker and Kubernetes (CRI) split.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone

from onecard.json_text import parse_json

# The text of a record: journald, Docker, structured loggers, Google Cloud.
_TEXT_KEYS = ("MESSAGE", "log", "message", "msg", "textPayload")
_JOURNAL = "__REALTIME_TIMESTAMP"
# `journalctl -o json-seq` and `json-sse` put this before a record.
_LEADS = ("\x1e", "data: ")
_SPLIT = re.compile(r"(?P<head>\S+ (?P<stream>stdout|stderr) )P (?P<text>.*)")
_SAMPLE = 50


def plain_lines(text: str) -> str:
    """Return the log's text without the records around its lines; any other text unchanged."""
    lines = text.split("\n")
    if lines[0].strip() == "{":
        return "\n".join(_pretty(text))
    if any(_record(line) is not None for line in lines[:_SAMPLE]):
        return "\n".join(_from_json(lines))
    if any(_SPLIT.match(line) for line in lines):
        return "\n".join(_rejoined(lines))
    return text


def _record(line: str) -> dict[str, object] | None:
    for lead in _LEADS:
        line = line.removeprefix(lead)
    if not line.startswith("{"):
        return None
    try:
        record = parse_json(line)
    except ValueError:
        return None
    return record if any(key in record for key in _TEXT_KEYS) else None


def _from_json(lines: list[str]) -> Iterator[str]:
    started = ""
    for line in lines:
        record = _record(line)
        if record is None:
            yield line
        elif isinstance(part := record.get("log"), str) and not part.endswith("\n") and part:
            started += part  # Docker splits a line of more than 16 KiB
        else:
            yield from _lines_of(record, started)
            started = ""
    if started:
        yield started


def _pretty(text: str) -> Iterator[str]:
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        try:
            record, position = decoder.raw_decode(text, position)
        except ValueError:
            yield from text[position:].split("\n")
            return
        yield from _lines_of(record, "")
        while position < len(text) and text[position].isspace():
            position += 1


def _lines_of(record: dict[str, object], started: str) -> Iterator[str]:
    value = next((record[key] for key in _TEXT_KEYS if key in record), "")
    if isinstance(value, list):  # journald: bytes that are not UTF-8, or have control characters
        value = bytes(item for item in value if isinstance(item, int) and 0 <= item < 256)
        value = value.decode("utf-8", "replace")
    head = _journal_head(record) if _JOURNAL in record else ""
    text = started + str(value if value is not None else "")
    for line in text.removesuffix("\n").split("\n"):
        yield head + line


def _journal_head(record: dict[str, object]) -> str:
    """Return what `journalctl -o short-iso` writes before the message."""
    try:
        time = datetime.fromtimestamp(int(str(record[_JOURNAL])) / 1e6, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return ""
    name = record.get("SYSLOG_IDENTIFIER") or record.get("_COMM") or "unknown"
    process = record.get("_PID") or record.get("SYSLOG_PID")
    writer = f"{name}[{process}]" if process else str(name)
    return f"{time:%Y-%m-%dT%H:%M:%S+0000} {record.get('_HOSTNAME') or 'localhost'} {writer}: "


def _rejoined(lines: list[str]) -> Iterator[str]:
    """Join the parts of a line that a container runtime has split (P: partial, F: full)."""
    started: dict[str, str] = {}
    for line in lines:
        if part := _SPLIT.match(line):
            stream = part["stream"]
            started[stream] = started.get(stream, f"{part['head']}F ") + part["text"]
            continue
        stream = next((name for name in started if f" {name} F " in line[:80]), "")
        if stream:
            yield started.pop(stream) + line.split(f" {stream} F ", 1)[1]
        else:
            yield line
    yield from started.values()
