"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "blocker", "unknown"]


@dataclass(frozen=True)
class Check:
    """What was checked, its status, and the fix.

    status: `unknown` where replayed facts do not have what the check reads.
    message: one line. fix: one line, what to do; empty when ok. source: the public
    document that the rule comes from.
    """

    name: str
    status: Status
    message: str
    fix: str = ""
    source: str = ""
