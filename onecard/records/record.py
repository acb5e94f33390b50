"""The record of one run, as a command writes it.

with recorded("smoke", host) as record:
    ...
    record.add("case", name="01-colour", passed=True)
    record.exit_code = 0 if report.ok else 1
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onecard import __version__
from onecard.engine.host_report import HostReport
from onecard.errors import OnecardError
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.records.facts import facts_table
from onecard.records.folder import new_file
from onecard.records.pictures import store_picture
from onecard.records.write import VERSION, LineWriter


class Record:
    """What a run writes into. exit_code: the command's exit code, 0 unless set.

    path: None where no record is written; every method then does nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.exit_code = 0
        self.path = path
        self._writer: LineWriter | None = None
        if path is not None:
            self._try(lambda: setattr(self, "_writer", LineWriter(path)))

    def add(self, event: str, /, **values: Any) -> None:
        """Append one event; a Secret among the values, or text that holds one, is masked."""
        writer = self._writer
        if writer is not None:
            self._try(lambda: writer.add(event, values))

    def facts(self, facts: Facts, software: Mapping[str, str] | None = None) -> None:
        """Write what the box is, for the table of hardware and software."""
        self.add("facts", **facts_table(facts, software or {}))

    def failure(self, error: OnecardError, **also: Any) -> None:
        """Write an error. also: further values, such as the diagnosis of the log."""
        self.add("failure", message=error.message, detail=error.detail, **also)

    def picture(self, path: Path | None) -> dict[str, str] | None:
        """Store a picture beside the records and return how an event names it."""
        if path is None or self._writer is None:
            return None
        stored: list[dict[str, str]] = []
        self._try(lambda: stored.append(store_picture(path)))
        return stored[0] if stored else None

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            self._writer = None
            where = error.filename or self.path
            print(f"warning: no record is written: {where}: {error.strerror}", file=sys.stderr)


def _file(host: Host, kind: str) -> Path | None:
    try:
        return new_file(host.name, kind)
    except OSError as error:
        print(
            f"warning: no record is written: {error.filename}: {error.strerror}; set "
            "ONECARD_RUNS to another folder",
            file=sys.stderr,
        )
        return None


@contextmanager
def recorded(
    kind: str,
    host: Host,
    parameters: Mapping[str, Any] | None = None,
    *,
    keep: bool = True,
    resume: Path | None = None,
    report: HostReport | None = None,
) -> Iterator[Record]:
    """Open the record of a run and close it with how the run ended, also after an error.

    parameters: the command's flags beside the host's settings. keep: False for a run that changes
    nothing and leaves no record. resume: the record of an interrupted run, to append to.
    report: filled in by the run; written at its end, however it ends.
    """
    record = Record((resume or _file(host, kind)) if keep else None)
    if resume is None:
        record.add(
            "begin",
            version=VERSION,
            kind=kind,
            host=host.name,
            command=["invoke", *sys.argv[1:]],
            onecard=__version__,
            parameters=parameters or {},
            **settings_of(host),
        )
    else:
        record.add("resume", command=["invoke", *sys.argv[1:]])
    try:
        yield record
    except BaseException as error:
        record.exit_code = error.exit_code if isinstance(error, OnecardError) else 1
        _note_report(record, report)
        interrupted = isinstance(error, (KeyboardInterrupt, SystemExit))
        if isinstance(error, OnecardError):
            record.failure(error)
        elif not interrupted:
            record.add("failure", message=f"unexpected {type(error).__name__}: {error}", detail="")
        _end(record, "interrupted" if interrupted else "failed")
        raise
    _note_report(record, report)
    _end(record, "failed" if record.exit_code else "done")


def settings_of(host: Host) -> dict[str, Any]:
    """Return a host's settings and, where it has one, its version lock, as `begin` holds them."""
    settings = {"settings": host.settings.model_dump(mode="json", by_alias=True)}
    return {**settings, "lock": host.lock.model_dump(mode="json")} if host.lock else settings


def _note_report(record: Record, report: HostReport | None) -> None:
    if report is not None:
        record.add("report", **report.to_json())


def _end(record: Record, status: str) -> None:
    record.add("end", status=status, exit_code=record.exit_code)
    record.close()
