"""Measures several context lengths on a box, and restores what ran before."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from onecard.console.host_console import HostConsole
from onecard.errors import PreflightError
from onecard.facts import Facts
from onecard.fit.on_host import read_box_model
from onecard.inventory.host import Host, with_api_key
from onecard.measure.prior_release import PriorRelease, restore_prior, save_prior
from onecard.measure.scale.context import COMMAND, measure_context
from onecard.measure.scale.fit_verdict import FitVerdict, verdict
from onecard.measure.scale.pace import Took, pace_of
from onecard.measure.scale.resume import to_resume
from onecard.records import Record, recorded
from onecard.records.write import plain
from onecard.smoke.recorded import note_box
from onecard.ssh.login import Connected, connected, holder
from roles import serve


@dataclass(frozen=True)
class ScaleResult:
    """A row for each context. exit_code: 0 when all are served, and filled by a right answer."""

    rows: list[dict[str, Any]]
    exit_code: int


def run_scale(
    host: Host,
    contexts: Sequence[int],
    known_hosts: Path,
    console: Console,
    show_error: Callable[[str, str], None],
    *,
    try_all: bool,
    fresh: bool,
) -> ScaleResult:
    """Measure each context length; resume an interrupted run unless `fresh`.

    try_all: also those that the plan refuses. show_error: called with the message and the details
    when what ran before cannot be restored.
    """
    serve.command(host)  # refuses a wrong setting before any connection
    host = with_api_key(host)
    parameters = {"contexts": list(contexts), "try_all": try_all}
    earlier = None if fresh else to_resume(host, parameters)
    rows = [_values(row) for row in earlier.all("row")] if earlier else []
    if earlier:
        console.print(
            f"{host.name}: going on with the run of {earlier.time[:19]}: {len(rows)} of "
            f"{len(contexts)} contexts are done (--fresh begins anew)",
            markup=False,
            soft_wrap=True,
        )
    before: PriorRelease | None = None
    with recorded(COMMAND, host, parameters, resume=earlier.path if earlier else None) as record:
        try:
            with connected(host, known_hosts) as box:
                facts = note_box(record, box, holder(COMMAND))
                run = ScaleRun(box, facts, try_all=try_all, console=console, record=record)
                before = save_prior(box.session)
                record.add("before", **vars(before))
                run.all(contexts, rows)
        finally:
            trouble = before and restore_prior(
                host, known_hosts, before, console, record, command=COMMAND
            )
            if trouble:
                message = f"{trouble.message}; to put the server right: invoke deploy"
                show_error(message, trouble.detail)
        record.exit_code = 0 if not trouble and all(good(row) for row in rows) else 1
    return ScaleResult(rows, record.exit_code)


def _values(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("event", "time")}


def good(row: dict[str, Any]) -> bool:
    """Return whether a context was served, passed the smoke test, and a full request was right."""
    long = row.get("long_request") or {}
    return bool(row["configured"] == "yes" and row["smoke_ok"] and long.get("right"))


class ScaleRun:
    """Measures one context after the other, recording a row for each.

    Raises PreflightError on a box that is not provisioned.
    """

    def __init__(
        self,
        box: Connected,
        facts: Facts,
        *,
        try_all: bool,
        console: Console,
        record: Record,
    ) -> None:
        self._box, self._facts = box, facts
        self._try_all, self._console, self._record = try_all, console, record
        self._say = HostConsole(console, box.host.name).say
        self._pace = pace_of(box.host)
        self._found = read_box_model(box.session, box.host)
        if not self._found.vllm:
            name = box.host.name
            raise PreflightError(
                f"{name}: vLLM is not installed here yet; run: invoke provision --host {name}"
            )

    def all(self, contexts: Sequence[int], rows: list[dict[str, Any]]) -> None:
        """Append a row to `rows` for each context that has none yet."""
        done = {row["ctx"] for row in rows}
        left = [ctx for ctx in contexts if ctx not in done]
        verdicts = {ctx: verdict(self._box.host, self._facts, self._found, ctx) for ctx in left}
        for number, ctx in enumerate(left):
            rest = [each for each in left[number:] if self._tries(verdicts[each])]
            how_far = filter(None, (f"{len(rows) + 1} of {len(contexts)}", self._pace.left(rest)))
            self._say(f"context {ctx:,} ({', '.join(how_far)})")
            row = plain(self._one(ctx, verdicts[ctx]))
            self._record.add("row", **row)
            rows.append(row)

    def _tries(self, expected: FitVerdict) -> bool:
        return self._try_all or expected.fits is not False

    def _one(self, ctx: int, expected: FitVerdict) -> dict[str, Any]:
        began = time.monotonic()
        self._record.add("context", ctx=ctx, fit=vars(expected))
        if not self._tries(expected):
            self._say(f"refused: {expected.reason} (--try-all tries it all the same)")
            return {"ctx": ctx, "configured": "refused", "reason": expected.reason}
        row = measure_context(
            self._box, ctx, self._console, self._record, self._pace.long_request(ctx)
        )
        if row["configured"] == "no":
            self._say(f"not served: {row['reason']}")
        else:
            long_s = row["long_request"]["latency_s"] or 0.0
            self._pace.add(Took(ctx, time.monotonic() - began, long_s))
        return row
