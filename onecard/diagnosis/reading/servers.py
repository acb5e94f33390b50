"""Split a log in which several servers write, by the name that a collector puts before each line.

docker compose logs `NAME | text`, kubectl logs --prefix `[pod/NAME/CONTAINER] text`, and a journal
`TIME HOST NAME[PID]: text`.
"""

from __future__ import annotations

import re

_NAMES = (
    re.compile(r"(?P<name>[\w.-]{1,64}?)\s*\| "),
    re.compile(r"\[(?P<name>pod/[^\]\s]{1,200})\] "),
    re.compile(
        r"(?:[A-Z][a-z]{2} [ \d]\d [\d:]{8}|\d{4}-\d\d-\d\dT\S{8,30}) [^\s:]{1,255}"
        r" (?P<name>[^\s\[\]:]{1,64})(?:\[\d{1,10}\])?: "
    ),
)
# What only an API server of vLLM logs.
_MARKS = ("vLLM API server version", "(APIServer pid=", "Initializing a V1 LLM engine")


def by_server(text: str) -> tuple[str, ...]:
    """Return the text of each server, with blank lines for the others'; the text itself for one."""
    if not any(mark in text for mark in _MARKS):
        return (text,)
    lines = text.split("\n")
    for pattern in _NAMES:
        names = [match["name"] if (match := pattern.match(line)) else "" for line in lines]
        servers: dict[str, None] = {}
        for name, line in zip(names, lines, strict=True):
            if name and name not in servers and any(mark in line for mark in _MARKS):
                servers[name] = None
        if len(servers) > 1:
            return tuple(
                "\n".join(
                    line if name == server or name not in servers else ""
                    for name, line in zip(names, lines, strict=True)
                )
                for server in servers
            )
    return (text,)
