"""The gateway's boxes while it runs: HAProxy's runtime socket on its host.

https://docs.haproxy.org/2.6/management.html#9.3 (`set server`), #9.1 (the columns of `show stat`)
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from onecard.box import paths
from onecard.errors import ProbeError, UnhealthyError
from onecard.resources.base import fields
from onecard.ssh.login import Connected

_SOCKET: Final = f"{paths.GATEWAY_RUN}/admin.sock"
_POOL: Final = "boxes"  # the backend in templates/haproxy.cfg.j2
_POLL: Final = 0.5  # s between two looks
BACK_IN_S: Final = 60.0  # s for a box that answers to pass HAProxy's checks


@dataclass(frozen=True)
class BoxState:
    """A box as the gateway has it.

    state: `up`, `down`, or `drained`: it gets no new requests. running: requests. reason: the last
    check's result, as `Layer4 connection problem: Connection refused`.
    """

    name: str
    state: Literal["up", "down", "drained"]
    running: int
    reason: str = ""


def read_states(output: str) -> dict[str, BoxState]:
    """Return the boxes in the output of `show stat`, by name. Raises ProbeError for another one."""
    try:
        return _read_rows(list(csv.DictReader(output.lstrip("# \n").splitlines())))
    except (KeyError, ValueError, AttributeError, csv.Error):
        raise ProbeError("garbled answer of the gateway about its boxes", output[:1000]) from None


def _read_rows(rows: Sequence[Mapping[str, str]]) -> dict[str, BoxState]:
    checks = {row["svname"]: row for row in rows if row["pxname"].startswith("hop-")}
    found = {}
    for row in rows:
        name = row["svname"]
        if row["pxname"] != _POOL or name == "BACKEND":
            continue
        word = row["status"].partition(" ")[0]
        check = checks.get(name, {})
        parts = (check.get("check_desc"), check.get("last_chk"))
        reason = ": ".join(part for part in parts if part)
        state: Literal["up", "down", "drained"] = (
            "up" if word in ("UP", "no") else "drained" if word in ("DRAIN", "MAINT") else "down"
        )
        found[name] = BoxState(name, state, int(row["scur"] or 0), reason)
    return found


def is_installed(gateway: Connected) -> bool:
    """Return whether the host has a gateway, whether or not it runs."""
    shown = fields(gateway.session.run(f"services show {paths.GATEWAY_UNIT}").output)
    return shown.get("LoadState") == "loaded"


def states(gateway: Connected) -> Mapping[str, BoxState]:
    """Return the state of each box. Raises UnhealthyError where the gateway does not run."""
    return read_states(_command(gateway, "show stat"))


def drain(gateway: Connected, box: str, deadline_s: float, waiting: Callable[[int], None]) -> float:
    """Take a box out, and wait until its requests have ended; return the seconds that took.

    waiting: called with their number while there are any. Past the deadline the box is put back
    in. Raises UnhealthyError then, and for a box that the gateway does not have.
    """
    _require(gateway, box)
    started = time.monotonic()
    _command(gateway, f"set server {_POOL}/{box} state drain")
    while True:
        found = _require(gateway, box)
        if found.state == "up":
            raise UnhealthyError(f"{box}: the gateway did not take it out")
        if not found.running:
            return time.monotonic() - started
        if time.monotonic() - started > deadline_s:
            put_back(gateway, box)
            raise UnhealthyError(
                f"{box}: {found.running} requests still run after {deadline_s:.0f} s; it is back "
                "in; raise gateway.drain_timeout, or try again later (nothing was changed)"
            )
        waiting(found.running)
        time.sleep(_POLL)


def put_back(gateway: Connected, box: str) -> None:
    """Put a box back in. It gets requests once the gateway's own checks find it up."""
    _command(gateway, f"set server {_POOL}/{box} state ready")


def ready(gateway: Connected, box: str, deadline_s: float = BACK_IN_S) -> None:
    """Put a box back in, and wait until the gateway's checks find it up.

    Raises UnhealthyError with the check's result where it does not come up.
    """
    put_back(gateway, box)
    wait_until_up(gateway, (box,), deadline_s)


def wait_until_up(gateway: Connected, boxes: tuple[str, ...], deadline_s: float) -> None:
    """Wait until boxes are up. Raises UnhealthyError with the check's result of the first not."""
    deadline = time.monotonic() + deadline_s
    while True:
        found = states(gateway)
        down = [name for name in boxes if name not in found or found[name].state != "up"]
        if not down:
            return
        if time.monotonic() > deadline:
            state = found.get(down[0])
            reason = (state and state.reason) or "the gateway does not have it"
            raise UnhealthyError(
                f"{down[0]}: the gateway on {gateway.host.name} does not reach it ({reason}); see "
                f"that {gateway.host.name} can reach its server's address and port, then run: "
                f"invoke gateway --host {down[0]}"
            )
        time.sleep(_POLL)


def _require(gateway: Connected, box: str) -> BoxState:
    found = states(gateway).get(box)
    if found is None:
        raise UnhealthyError(
            f"{box}: the gateway on {gateway.host.name} does not have it; run: invoke gateway "
            f"--host {box}"
        )
    return found


def _command(gateway: Connected, command: str) -> str:
    """Send one command to the socket; return the answer, which is empty for `set server`."""
    done = gateway.session.run(f"echo '{command}' | socat -t 10 - UNIX-CONNECT:{_SOCKET}")
    answer = done.output.strip()
    if done.code != 0 or (command.startswith("set ") and answer):
        raise UnhealthyError(
            f"{gateway.host.name}: the gateway does not answer; run: invoke gateway --host "
            f"{gateway.host.name}",
            answer,
        )
    return answer
