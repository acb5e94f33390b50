"""uv's and pip's messages about packages that a folder of wheels lacks. Pure."""

from __future__ import annotations

import re

# uv 0.13: what it says with --no-index and --find-links. A wheel that is there may be for another
# Python or platform.
_ABSENT = (
    re.compile(r"(?P<package>\S+) was not found in the provided package locations"),
    re.compile(r"there (?:is|are) no versions? of (?P<package>[^\s,]+)"),
    re.compile(r"only \S+ is available and (?:you require|\S+ depends on) (?P<package>[^\s,]+)"),
    re.compile(r"No matching distribution found for (?P<package>\S+)"),
)
_OTHER = re.compile(
    r"(?P<package>\S+) has no wheels with a matching (?P<tag>.*? tag \(e\.g\., .*?\))"
)


def missing_wheel(output: str) -> str:
    """Return what a folder lacks, as `numpy==2.0` or `numpy with a matching ...`; '' if nothing."""
    text = " ".join(output.split())
    other = _OTHER.search(text)
    if other:
        return f"{other['package']} with a matching {other['tag']}"
    found = (pattern.search(text) for pattern in _ABSENT)
    return next((each["package"] for each in found if each), "")
