"""`invoke report`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from onecard.cli import flag_values, targets
from onecard.cli.output import write_text
from onecard.errors import UsageError
from onecard.project import runs_folder
from onecard.records import Run, find_runs
from onecard.records.folder import folder_name
from onecard.records.write import plain
from onecard.report.blocks.blocks import Page
from onecard.report.compare.page import compare
from onecard.report.evidence.sides import gathered, side
from onecard.report.page import page
from onecard.report.writers.as_json import to_json
from onecard.report.writers.html import to_html
from onecard.report.writers.markdown import to_markdown

SUFFIXES: Final = {"html": ".html", "md": ".md", "json": ".json"}


def report(requested: str, *, pair: tuple[str, str] | None, out: str, kind: str) -> int:
    """Write the report of a host, or of two sides; reads records only, never a box."""
    wanted = _format(kind, out)
    runs, trouble = find_runs()
    for line in trouble:
        print(f"warning: {line}", file=sys.stderr)
    runs = [_masked(run) for run in runs]
    if pair is None:
        host = _host(requested, runs)
        mine = [run for run in runs if run.host == host]
        made = page(gathered(host, mine, runs_folder()))
        name = f"report-{folder_name(host)}"
    else:
        if requested:
            raise UsageError("--compare names its sides itself: leave out --host")
        made = compare(*(side(text, runs, runs_folder()) for text in pair))
        name = "report-" + "-and-".join(map(_side_name, pair))
    text, to = _text(made, wanted), out or name + SUFFIXES[wanted]
    if write_text("--out", to, text):
        size_kib = len(text.encode()) / 1024
        print(f"report: {Path(to).expanduser()} ({size_kib:,.0f} KiB)", file=sys.stderr)
    return 0


def _side_name(text: str) -> str:
    """Return a side as part of a file's name; of a record's file, without its folder."""
    record = text.endswith(".jsonl")
    return folder_name(Path(text).name.removesuffix(".jsonl") if record else text)


def _format(kind: str, out: str) -> str:
    """Return html, md or json: as requested, else as the file's name ends, else html."""
    if kind:
        return flag_values.one_of("--format", kind, SUFFIXES)
    ending = Path(out).suffix.lower()
    return next((name for name, suffix in SUFFIXES.items() if suffix == ending), "html")


def _host(requested: str, runs: Sequence[Run]) -> str:
    """Return the host's name; one that has records need not be in the inventory any more."""
    recorded = {run.host for run in runs}
    host = requested if requested in recorded else targets.chosen_host(requested).name
    if host not in recorded:
        raise UsageError(
            f"nothing of {host} is recorded in {runs_folder()}; make a first record: "
            f"invoke smoke --host {host}"
        )
    return host


def _masked(run: Run) -> Run:
    """Mask values that were stored as secrets after the record was written."""
    return replace(run, events=tuple(plain(event) for event in run.events))


def _text(made: Page, kind: str) -> str:
    if kind == "html":
        return to_html(made)
    if kind == "md":
        return to_markdown(made)
    return json.dumps(to_json(made), indent=2, ensure_ascii=False) + "\n"
