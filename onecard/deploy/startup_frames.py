"""Parses the frames that onecard/box/tell.py writes; a malformed one is an ordinary line."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from onecard.box.tell import MARK


class _Frame(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class JournalLine(_Frame):
    """A line of the journal as it is written."""

    line: str


class Past(_Frame):
    """A line of the journal of a server that has long been up."""

    past: str


class Waiting(_Frame):
    """No answer yet."""

    event: Literal["waiting"]


class Answered(_Frame):
    """The release answered; `seconds` to then, `memory` as in startup_check.StartAttempt."""

    event: Literal["answered"]
    release: int
    seconds: float
    memory: list[dict[str, int]]
    already: bool = False


class Failed(_Frame):
    """The release did not answer. release: 0 where what is installed is none."""

    event: Literal["failed"]
    release: int
    reason: str


class Back(_Frame):
    """Another release replaces the one that failed."""

    event: Literal["back"]
    release: int


class Stopped(_Frame):
    """Nothing runs now."""

    event: Literal["stopped"]


Frame = JournalLine | Past | Waiting | Answered | Failed | Back | Stopped
_FRAME: TypeAdapter[Frame] = TypeAdapter(Frame)


def read_frame(text: str) -> Frame | None:
    """Return the frame that a line holds, None for any other line."""
    mark, _, body = text.partition(" ")
    if mark != MARK:
        return None
    try:
        return _FRAME.validate_json(body)
    except ValidationError:
        return None
