"""`invoke scale`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rich.console import Console

from onecard import cli
from onecard.connect import Connected, connected, holder
from onecard.console import HostConsole, progress_console
from onecard.engine import gather
from onecard.errors import OnecardError, PreflightError
from onecard.facts import Facts
from onecard.host import Host
from onecard.host_fit import read_box_model
from onecard.runs import Record, recorded
from onecard.runs.facts import ask_software
from onecard.runs.usual import Usual
from onecard.runs.write import plain
from onecard.scale.before import Before, keep_before, restore
from onecard.scale.context import measure_context
from onecard.scale.fit import Verdict, verdict
from onecard.scale.pace import Took, pace_of
from onecard.scale.resume import to_resume
from onecard.scale.table import render
from onecard.secret_store import find
from onecard.trial_console import TrialConsole
from roles import serve


def scale(
    requested: str, *, contexts: Sequence[int], try_all: bool, fresh: bool, as_json: bool
) -> int:
    """Measure each context; return 1 unless all are served, and filled by a right answer."""
    host = cli.chosen_host(requested)
    serve.command(host)  # a setting that is wrong is said before any connection
    host = replace(host, api_key=find("api-key", host.name))
    console = progress_console()
    parameters = {"contexts": list(contexts), "try_all": try_all}
    earlier = None if fresh else to_resume(host, parameters)
    rows = [_values(row) for row in earlier.all("row")] if earlier else []
    if earlier:
        print(
            f"{host.name}: going on with the run of {earlier.time[:19]}: {len(rows)} of "
            f"{len(contexts)} contexts are done (--fresh begins anew)",
            file=sys.stderr,
        )
    before: Before | None = None
    with recorded("scale", host, parameters, resume=earlier.path if earlier else None) as record:
        try:
            with connected(host, cli.known_hosts()) as box:
                facts = gather(box.session, holder("scale"))
                record.facts(facts, ask_software(box.session))
                measure = Scale(box, facts, try_all=try_all, console=console, record=record)
                before = keep_before(box.session)
                record.add("before", **vars(before))
                measure.all(contexts, rows)
        finally:
            back = before is None or _put_back(host, before, console, record)
        record.exit_code = 0 if back and all(good(row) for row in rows) else 1
    if as_json:
        cli.print_json({"host": host.name, "rows": rows})
    else:
        render(rows, Console(highlight=False))
    return record.exit_code


def _values(event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in ("event", "time")}


def good(row: dict[str, Any]) -> bool:
    """Tell whether a context was served, seen with, and filled by a request answered right."""
    long = row.get("long_request") or {}
    return bool(row["configured"] == "yes" and row["smoke_ok"] and long.get("right"))


class Scale:
    """Measures one context after the other, noting a row for each.

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
        said = {ctx: verdict(self._box.host, self._facts, self._found, ctx) for ctx in left}
        for number, ctx in enumerate(left):
            rest = [each for each in left[number:] if self._tries(said[each])]
            how_far = filter(None, (f"{len(rows) + 1} of {len(contexts)}", self._pace.left(rest)))
            self._say(f"context {ctx:,} ({', '.join(how_far)})")
            row = plain(self._one(ctx, said[ctx]))
            self._record.add("row", **row)
            rows.append(row)

    def _tries(self, said: Verdict) -> bool:
        return self._try_all or said.fits is not False

    def _one(self, ctx: int, said: Verdict) -> dict[str, Any]:
        began = time.monotonic()
        self._record.add("context", ctx=ctx, fit=vars(said))
        if not self._tries(said):
            self._say(f"refused: {said.reason} (--try-all tries it all the same)")
            return {"ctx": ctx, "configured": "refused", "reason": said.reason}
        row = measure_context(
            self._box, ctx, self._console, self._record, self._pace.long_request(ctx)
        )
        if row["configured"] == "no":
            self._say(f"not served: {row['reason']}")
        else:
            long_s = row["long_request"]["latency_s"] or 0.0
            self._pace.add(Took(ctx, time.monotonic() - began, long_s))
        return row


def _put_back(host: Host, before: Before, console: Console, record: Record) -> bool:
    """Bring back what ran before; tell and note when that fails."""
    shown = TrialConsole(console, host.name, usual=Usual(host))
    try:
        what = (
            f"release {before.release}, {before.model} at {before.ctx:,}"
            if before.release
            else "nothing"
        )
        shown.say(f"putting back what ran before: {what}")
        restore(host, cli.known_hosts(), before, shown, record)
    except OnecardError as error:
        record.failure(error)
        cli.show_error(f"{error.message}; to put the server right: invoke deploy", error.detail)
        return False
    return True
