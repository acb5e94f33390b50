"""Judge whether an answer is right: by whole words, ignoring case and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> frozenset[str]:
    """Return the words of `text`: runs of letters and digits, case folded, Unicode NFKC."""
    return frozenset(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def contains(text: str, entry: str) -> bool:
    """Return whether every word of `entry` is a word of `text`, in any order."""
    return words(entry) <= words(text)


def is_right(text: str, expect: Iterable[str], forbid: Iterable[str] = ()) -> bool:
    """Return whether `text` contains at least one entry of `expect` and none of `forbid`.

    Plurals and spellings are other words: `eggs` is right only where `expect` lists it.
    """
    if any(contains(text, entry) for entry in forbid):
        return False
    return any(contains(text, entry) for entry in expect)
