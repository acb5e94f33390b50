"""What every script on a box can call: defined in each shell there before the script begins."""

from __future__ import annotations

from onecard.box import services

# dash's own `echo` interprets backslashes in its text as escapes: a path or a name with one would
# come back changed.
_ECHO = r"""echo() { printf '%s\n' "$*"; }"""

PRELUDE = f"{_ECHO}\n{services.SHELL}"
