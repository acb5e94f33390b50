"""Output of a command: its error in one line, its one JSON document."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from onecard.errors import OnecardError


def debugging() -> bool:
    """Return whether --debug was given, before or after the task."""
    return "--debug" in sys.argv


def show_error(message: str, detail: str = "") -> None:
    """Print one line, and the detail indented below it, on standard error."""
    print(f"error: {message}", file=sys.stderr)
    for line in detail.splitlines():
        print(f"    {line}", file=sys.stderr)


def print_json(value: object) -> None:
    """Print the one JSON document that --json promises."""
    json.dump(value, sys.stdout, indent=2)
    print(flush=True)  # flush: a task may continue while its reader waits


def write_text(flag: str, to: str, text: str) -> bool:
    """Write a command's text to the file `to`, or to standard output where it is empty or `-`.

    Return whether it is in a file. Raises OnecardError, naming the flag, where that fails.
    """
    if to in ("", "-"):
        sys.stdout.write(text)
        return False
    try:
        Path(to).expanduser().write_text(text, encoding="utf-8")
    except OSError as error:
        raise OnecardError(f"{flag} {to}: cannot be written: {error.strerror}") from error
    return True
