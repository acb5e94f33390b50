"""Records of runs: one file of JSON lines for each, written as the run goes.

docs/records.md defines the format. Writing never stops a command: a folder that can't be written
to costs the record and one line of warning, not the work.
"""

from __future__ import annotations

from onecard.records.read import Run, find_runs, read_run
from onecard.records.record import Record, recorded
from onecard.records.write import VERSION, LineWriter

__all__ = ["VERSION", "LineWriter", "Record", "Run", "find_runs", "read_run", "recorded"]
