"""What is said of a server that reuses nothing of earlier prompts, though nobody chose so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

OFF: Final = (
    "prefix caching is off, as this vLLM comes for this model: each further question about the "
    "same text or pictures computes them again"
)
_FLAG: Final = "enable-prefix-caching"


def chosen(words: Sequence[str]) -> bool | None:
    """Return whether a server's command line turns it on or off; None where it says nothing."""
    if f"--no-{_FLAG}" in words:
        return False
    return True if f"--{_FLAG}" in words else None


def remedy(host: str) -> str:
    """Return what turns it on, and what shows the gain."""
    return f"invoke deploy --host {host} --{_FLAG}, then invoke cache --host {host}"
