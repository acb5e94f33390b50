"""The progress of each host: a live line on a terminal, else plain lines."""

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

from onecard.console.live_line import LiveLine, rough
from onecard.console.terminal import Terminal
from onecard.doctor.check_table import counted
from onecard.engine.host_plan import HostPlan, Item
from onecard.engine.host_report import HostReport, RoleReport
from onecard.engine.listener import EventListener, StepResult
from onecard.facts import Facts
from onecard.resources.base import NEEDS_REBOOT

_SHORTEST_SHOWN_S = 5.0
STYLES = {
    "ok": "green",
    "changed": "yellow",
    "failed": "bold red",
    "unreachable": "bold red",
    "waits": "yellow",
}


def progress_console(*, live: bool = True) -> Console:
    """Return the console for progress: standard error, so that standard output stays clean.

    live: whether a terminal may show a live line; several hosts at once would share it.
    """
    plain = None if live else False
    return Terminal(file=sys.stderr, soft_wrap=not sys.stderr.isatty(), force_terminal=plain)


class HostConsole(EventListener):
    """Prints one host's progress.

    usual: returns how many seconds the change of a resource usually takes, by its role and name;
        None where that is unknown.
    live: only for a single host; several would write over each other's line.
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
        self._printed: set[str] = set()

    def say(self, text: str, style: str = "") -> None:
        """Print one line about this host."""
        with self._lock:
            self._console.print(
                f"[dim]{escape(self._host)}[/]  {escape(text)}", style=style or None
            )

    def say_once(self, text: str, style: str = "") -> None:
        """Print one line unless this run printed it: a first provision reads the facts twice."""
        if text not in self._printed:
            self._printed.add(text)
            self.say(text, style)

    def facts(self, facts: Facts) -> None:
        cards = counted([gpu.name for gpu in facts.gpus]) or "no NVIDIA driver loaded"
        self.say_once(
            f"{facts.os.name or facts.os.id} {facts.kernel.arch}, Python "
            f"{facts.python.version or 'none'}, {facts.memory.cpus} CPUs, "
            f"{facts.memory.total_gib:.0f} GiB memory, {cards}"
        )

    def planned(self, plan: HostPlan) -> None:
        skipped = f", {len(plan.skipped)} skipped" if plan.skipped else ""
        if not plan.changes:
            self.say(f"{len(plan.items)} resources in order{skipped}")
        else:
            usual = self._usual_time(plan)
            self.say(
                f"{len(plan.changes)} of {len(plan.items)} resources to change{skipped}{usual}"
            )
        if plan.waiting:
            self.say(f"{', '.join(plan.waiting)}: planned when these are in order")
        if self._show_plan:
            self._list(plan.changes)
            for each in plan.skipped:
                self.say(f"{each.role}: {each.resource.name}  skipped: {each.resource.why}", "dim")

    def _usual_time(self, plan: HostPlan) -> str:
        """Return what all changes usually take together, where that is known and long enough."""
        times = [self._usual(item.role, item.resource.name) for item in plan.changes]
        known = [seconds for seconds in times if seconds is not None]
        if len(known) < len(times) or sum(known) < _SHORTEST_SHOWN_S:
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
        shown = f"{item.role}: {_short(item, 30)}  {text}"
        if self._live is not None and self._live.shown:
            self._live.update(shown, share)
        else:
            self._beat(f"{shown} ({100 * share:.0f} %)")

    def waiting(self, what: str, seconds: float) -> None:
        """Show a wait; called about once a second until it ends."""
        if self._live is not None and self._live.shown:
            if seconds < 1:
                self._live.begin(f"{what}: waiting for the box")
                self._live.expect(None)
        else:
            self._beat(f"{what}: {seconds:.0f} s")

    def arrived(self, text: str) -> None:
        """End what `waiting` showed, and print the result."""
        if self._live is not None:
            self._live.close()
        self.say(text)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Print what is being done, and show a clock until it is."""
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
    skipped = any(report.skipped for report in reports)
    table = Table(title="Recap", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("host", "role", "status"):
        table.add_column(name)
    counted_as = ("ok", "to change" if check else "changed", "failed")
    for name in (*counted_as, *(("skipped",) if skipped else ()), "seconds"):
        table.add_column(name, justify="right")

    def counts(row: RoleReport | HostReport) -> tuple[str, ...]:
        numbers = (row.ok, row.changed, row.failed, *((row.skipped,) if skipped else ()))
        return (_styled(row.status), *map(str, numbers), f"{row.seconds:.1f}")

    for report in reports:
        for role in report.roles:
            table.add_row("", role.name, *counts(role), style="dim")
        table.add_row(escape(report.host), _round_trips(report.round_trips), *counts(report))
    console.print(table)


def _round_trips(number: int) -> str:
    return f"{number} round trip{'' if number == 1 else 's'}"


def _styled(status: str) -> str:
    return f"[{STYLES[status]}]{status}[/]"


def _short(item: Item, longest: int = 60) -> str:
    name = item.resource.name
    return name if len(name) <= longest else name[: longest - 3] + "..."
