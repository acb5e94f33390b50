"""What is remembered of a server's logins, by its name in known_hosts: a word in a private file.

It is the key exchange that was agreed on, or that the server is logged in to step by step. Nothing
depends on its truth: a wrong one costs a second connection.
"""

from __future__ import annotations

from contextlib import suppress

from onecard.private_files import private_file

ORDINARY = "ordinary"  # no algorithm has this name


def noted(name: str) -> str:
    """Return ORDINARY, the algorithm of the key exchange, or an empty text."""
    note = private_file("logins", name)
    if note is not None:
        with suppress(OSError, ValueError):
            return note.read_text("ascii")
    return ""


def note(name: str, word: str) -> None:
    """Remember ORDINARY, an algorithm, or nothing for an empty text."""
    file = private_file("logins", name)
    if file is not None:
        with suppress(OSError):
            file.touch(mode=0o600)
            file.write_text(word, "ascii")
