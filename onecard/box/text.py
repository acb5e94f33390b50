"""Small text files and their `KEY=VALUE` lines."""

from __future__ import annotations

from pathlib import Path


def read(path: Path) -> str:
    """Return a file's text without the white space around it, empty if it does not exist."""
    return path.read_text().strip() if path.exists() else ""


def fields(text: str) -> dict[str, str]:
    """Return `KEY=VALUE` lines as a mapping."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, middle, value in pairs if middle}
