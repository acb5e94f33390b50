"""Reads records, also those that were cut off in the middle of a line."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from onecard.errors import UsageError
from onecard.json_text import parse_json
from onecard.project import runs_folder
from onecard.records.folder import PICTURES, folder_name
from onecard.records.write import VERSION


@dataclass(frozen=True)
class Run:
    """One record.

    events: in order, the `begin` first. broken: lines that could not be read, which are left out.
    """

    path: Path
    events: tuple[dict[str, Any], ...]
    broken: int = 0

    @property
    def begin(self) -> dict[str, Any]:
        """Return the first event."""
        return self.events[0]

    @property
    def kind(self) -> str:
        """Return the command that it is a run of, such as `deploy` or `bench`."""
        return str(self.begin.get("kind", ""))

    @property
    def host(self) -> str:
        """Return the host's name."""
        return str(self.begin.get("host", ""))

    @property
    def model_source(self) -> str:
        """Return the setting model.source of the run; empty if it is not recorded."""
        value: Any = self.begin
        for key in ("settings", "model", "source"):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""

    @property
    def time(self) -> str:
        """Return when it began, UTC."""
        return str(self.begin.get("time", ""))

    @property
    def end(self) -> dict[str, Any] | None:
        """Return the last event when it is an `end`: a resumed run has none."""
        last = self.events[-1]
        return last if last.get("event") == "end" else None

    @property
    def status(self) -> str:
        """Return `done`, `failed`, `interrupted`, or `open`: it still runs, or was killed."""
        return str(self.end.get("status", "done")) if self.end else "open"

    @property
    def seconds(self) -> float:
        """Return the time from its begin to its last event."""
        return seconds_between(self.time, str(self.events[-1].get("time", "")))

    def all(self, event: str) -> list[dict[str, Any]]:
        """Return the events of one kind, in order."""
        return [each for each in self.events if each.get("event") == event]

    def last(self, event: str) -> dict[str, Any] | None:
        """Return the last event of one kind."""
        found = self.all(event)
        return found[-1] if found else None

    @property
    def failure(self) -> dict[str, Any] | None:
        """Return the last `failure`, unless the run has gone on behind it."""
        for each in reversed(self.events):
            if each.get("event") in ("failure", "resume"):
                return each if each["event"] == "failure" else None
        return None


def seconds_between(earlier: str, later: str) -> float:
    """Return the seconds between two times of events; 0 where one of them is none."""
    try:
        first, last = (
            datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (earlier, later)
        )
    except ValueError:
        return 0.0
    return (last - first).total_seconds()


def read_run(path: Path) -> Run:
    """Read one record; a broken line is counted and left out.

    Raises UsageError for a file that is not a record, or one of a newer onecard's.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    events = []
    broken = 0
    for line in lines:
        event = _event(line)
        if event is not None:
            events.append(event)
        elif line.strip():
            broken += 1
    if not events or events[0].get("event") != "begin":
        raise UsageError(f"{path}: this is not a record of a run: it has no begin")
    version = events[0].get("version")
    if not isinstance(version, int) or version > VERSION:
        raise UsageError(f"{path}: a record of version {version}; onecard reads up to {VERSION}")
    return Run(path, tuple(events), broken)


def find_runs(host: str = "", folder: Path | None = None) -> tuple[list[Run], list[str]]:
    """Return every readable record, oldest first, and a line for each that is none.

    host: only this host's.
    """
    runs, trouble = [], []
    mine = folder_name(host) if host else "*"
    for path in sorted((folder or runs_folder()).glob(f"{mine}/*.jsonl")):
        if path.parent.name == PICTURES:
            continue
        try:
            run = read_run(path)
        except UsageError as error:
            trouble.append(error.message)
            continue
        if host in ("", run.host):
            runs.append(run)
    return sorted(runs, key=lambda run: (run.time, run.path.name)), trouble


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and isinstance(value.get("event"), str) else None
