"""Shows a deploy: its plan and changes as for any host, and the phases of the server's start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from rich.console import Console

from onecard.box import paths
from onecard.console.host_console import HostConsole, progress_console
from onecard.deploy.phases import PhaseConsole
from onecard.engine.host_plan import Item
from onecard.inventory.host import Host
from onecard.records.usual import Usual
from onecard.resources.system.release import Served
from onecard.resources.system.service import Service
from onecard.startup_log import Event

_ROLE = "serve"  # that starts the server


def deploy_console(
    host: Host, console: Console | None = None, *, diff: Literal["changed", "all"] = "changed"
) -> DeployConsole:
    """Return the console of a deploy, which knows from the host's records how long steps take.

    console: where it prints; standard error if None.
    """
    return DeployConsole(console or progress_console(), host.name, usual=Usual(host), diff=diff)


class DeployConsole(HostConsole):
    """A host's console that shows the start of the server by its phases (a `StartDisplay`)."""

    def __init__(
        self,
        console: Console,
        host: str,
        *,
        usual: Callable[[str, str], float | None] = lambda role, resource: None,
        diff: Literal["changed", "all"] = "changed",
    ) -> None:
        super().__init__(console, host, usual=usual, show_plan=True, diff=diff)
        self._phases: PhaseConsole | None = None

    def begin(self, item: Item) -> None:
        if not isinstance(item.resource, Served):
            super().begin(item)

    def line(self, item: Item, text: str) -> None:
        if not isinstance(item.resource, Served):
            super().line(item, text)

    def start_begins(self, *, from_s: float, is_new: bool) -> None:
        usual_s = self._usual(_ROLE, Service(paths.UNIT).name) if is_new else None
        self._phases = PhaseConsole(self._console, self._host, from_s, usual_s)

    def start_event(self, event: Event) -> None:
        if self._phases is not None:
            self._phases.event(event)

    def start_ends(self) -> None:
        if self._phases is not None:
            self._phases.close()
            self._phases = None
