"""`invoke fit --scoreboard` and `--contribute`."""

from __future__ import annotations

from pathlib import Path

from rich.table import Column, Table

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.terminal import Terminal
from onecard.engine.converge import gather
from onecard.errors import UsageError
from onecard.fit.on_host import read_box_model, settle
from onecard.fit.scoreboard.check import CheckedStart
from onecard.fit.scoreboard.contribution import append, contribution
from onecard.fit.scoreboard.summary import results, summary
from onecard.server.start_journal import journal_of
from onecard.server.state import service_state
from onecard.ssh.login import connected
from onecard.startup_log import StartTracker


def show(*, as_json: bool) -> int:
    """Print what fit predicts for every known start beside what was logged."""
    found = results()
    if as_json:
        print_json({"rows": [result.to_json() for result in found]})
        return 0
    output = Terminal()
    grid = Table(Column("start", overflow="fold", min_width=20))
    for heading in ("KV GiB", "logged", "tokens", "off by"):
        grid.add_column(heading, justify="right")
    for result in found:
        grid.add_row(*_cells(result))
    output.print(grid)
    output.print("*: not compared, since flags that decide the memory are not known")
    output.print(f"{summary(found)}.")
    return 0


def contribute(requested: str, file: str, *, as_json: bool) -> int:
    """Append a row to `file` from what the running server of a host logged when it started.

    Raises UsageError where it has logged nothing, or its model is not modelled.
    """
    if not requested:
        raise UsageError("--contribute: name the host whose server was started, with --host")
    host = targets.chosen_host(requested)
    tracker = StartTracker()
    with connected(host, targets.known_hosts()) as box:
        settled = settle(host, gather(box.session, None), read_box_model(box.session, host))
        state = service_state(box.session)
        if not state.loaded:
            raise UsageError(f"--contribute: nothing is deployed on {host.name}")
        for line in box.session.run(journal_of(state, _LINES)).output.splitlines():
            tracker.feed(line)
    row = contribution(settled.plan(), settled.host.settings.serve, tracker.facts)
    append(Path(file), row)
    if as_json:
        print_json({"file": file, "row": row})
    else:
        Terminal().print(f"one row more in {file}")
    return 0


_LINES = 20_000


def _cells(result: CheckedStart) -> tuple[str, ...]:
    shown = result.to_json()
    low, high = shown["kv_band_gib"]
    logged, tokens, error = shown["logged_kv_gib"], shown["logged_tokens"], shown["token_error"]
    count = f"{shown['cards']} x " if shown["cards"] > 1 else ""
    held = {True: "", False: " missed", None: " *"}[result.band_holds]
    return (
        f"{shown['model'].rpartition('/')[2]} on {count}{shown['card']}, {shown['vllm']}",
        f"{shown['kv_gib']:.2f} [{low:.1f}, {high:.1f}]"
        + (" sure" if shown["surely_fits"] else ""),
        "-" if logged is None else f"{logged:.2f}{held}",
        "-" if tokens is None else f"{tokens:,}",
        "-" if error is None else f"{error:.1%}",
    )
