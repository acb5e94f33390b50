"""Puts releases in force on the box, waits until they have answered, and goes back if they do not.

It runs on the box, so that a start which fails is undone there although the computer that asked
for it, or the connection to it, is gone. Its output is the server's journal, with lines of its own
in between: `@onecard-release {"event": ...}`.

    release install NUMBER                    put a release's unit and environment in place
    release try [--number N | --fingerprint X] --deadline S [--back]
                                                 wait for its first answer; record how it went
    release check --deadline S                wait for an answer of what is installed

Events: waiting {}: no answer yet, twice a minute; answered {release, seconds, memory}; failed
{release, reason}; back {release}: another one is being started in its place; stopped {}: nothing
runs now.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from onecard import layout
from onecard.box.answer import NoAnswerError, wait_for_answer
from onecard.box.cards import CardWatch
from onecard.box.tell import tell
from onecard.box.text import fields, read
from onecard.box.unit import Journal, restart, show, systemctl
from onecard.whole_file import write_whole

RELEASES = Path(layout.RELEASES)
CURRENT = RELEASES / "current"
UNIT_FILE = Path(layout.UNIT_FILE)
ENVIRONMENT = Path(layout.ENVIRONMENT)


def main(arguments: list[str]) -> int:
    """Do what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="release")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("install").add_argument("number", type=int)
    trial, check = commands.add_parser("try"), commands.add_parser("check")
    trial.add_argument("--number", type=int)
    trial.add_argument("--fingerprint", default="")
    trial.add_argument("--back", action="store_true")
    for each in (trial, check):
        each.add_argument("--deadline", type=float, required=True)
    given = parser.parse_args(arguments)
    if given.command == "install":
        return install(given.number)
    if given.command == "check":
        return look(find(installed_fingerprint()), given.deadline)
    number = given.number or find(given.fingerprint or installed_fingerprint())
    return put_on_trial(number, given.deadline, back=given.back)


def find(fingerprint: str) -> int:
    """Return the newest release with this fingerprint, 0 when there is none."""
    numbers = [int(each.name) for each in RELEASES.glob("[0-9]*") if each.name.isdigit()]
    same = [number for number in numbers if read(folder(number) / "fingerprint") == fingerprint]
    return max(same, default=0)


def folder(number: int) -> Path:
    """Return where a release lies."""
    return RELEASES / str(number)


def installed_fingerprint() -> str:
    """Return the fingerprint in the unit file that is in place."""
    for line in read(UNIT_FILE).splitlines():
        if line.startswith("Environment=ONECARD_CONFIGURATION="):
            return line.rpartition("=")[2]
    return ""


def install(number: int) -> int:
    """Put a release's unit and environment in place; refuse one that lacks something it needs."""
    unit = (folder(number) / layout.UNIT).read_text()
    command = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    program, _, model = command.removeprefix("ExecStart=").replace('"', "").split(" ")[:3]
    gone = [path for path in (program, model) if path.startswith("/") and not Path(path).exists()]
    if gone:
        print(f"release {number} needs {gone[0]}, which is no longer there; nothing was changed")
        return 1
    write_whole(ENVIRONMENT, (folder(number) / ENVIRONMENT.name).read_text(), 0o600)
    write_whole(UNIT_FILE, unit)
    systemctl("daemon-reload")
    return 0


def put_on_trial(number: int, deadline_s: float, *, back: bool) -> int:
    """Wait for the first answer of a release whose start has been asked for.

    It becomes the current one when it answers. When it does not, the one that was current is put
    back in force if `back`; its server is stopped where there is none.
    """
    if look(number, deadline_s) == 0:
        return 0
    previous = int(CURRENT.readlink().name) if CURRENT.is_symlink() else 0
    if back and previous and previous != number and install(previous) == 0:
        tell("back", release=previous)
        restart()
        if look(previous, deadline_s) == 0:
            return 1
    if back or show()["SubState"] != "running":
        systemctl("stop", layout.UNIT)
        systemctl("reset-failed", layout.UNIT)
        tell("stopped")
    return 1


def look(number: int, deadline_s: float) -> int:
    """Wait for an answer of the release that is installed and record how it went."""
    if not number:
        print("what is installed is no release of `invoke deploy`; deploy again")
        return 1
    started = time.monotonic()
    watch = CardWatch()
    try:
        follow(number, deadline_s, watch)
    # Whatever went wrong, nobody else takes this start back.
    except Exception as error:
        known = isinstance(error, NoAnswerError)
        reason = str(error) if known else f"unexpected {type(error).__name__}: {error}"
        record(number, "failed", reason=reason)
        tell("failed", release=number, reason=reason)
        return 1
    seconds = round(time.monotonic() - started, 2)
    record(number, "ready", seconds=str(seconds))
    point_to(number)
    tell("answered", release=number, seconds=seconds, memory=watch.peaks())
    return 0


def follow(number: int, deadline_s: float, watch: CardWatch) -> None:
    """Print the journal of the present start until it has answered. Raises NoAnswerError."""
    journal = Journal(show()["InvocationID"])
    try:
        wait_for_answer(json.loads(read(folder(number) / "question.json")), deadline_s, watch)
    except NoAnswerError:
        journal.last_words()
        raise
    finally:
        journal.close()


def record(number: int, state: str, **values: str) -> None:
    """Note how a release's deploy went. Once it was ready, a later start does not undo that."""
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
