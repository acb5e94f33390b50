"""The sides of `--compare A B`: a host, a host at a time or a context length, or one record.

box1                      everything recorded of box1
box1:65536                only what was measured at 65,536 tokens of context
box1@2026-11-23T21:00     the records up to that time (UTC), such as before an upgrade
runs/box1/20261123T210000Z-bench.jsonl     this run alone
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from onecard.errors import UsageError
from onecard.records import Run, read_run
from onecard.report.evidence.evidence import Evidence
from onecard.report.evidence.files import data_urls, model_shape

_SUFFIX = re.compile(r"(?:@(?P<time>\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?))?(?::(?P<ctx>\d+))?")


def side(text: str, runs: Sequence[Run], folder: Path) -> Evidence:
    """Return the evidence of the side that `text` names; `folder` is that of the runs.

    Raises UsageError, which lists the valid forms and the hosts.
    """
    if text.endswith(".jsonl"):
        run = read_run(Path(text))
        return gathered(f"{run.host} {run.path.stem}", (run,), folder)
    # A host's name may hold @ and : itself, as in root@203.0.113.10:22.
    for host in sorted({run.host for run in runs}, key=len, reverse=True):
        suffix = _SUFFIX.fullmatch(text[len(host) :]) if text.startswith(host) else None
        if suffix is None:
            continue
        until = _until(suffix["time"])
        matching = tuple(run for run in runs if run.host == host and run.time <= until)
        if not matching:
            raise UsageError(
                f"--compare {text}: {host} has no record up to that time; list them: invoke runs"
            )
        ctx = int(suffix["ctx"]) if suffix["ctx"] else None
        return gathered(text, matching, folder, ctx)
    known = ", ".join(sorted({run.host for run in runs})) or "none yet"
    raise UsageError(
        f"--compare {text}: give HOST, HOST:CTX, HOST@TIME or a record's file; hosts with records: "
        f"{known}"
    )


def gathered(label: str, runs: Sequence[Run], folder: Path, ctx: int | None = None) -> Evidence:
    """Return the evidence of runs of one host, with the files that they refer to."""
    return Evidence(
        label, runs[0].host, tuple(runs), ctx, data_urls(runs, folder), model_shape(runs)
    )


def _until(time: str | None) -> str:
    """Return a string that sorts after every run time up to `time` (day, minute or second)."""
    if time is None:
        return "~"
    return f"{time.rstrip('Z')}~" if "T" in time else f"{time}T~"
