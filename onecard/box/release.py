"""Install releases on the box, run their startup check, and roll back if it fails.

It runs on the box, so that a failed start is rolled back there even if the computer that started
it, or the connection to it, is gone. Its output is the server's journal and events of its own, in
the frames of tell.py.

    release install NUMBER                    install a release's unit and environment
    release free [--number N | --fingerprint X] --deadline S
                                                 before its start: roll back if its port is taken
    release try [--number N | --fingerprint X] --deadline S [--back]
                                                 startup check: wait for its first answer; record it
    release check --deadline S                wait for an answer of the running or installed one

Events: waiting {}: no answer yet, twice a minute; answered {release, seconds, memory, already}:
already if it was up before; failed {release, reason}; back {release}: rollback to that one;
stopped {}: nothing runs now. A server that answers /health is never stopped for good.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from onecard.box import paths
from onecard.box.answer import NotReadyError, check_model, is_up, wait_for_answer
from onecard.box.atomic_write import write_whole
from onecard.box.cards import CardWatch
from onecard.box.port import taken_by
from onecard.box.tell import emit
from onecard.box.text import fields, read
from onecard.box.unit import (
    Follower,
    change,
    configuration,
    print_start,
    restart,
    services,
    show,
    unit_file,
)
from onecard.box.unit_words import command

RELEASES = Path(paths.RELEASES)
CURRENT = RELEASES / "current"
ENVIRONMENT = Path(paths.ENVIRONMENT)
PORT_S = 15.0  # time for another program to release the port before a rollback
POLL_S = 0.5


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="release")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install").add_argument("number", type=int)
    free, check = commands.add_parser("free"), commands.add_parser("try")
    for each in (free, check):
        each.add_argument("--number", type=int)
        each.add_argument("--fingerprint", default="")
    check.add_argument("--back", action="store_true")
    for each in (free, check, commands.add_parser("check")):
        each.add_argument("--deadline", type=float, required=True)
    given = parser.parse_args(arguments)
    if given.command == "install":
        if refusal := install(given.number):
            print(f"{refusal}; nothing was changed")
        return 1 if refusal else 0
    if given.command == "check":
        return check_start(find(configuration() or installed_fingerprint()), given.deadline)
    number = given.number or find(given.fingerprint or installed_fingerprint())
    if given.command == "free":
        return refuse_taken_port(number, given.deadline)
    return startup_check(number, given.deadline, back=given.back)


def find(wanted: str) -> int:
    """Return the newest release with this fingerprint, 0 when there is none."""
    numbers = [int(each.name) for each in RELEASES.glob("[0-9]*") if each.name.isdigit()]
    return max((number for number in numbers if fingerprint(number) == wanted), default=0)


def folder(number: int) -> Path:
    """Return a release's folder."""
    return RELEASES / str(number)


def installed_fingerprint() -> str:
    """Return the fingerprint in the installed unit file."""
    for line in services("cat").stdout.splitlines():
        if line.startswith("Environment=ONECARD_CONFIGURATION="):
            return line.rpartition("=")[2]
    return ""


def fingerprint(number: int) -> str:
    """Return the fingerprint of a release's configuration."""
    return read(folder(number) / "fingerprint")


def question(number: int) -> dict[str, Any]:
    """Return the request of a release's startup check; see answer.py."""
    return dict(json.loads(read(folder(number) / "question.json")))


def install(number: int) -> str:
    """Install a release's unit and environment.

    Return why not, empty on success: a release that lacks a file it needs is refused.
    """
    try:
        unit = (folder(number) / paths.UNIT).read_text()
        words = command(unit)
        if len(words) < 3:
            return f"release {number} has no command line in its unit file"
        program, _, model, *_ = words
        for path in (program, model):
            if path.startswith("/") and not Path(path).exists():
                return f"release {number} needs {path}, which no longer exists"
        write_whole(ENVIRONMENT, (folder(number) / ENVIRONMENT.name).read_text(), 0o600)
        write_whole(unit_file(), unit)
    except (OSError, ValueError) as error:
        return f"release {number} cannot be installed: {error}"
    change("reload")
    return ""


def refuse_taken_port(number: int, deadline_s: float) -> int:
    """Roll back before a start if another program holds the port; a running server stays up."""
    if not number or not (other := taken_by(question(number)["url"])):
        return 0
    fail(number, f"not started: {in_use(number, other)}")
    if not roll_back(number, deadline_s):
        stop()
    return 1


def startup_check(number: int, deadline_s: float, *, back: bool) -> int:
    """Wait for the first answer of a release that was started.

    On an answer it becomes the current release. On a failure roll back to the current one if
    `back`; stop the server if there is none.
    """
    if check_start(number, deadline_s) == 0:
        return 0
    if back and roll_back(number, deadline_s):
        return 1
    if back or show()["SubState"] != "running":
        stop()
    return 1


def roll_back(number: int, deadline_s: float) -> bool:
    """Roll back to the current release; return whether it answers.

    Its server is not restarted if it still runs, as when the new release was refused before start.
    """
    previous = int(CURRENT.readlink().name) if CURRENT.is_symlink() else 0
    if previous in (0, number):
        return False
    emit("back", release=previous)
    if refusal := install(previous):
        emit("failed", release=previous, reason=refusal)
        return False
    if not serves(previous):
        change("stop")
        if other := wait_for_port(previous):
            emit("failed", release=previous, reason=in_use(previous, other))
            return False
        restart()
    return check_start(previous, deadline_s) == 0


def serves(number: int) -> bool:
    """Return whether the running server is this release, and accepts the installed key."""
    request = question(number)
    if configuration() != fingerprint(number) or not is_up(request):
        return False
    try:
        check_model(request)
    except NotReadyError:
        return False
    return True


def wait_for_port(number: int) -> str:
    """Wait until a release's port is free; return the process that holds it at the deadline."""
    until = time.monotonic() + PORT_S
    while (other := taken_by(question(number)["url"])) and time.monotonic() < until:
        time.sleep(POLL_S)
    return other


def in_use(number: int, other: str) -> str:
    """Return the message that another program holds the port, as a diagnosis rule knows it."""
    port = question(number)["url"].rpartition(":")[2]
    return f"port {port}: address already in use by {other}"


def stop() -> None:
    """Stop a unit that is restarted again and again; leave a server that answers."""
    number = find(installed_fingerprint())
    if not number or is_up(question(number)):
        return
    change("stop")
    change("reset")
    emit("stopped")


def check_start(number: int, deadline_s: float) -> int:
    """Wait for an answer of the installed release, and record the result."""
    if not number:
        reason = "the installed unit is not a release of `invoke deploy`; deploy again"
        emit("failed", release=0, reason=reason)
        return 1
    started = time.monotonic()
    watch = CardWatch()
    try:
        already = follow(number, deadline_s, watch)
    # Any error: nothing else rolls this start back.
    except Exception as error:
        known = isinstance(error, NotReadyError)
        fail(number, str(error) if known else f"unexpected {type(error).__name__}: {error}")
        return 1
    seconds = round(time.monotonic() - started, 2)
    record(number, "ready", seconds=str(seconds))
    point_to(number)
    emit("answered", release=number, seconds=seconds, memory=watch.peaks(), already=already)
    return 0


def follow(number: int, deadline_s: float, watch: CardWatch) -> bool:
    """Wait for an answer of the server; return whether it was up before, and print its journal.

    A server that is up gets the request first: its journal has grown with each request since, and
    its last lines matter only if no answer comes. Raises NotReadyError.
    """
    request, invocation = question(number), show()["InvocationID"]
    if (runs := configuration()) and runs != fingerprint(number):
        raise NotReadyError("it was not started: the running server has another configuration")
    already = is_up(request)
    follower = None if already else Follower(invocation)
    try:
        wait_for_answer(request, deadline_s, watch)
    except NotReadyError as error:
        follower = follower or Follower(invocation)
        follower.read_to_end()
        # The server's log says that the port is in use, and not by whom.
        if (other := taken_by(request["url"])) and other not in str(error):
            raise NotReadyError(f"{error}; {in_use(number, other)}") from error
        raise
    finally:
        if follower is not None:
            follower.close()
    if already:
        print_start(invocation)
    return already


def fail(number: int, reason: str) -> None:
    """Record and report a release's failure."""
    record(number, "failed", reason=reason)
    emit("failed", release=number, reason=reason)


def record(number: int, state: str, **values: str) -> None:
    """Record the result of a release's deploy. A later start does not overwrite `ready`."""
    if fields(read(folder(number) / "result")).get("state") == "ready":
        return
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = {"state": state, "at": now, **values}
    text = "".join(f"{key}={' '.join(value.split())}\n" for key, value in lines.items())
    write_whole(folder(number) / "result", text, 0o600)


def point_to(number: int) -> None:
    """Make a release the current one."""
    new = RELEASES / "current.onecard-new"
    new.unlink(missing_ok=True)
    new.symlink_to(str(number))
    new.replace(CURRENT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
