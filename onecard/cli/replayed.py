"""The host of `--facts FILE`: facts from a file, and settings that need no connection."""

from __future__ import annotations

from pathlib import Path

from onecard.cli import targets
from onecard.doctor.replay import Replay, read_replay
from onecard.inventory.host import Host
from onecard.settings.connection import Connection
from onecard.settings.settings import Settings


def replayed(file: str, requested: str) -> tuple[Replay, Host]:
    """Return the facts of `--facts` and the host with the settings that they are checked against.

    file: `-` for standard input. requested: `--host`; without it every setting is at its default,
    because the box of a report is none of the inventory's. Raises UsageError.
    """
    shown = "standard input" if file == "-" else file
    replay = read_replay(Path("/dev/stdin" if file == "-" else file), shown)
    if requested:
        return replay, targets.chosen_host(requested)
    return replay, Host(shown, Connection(""), Settings())
