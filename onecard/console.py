"""What a person sees while hosts are worked on: a live line on a terminal, else plain lines."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from onecard.doctor.screen import counted
from onecard.engine import Reporter
from onecard.facts import Facts
from onecard.job import StepResult
from onecard.live import LiveLine, rough
from onecard.plan import Item, Plan
from onecard.report import HostReport
from onecard.resources.base import NEEDS_REBOOT

_WORTH_A_WORD_S = 5.0
STYLES = {
    "ok": "green",
    "changed": "yellow",
    "failed": "bold red",
    "unreachable": "bold red",
    "waits": "yellow",
}


def progress_console() -> Console:
    """Return the console for progress: standard error, so that standard output stays clean."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=not sys.stderr.isatty())


class HostConsole(Reporter):
    """Tells one host's progress.

    usual: told the role and the name of a resource, says how many seconds its change usually
        takes; None where nothing is known of that.
    live: only when a single host is worked on; several would write over each other's line.
    show_plan: list each change and its keys. diff: also the lines of files that change: of
        `none`, of those that were there before (`changed`), or of new ones too (`all`).
    """

    _lock = threading.Lock()

    def __init__(
        self,
        console: Console,
        host: str,
        *,
        usual: Callable[[str, str], float | None] = lambda role, resource: None,
        live: bool = True,
        show_plan: bool = False,
        diff: Literal["none", "changed", "all"] = "none",
    ) -> None:
        self._console = console
        self._host = host
        self._usual = usual
        self._show_plan, self._diff = show_plan or diff != "none", diff
        self._live = LiveLine(console) if live else None
        self._began = time.monotonic()
        self._heartbeat = time.monotonic()
        self._usually: float | None = None
        self._said: set[str] = set()

    def say(self, text: str, style: str = "") -> None:
        """Print one line about this host."""
        with self._lock:
            self._console.print(
                f"[dim]{escape(self._host)}[/]  {escape(text)}", style=style or None
            )

    def say_once(self, text: str, style: str = "") -> None:
        """Print one line unless this run has said it: a first provision looks at the box twice."""
        if text not in self._said:
            self._said.add(text)
            self.say(text, style)

    def facts(self, facts: Facts) -> None:
        cards = counted([gpu.name for gpu in facts.gpus]) or "no NVIDIA driver at work"
        self.say_once(
            f"{facts.os.name or facts.os.id} {facts.kernel.arch}, Python "
            f"{facts.python.version or 'none'}, {facts.memory.cpus} CPUs, "
            f"{facts.memory.total_gib:.0f} GiB memory, {cards}"
        )

    def planned(self, plan: Plan) -> None:
        if not plan.changes:
            self.say(f"{len(plan.items)} resources in order")
        else:
            usual = self._usual_time(plan)
            self.say(f"{len(plan.changes)} of {len(plan.items)} resources to change{usual}")
        if plan.waiting:
            self.say(f"{', '.join(plan.waiting)}: planned when these are in order")
        if self._show_plan:
            self._list(plan.changes)

    def _usual_time(self, plan: Plan) -> str:
        """Return what all changes usually take together, where that is known and worth a word."""
        times = [self._usual(item.role, item.resource.name) for item in plan.changes]
        known = [seconds for seconds in times if seconds is not None]
        if len(known) < len(times) or sum(known) < _WORTH_A_WORD_S:
            return ""
        return f", usually {rough(sum(known))}"

    def _list(self, changes: Iterable[Item]) -> None:
        for item in changes:
            new = "" if item.actual else ": absent"
            self.say(f"{item.role}: {item.resource.name}{new}", "yellow")
            shown = self._diff == "all" or (self._diff == "changed" and item.actual)
            lines = item.resource.explain(item.differences, item.actual) if shown else ()
            for difference in item.differences.values() if item.actual else ():
                if not (lines and difference.key == "sha256"):
                    self.say(f"    {difference}")
            for line in lines:
                style = {"+": "green", "-": "red"}.get(line[:1], "dim")
                self.say(f"    {line}", style)

    def begin(self, item: Item) -> None:
        self._began = self._heartbeat = time.monotonic()
        self._usually = self._usual(item.role, item.resource.name)
        if self._live is not None:
            self._live.begin(f"{item.role}: {_short(item)}")
            self._live.expect(self._usually)

    def line(self, item: Item, text: str) -> None:
        if self._live is not None and self._live.shown:
            self._live.update(f"{item.role}: {_short(item, 30)}  {text.strip()[:40]}")
        else:
            elapsed = time.monotonic() - self._began
            of = "" if self._usually is None else f" of usually {rough(self._usually)}"
            self._beat(f"{_short(item)} {elapsed:.0f} s{of}: {text.strip()[:100]}")

    def progress(self, item: Item, share: float, text: str) -> None:
        told = f"{item.role}: {_short(item, 30)}  {text}"
        if self._live is not None and self._live.shown:
            self._live.update(told, share)
        else:
            self._beat(f"{told} ({100 * share:.0f} %)")

    def waiting(self, what: str, seconds: float) -> None:
        """Show that something is waited for; called about once a second until it is there."""
        if self._live is not None and self._live.shown:
            if seconds < 1:
                self._live.begin(f"{what}: waiting for the box")
                self._live.expect(None)
        else:
            self._beat(f"{what}: {seconds:.0f} s")

    def arrived(self, text: str) -> None:
        """End what `waiting` showed, and say how."""
        if self._live is not None:
            self._live.close()
        self.say(text)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Say that something is done, and show a clock until it is."""
        self.say(text)
        if self._live is not None:
            self._live.begin(text)
            self._live.expect(None)
        try:
            yield
        finally:
            if self._live is not None:
                self._live.close()

    def _beat(self, text: str) -> None:
        """Print a line where no live line is, every 15 seconds at most."""
        if time.monotonic() - self._heartbeat > 15:
            self._heartbeat = time.monotonic()
            self.say(f"... {text}")

    def end(self, result: StepResult) -> None:
        if self._live is not None:
            self._live.close()
        word = {0: "changed", NEEDS_REBOOT: "waits"}.get(result.code or 0, "failed")
        self.say(
            f"{result.item.role:<7} {word:<8} {result.seconds:7.1f} s  {_short(result.item)}",
            STYLES[word],
        )


def recap(reports: Iterable[HostReport], console: Console, *, check: bool = False) -> None:
    """Print the table that every provision ends with, and each host's error."""
    reports = list(reports)
    table = Table(title="Recap", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("host", "role", "status"):
        table.add_column(name)
    for name in ("ok", "to change" if check else "changed", "failed", "seconds"):
        table.add_column(name, justify="right")
    for report in reports:
        for role in report.roles:
            cells = (str(role.ok), str(role.changed), str(role.failed), f"{role.seconds:.1f}")
            table.add_row("", role.name, _styled(role.status), *cells, style="dim")
        counts = (str(report.ok), str(report.changed), str(report.failed))
        trips = f"{report.round_trips} round trips"
        table.add_row(
            escape(report.host), trips, _styled(report.status), *counts, f"{report.seconds:.1f}"
        )
    console.print(table)


def _styled(status: str) -> str:
    return f"[{STYLES[status]}]{status}[/]"


def _short(item: Item, longest: int = 60) -> str:
    name = item.resource.name
    return name if len(name) <= longest else name[: longest - 3] + "..."
