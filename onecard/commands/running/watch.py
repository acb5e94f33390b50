"""`invoke status --watch`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live

from onecard.api.client import Client
from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.keys import PressedWithin, keys
from onecard.console.load_screen import COLUMNS, LINES, LoadScreen, is_large_enough
from onecard.console.terminal import Terminal
from onecard.errors import UnhealthyError, UsageError
from onecard.records.write import plain
from onecard.server.client import client
from onecard.server.health import check_health
from onecard.server.load_sample import Reading, between, read_load
from onecard.server.state import ServiceState, service_state
from onecard.ssh.login import Connected, connected

_INTERVAL_S: Final = 1.0
_TIMEOUT_S: Final = 10.0


def watch(requested: str, *, as_json: bool) -> int:
    """Show the server's load until q or Ctrl-C; with JSON one sample, over a second."""
    screen = Terminal()
    if not as_json:
        _refuse_terminal(screen)
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box, _watched(box) as (state, api):
        if as_json:
            first = read_load(box.session, state, api)
            time.sleep(max(0.0, first.at_s + _INTERVAL_S - time.monotonic()))
            sample = between(first, read_load(box.session, state, api))
            served = {"host": host.name, "model": state.model, "ctx": state.ctx}
            print_json({**served, **plain(sample)})
            return 0
        try:
            _follow(box, state, api, screen)
        except KeyboardInterrupt:
            return 0
    return 0


@contextmanager
def _watched(box: Connected) -> Iterator[tuple[ServiceState, Client]]:
    state = service_state(box.session)
    with client(box, state, timeout_s=_TIMEOUT_S) as api:
        yield state, api


def _refuse_terminal(screen: Console) -> None:
    """Raise UsageError where there is no terminal, or too small a one."""
    if not screen.is_terminal:
        raise UsageError("--watch needs a terminal; --watch --json prints one sample")
    if not is_large_enough(screen):
        raise UsageError(
            f"--watch needs a terminal of {COLUMNS} x {LINES}, this one has {screen.width} x "
            f"{screen.height}; --watch --json prints one sample"
        )


def _title(box: Connected, state: ServiceState) -> str:
    served = f"{box.host.name}  {state.model}  ctx {state.ctx:,}"
    since = f" since {state.since}" if state.active == "active" else ""
    return f"{served}  {state.active}{since}"


def _follow(box: Connected, state: ServiceState, api: Client, screen: Console) -> None:
    """Sample and show until q is pressed. Raises UsageError where the terminal gets too small."""
    with keys() as pressed, Live(console=screen, screen=True, auto_refresh=False) as live:
        shown = LoadScreen(_title(box, state), _INTERVAL_S)
        before: Reading | None = None
        while True:
            began = time.monotonic()
            try:
                now = read_load(box.session, state, api)
                if before:
                    shown.add(between(before, now))
                before = now
            except UnhealthyError as error:
                before, state = None, service_state(box.session)  # it may be another start by now
                trouble = check_health(box.session, state, box.host)
                shown.miss(trouble.message if trouble else error.message)
                shown.title = _title(box, state)
            if not is_large_enough(screen):
                break
            live.update(shown.rendered(screen.width), refresh=True)
            if _leaves(pressed, began + _INTERVAL_S):
                return
    _refuse_terminal(screen)


def _leaves(pressed: PressedWithin, until: float) -> bool:
    """Wait until a time; return at once, with True, where q is pressed."""
    while (left := until - time.monotonic()) > 0:
        if pressed(left) in ("q", "Q"):
            return True
    return pressed(0.0) in ("q", "Q")
