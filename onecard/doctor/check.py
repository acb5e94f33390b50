"""One check's outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "blocker"]


@dataclass(frozen=True)
class Check:
    """What was looked at, and what to do when it is not right.

    message: one line. fix: one line, what to do; empty when ok. source: the public name of where
    the rule comes from.
    """

    name: str
    status: Status
    message: str
    fix: str = ""
    source: str = ""
