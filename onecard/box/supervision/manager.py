"""The service manager of a box without systemd: services.sh's verbs, by supervisord."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from onecard.box import paths
from onecard.box.supervision import configuration, processes, rpc
from onecard.box.supervision.configuration import enabled_mark
from onecard.box.supervision.run_state import RunState, forget, read_state, write_state
from onecard.box.supervision.unit import all_units, path_of, read_unit

_BOOT_S = 20.0
_SPARE_S = 30.0  # beyond TimeoutStartSec=
_POLL_S = 0.1


class ManagerError(Exception):
    """A verb failed; the message says why."""


def boot() -> None:
    """Start supervisord, detached, unless it runs. Enabled units start with it.

    Raises ManagerError.
    """
    if rpc.runs():
        return
    program = Path(paths.SUPERVISOR) / "bin" / "supervisord"
    if not program.exists():
        raise ManagerError("no service manager of onecard is on this box; run: invoke provision")
    Path(paths.SUPERVISOR_RUN).mkdir(mode=0o700, exist_ok=True)
    Path(paths.SUPERVISOR_RUN).chmod(0o700)
    Path(paths.LOGS).mkdir(mode=0o700, exist_ok=True)
    for unit in all_units():  # what is left of an earlier supervisord is ended by the launcher
        before = read_state(unit.name)
        write_state(unit.name, RunState(before.invocation, pid=before.pid, requested=True))
    configuration.write()
    done = subprocess.run(
        [program, "-c", configuration.FILE],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/", check=False,
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    if not _wait(rpc.runs, _BOOT_S):
        raise ManagerError(f"supervisord does not answer: {(done.stdout + done.stderr)[-500:]}")


def start(name: str) -> None:
    """Start a unit and wait until its program runs, as systemd does, and those that it wants.

    Raises ManagerError; the failure of a unit that is only wanted is in its own log.
    """
    _start(name)
    for wanted in _linked("WantedBy", "Install", name):
        if enabled_mark(wanted).exists():
            with suppress(ManagerError):
                _start(wanted)


def _start(name: str) -> None:
    if not path_of(name).exists():
        raise ManagerError(f"{name}: no such unit")
    boot()
    if is_up(name):
        return
    before = read_state(name)
    write_state(
        name, RunState(before.invocation, pid=before.pid, starts=before.starts, requested=True)
    )
    _add(name)
    rpc.call("startProcess", name, False, unless=(rpc.ALREADY_STARTED,))
    timeout_s = read_unit(name).seconds("TimeoutStartSec", 90) + _SPARE_S
    _wait(lambda: _decided(name), timeout_s)
    if read_state(name).phase != "running" or not is_up(name):
        raise ManagerError(f"{name}: did not start; its log: invoke logs")


def stop(name: str) -> None:
    """Stop a unit, those that are part of it, and every process that its start left.

    RuntimeDirectory= goes with it, as systemd.exec(5) says.
    """
    for part in _linked("PartOf", "Unit", name):
        stop(part)
    if rpc.runs():
        rpc.call("stopProcess", name, True, unless=(rpc.NOT_RUNNING, rpc.BAD_NAME))
    state = read_state(name)
    processes.kill_rest(state.invocation, state.pid, spare=0)
    if path_of(name).exists():
        for folder in read_unit(name).folders("RuntimeDirectory"):
            shutil.rmtree(folder, ignore_errors=True)


def restart(name: str) -> None:
    """Stop and start a unit, and the running ones that are part of it."""
    running = [part for part in _linked("PartOf", "Unit", name) if is_up(part)]
    stop(name)
    for each in (name, *running):
        start(each)


def reset(name: str) -> None:
    """Forget a unit's failure, and the starts that count for its limit."""
    state = read_state(name)
    phase = "" if state.phase == "failed" else state.phase
    write_state(
        name, RunState(**{**vars(state), "phase": phase, "starts": (), "result": "success"})
    )


def enable(name: str, *, on: bool) -> None:
    """Let a unit start with supervisord, or not; a running supervisord is not changed by it."""
    if on:
        enabled_mark(name).touch()
    else:
        enabled_mark(name).unlink(missing_ok=True)
    reload()


def reload() -> None:
    """Write the configuration again; a start reads the unit file itself."""
    configuration.write()


def remove(name: str) -> None:
    """Stop a unit and remove all of it but its log, which lies in onecard's folder."""
    stop(name)
    if rpc.runs():
        rpc.call("removeProcessGroup", name, unless=(rpc.BAD_NAME,))
    for path in (path_of(name), enabled_mark(name)):
        path.unlink(missing_ok=True)
    forget(name)
    if configuration.FILE.exists():
        configuration.write()


def shutdown() -> None:
    """Stop every unit, and supervisord."""
    for unit in all_units():
        stop(unit.name)
    if rpc.runs():
        rpc.call("shutdown")
        _wait(lambda: not rpc.SOCKET.exists(), _BOOT_S)


def is_up(name: str) -> bool:
    """Return whether a unit has a process, or is about to."""
    return rpc.process(name).get("statename") in rpc.UP


def _decided(name: str) -> bool:
    """Return whether a start has come to its program, or to an end."""
    state = read_state(name)
    return not state.requested and (
        state.phase in ("running", "ended", "failed") or not is_up(name)
    )


def _linked(key: str, section: str, name: str) -> list[str]:
    """Return the units whose key names this one: PartOf=, WantedBy=."""
    return [
        unit.name for unit in all_units() if name in " ".join(unit.values(key, section)).split()
    ]


def _add(name: str) -> None:
    """Bring a unit that does not run to supervisord, as its unit file is now."""
    configuration.write()
    rpc.call("reloadConfig")
    rpc.call("removeProcessGroup", name, unless=(rpc.BAD_NAME,))
    rpc.call("addProcessGroup", name, unless=(rpc.ALREADY_ADDED,))


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < until:
        time.sleep(_POLL_S)
    return met
