"""The launcher: prepares a start as a unit file asks for it, and becomes the server's process.

    launch UNIT

supervisord runs it as root, with the unit's log as its output. Its lines are those of systemd for
the same event, so that a log is read as a journal is. Exit codes: START_LIMIT_HIT (no further
start), that of a failed ExecStartPre=, or one of systemd.exec(5).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onecard.box.supervision import processes
from onecard.box.supervision.configuration import START_LIMIT_HIT
from onecard.box.supervision.identity import UnitIdentity, identity
from onecard.box.supervision.log_files import mark
from onecard.box.supervision.outcome import STATUS, last_outcome
from onecard.box.supervision.run_state import RunState, read_state, write_state
from onecard.box.supervision.unit import Command, ServiceUnit, read_unit

_SETUP_FAILED = 1  # EXIT_FAILURE in systemd.exec(5)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FOLDERS = {  # key -> the variable that names them
    "RuntimeDirectory": "RUNTIME_DIRECTORY",
    "StateDirectory": "STATE_DIRECTORY",
    "CacheDirectory": "CACHE_DIRECTORY",
}


class LaunchError(Exception):
    """A step of a start failed; the message is systemd's, the code one of systemd.exec(5)."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def step(name: str, of: str = "") -> Iterator[None]:
    """Raise LaunchError for an error of the step. of: the program that it is about."""
    try:
        yield
    except (OSError, ValueError) as error:
        what = f" spawning {of}: {getattr(error, 'strerror', error)}" if of else f": {error}"
        code = next(code for code, known in STATUS.items() if known == name)
        raise LaunchError(f"Failed at step {name}{what}", code) from None


def main(name: str) -> int:
    """Launch a unit; return only if it cannot be launched."""
    try:
        unit = read_unit(name)
        state = begin(unit)
        if state is None:
            return START_LIMIT_HIT
        with step("USER"):
            user = identity(unit)
        with step("CREDENTIALS"):
            environment = prepare(unit, user, state)
        with step("CHDIR"):
            os.chdir(unit.value("WorkingDirectory", "/"))
        if code := run_before(unit, user, environment):
            return ended(name, f"Control process exited, code=exited, status={code}", code)
        write_state(name, state.at("running", began=time.time()))
        become(unit, user, environment)
    except LaunchError as error:
        return ended(name, str(error), error.code)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return ended(name, f"Failed at step START: {error}", _SETUP_FAILED)
    return _SETUP_FAILED


def begin(unit: ServiceUnit) -> RunState | None:
    """Begin a run: wait before an automatic restart, count the start; None past the limit."""
    before = read_state(unit.name)
    if before.invocation and not before.requested:
        result, line = last_outcome(unit.name)
        if line:
            say(unit.name, line)
        before = write_state(unit.name, before.at("waiting", result=result))
    processes.kill_rest(before.invocation, before.pid, spare=os.getpid())
    if before.phase == "waiting":
        time.sleep(unit.seconds("RestartSec", 0.1))
    now = time.monotonic()
    interval = unit.seconds("StartLimitIntervalSec", 10, "Unit")
    starts = tuple(at for at in before.starts if now - interval < at <= now)
    if len(starts) >= int(unit.value("StartLimitBurst", "5", "Unit")):
        say(unit.name, "Start request repeated too quickly.")
        say(unit.name, f"Failed with result '{before.result}'.")
        write_state(unit.name, before.at("failed", requested=False))
        return None
    restarts = 0 if before.requested or not before.invocation else before.restarts + 1
    state = RunState(
        invocation=uuid.uuid4().hex,
        phase="preparing",
        changed=now,
        pid=os.getpid(),
        restarts=restarts,
        starts=(*starts, now),
    )
    write_state(unit.name, state)
    print(mark(unit.name, state.invocation), flush=True)
    return state


def prepare(unit: ServiceUnit, user: UnitIdentity, state: RunState) -> dict[str, str]:
    """Make the unit's folders and credentials; return the environment of its processes."""
    environment = {"PATH": _PATH, "INVOCATION_ID": state.invocation, **user.environment}
    for key, variable in _FOLDERS.items():
        folders = unit.folders(key)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(int(unit.value(f"{key}Mode", "0755"), 8))
            os.chown(folder, user.uid, user.gid)
        if folders:
            environment[variable] = ":".join(map(str, folders))
    if credentials := unit.values("LoadCredential"):
        environment["CREDENTIALS_DIRECTORY"] = str(load_credentials(unit, user, credentials))
    return {**environment, **unit.environment()}


def load_credentials(unit: ServiceUnit, user: UnitIdentity, credentials: list[str]) -> Path:
    """Copy the unit's credentials to where systemd has them, for its user alone."""
    folder = Path("/run/credentials") / unit.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    for each in credentials:
        name, _, source = each.partition(":")
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        with os.fdopen(handle, "wb") as copy:
            copy.write(Path(source).read_bytes())
        os.chown(folder / name, user.uid, user.gid)
    os.chown(folder, user.uid, user.gid)
    return folder


def run_before(unit: ServiceUnit, user: UnitIdentity, environment: dict[str, str]) -> int:
    """Run ExecStartPre=; return the exit code of the first that fails, 0 if none does."""
    until = time.monotonic() + unit.seconds("TimeoutStartSec", 90)
    for command in unit.commands("ExecStartPre"):
        code = run_one(command, user, environment, unit, until)
        if code and not command.may_fail:
            return code
    return 0


def run_one(
    command: Command,
    user: UnitIdentity,
    environment: dict[str, str],
    unit: ServiceUnit,
    until: float,
) -> int:
    """Run a command until a time (s since the boot); return its exit code."""

    def setup() -> None:
        if not command.as_root:
            user.confine()
            user.assume()

    try:
        with step("EXEC", command.words[0]):
            return subprocess.run(
                command.words,
                env=environment,
                preexec_fn=setup,
                timeout=max(0.1, until - time.monotonic()),
                check=False,
            ).returncode
    except subprocess.TimeoutExpired:
        say(unit.name, "start-pre operation timed out. Terminating.")
        return _SETUP_FAILED
    except LaunchError as error:
        if command.may_fail:
            return error.code
        raise


def become(unit: ServiceUnit, user: UnitIdentity, environment: dict[str, str]) -> None:
    """Replace this process by the unit's program, as its user. Raises OSError, LaunchError."""
    words = unit.commands("ExecStart")[0].words
    user.confine()
    user.assume()
    with step("EXEC", words[0]):
        os.execve(words[0], words, environment)  # noqa: S606  # a unit names its program


def ended(name: str, text: str, code: int) -> int:
    """Note that a start ended before its program ran; return its exit code."""
    say(name, text)
    write_state(name, read_state(name).at("ended", result="exit-code"))
    return code


def say(name: str, text: str) -> None:
    """Write a line about a unit into its log, as systemd does into the journal."""
    print(f"{name}: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
