"""Output of the startup check: the server's journal and the check's own events, in frames.

A frame is one line, `@onecard-release {...}`: JSON, so that no line of a server's log can end it
early or look like another. A lock makes threads write whole frames only.

    {"event": NAME, ...}    release.py lists them
    {"line": TEXT}          a line of the journal as it comes
    {"past": TEXT}          a line of the journal of a server that has long been up
"""

from __future__ import annotations

import json
import sys
import threading

MARK = "@onecard-release"
_LOCK = threading.Lock()


def emit(event: str, **values: object) -> None:
    """Write one event."""
    _write({"event": event, **values})


def forward(line: bytes, kind: str = "line") -> None:
    """Write one line of the journal. kind: `line` or `past`."""
    _write({kind: line.decode("utf-8", "replace").rstrip("\r\n")})


def _write(frame: dict[str, object]) -> None:
    text = f"{MARK} {json.dumps(frame)}\n"
    with _LOCK:
        sys.stdout.write(text)
        sys.stdout.flush()
