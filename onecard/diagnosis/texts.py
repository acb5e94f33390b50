"""Fill a rule's text with the values of a log; what a log does not hold is never made up.

"Port {port} is taken." needs a port in every match of the rule. A part in double brackets does not:

    "[[Port {port}||The port]] is taken[[ by {who}]]."    without both: "The port is taken."
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping

_PART = re.compile(r"\[\[(?P<exact>.*?)(?:\|\|(?P<general>.*?))?\]\]")


class _Values(dict[str, str]):
    """Values of names; one that is missing shows as in the documentation, in capitals."""

    def __missing__(self, name: str) -> str:
        return name.upper()


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return `template` with its names replaced by `values`.

    A part in [[ ]] with a name that has no value becomes its text after ||, or nothing.
    """

    def chosen(part: re.Match[str]) -> str:
        exact = part["exact"]
        return exact if names(exact) <= values.keys() else part["general"] or ""

    return _PART.sub(chosen, template).format_map(_Values(values)).strip()


def names(template: str) -> set[str]:
    """Return the names in `template`."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def needed_names(template: str) -> set[str]:
    """Return the names in `template` for which there is no general text."""
    return names(_PART.sub(lambda part: part["general"] or "", template))


def exact_text(template: str) -> str:
    """Return `template` with the exact text of each part, its names unfilled."""
    return _PART.sub(lambda part: part["exact"], template)
