"""`invoke idle`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from typing import Final

from onecard.cli import targets
from onecard.cli.output import print_json
from onecard.console.live_line import rough
from onecard.deploy.service_control import stop_server
from onecard.errors import CommandError, UsageError
from onecard.inventory.host import Host
from onecard.server.idle import IN_USE, STOPPED, Idleness, look
from onecard.ssh.login import Connected, connected

STOP: Final = "stop"
_POLL_S: Final = 30.0


def idle(requested: str, *, after_s: float, then: str, wait: bool, as_json: bool) -> int:
    """Return 0 when the server has been idle for `after_s` seconds, and `then` is done; else 1.

    then: `stop`, a command to run on this computer, or empty. wait: check again until it has been.
    """
    words = _words(then)
    host = targets.chosen_host(requested)
    with connected(host, targets.known_hosts()) as box:
        found = _look_until(box, after_s) if wait else look(box)
        is_due = found.idle_s >= after_s
        done = ""
        if is_due and then == STOP and found.status != STOPPED:
            stop_server(box)
            done = STOP
    if is_due and words:
        _run(host, words, as_json=as_json)
        done = then
    if as_json:
        print_json(
            {
                "host": host.name,
                **vars(found),
                "idle_since": f"{_since(found):%Y-%m-%dT%H:%M:%SZ}" if found.idle_s else None,
                "after_s": after_s,
                "is_due": is_due,
                "done": done,
            }
        )
    else:
        print(f"{host.name}: {described(found, after_s)}{f'; done: {done}' if done else ''}")
    return 0 if is_due else 1


def described(found: Idleness, after_s: float) -> str:
    """Return what was found, in one line."""
    if found.status == IN_USE:
        return f"in use: {found.running} running, {found.waiting} waiting"
    if found.is_first:
        return (
            "idle; for how long is not known yet: its counters were noted on the box, and the next "
            "call compares them"
        )
    less = "" if found.idle_s >= after_s else f", less than {rough(after_s)}"
    return (
        f"{found.status} for {rough(found.idle_s)}, since {_since(found):%Y-%m-%d %H:%M} UTC{less}"
    )


def _words(then: str) -> list[str]:
    """Return the words of the command, none for `stop`. Raises UsageError, before any login."""
    if then in ("", STOP):
        return []
    try:
        words = shlex.split(then)
    except ValueError as error:
        raise UsageError(f"--then: {then}: {error}") from None
    if not words or shutil.which(words[0]) is None:
        raise UsageError(f"--then: {then}: there is no such program on this computer")
    return words


def _look_until(box: Connected, after_s: float) -> Idleness:
    before = ""
    while True:
        found = look(box)
        if found.idle_s >= after_s:
            return found
        if found.status != before:
            print(f"{box.host.name}: {described(found, after_s)}", file=sys.stderr)
            before = found.status
        time.sleep(min(_POLL_S, after_s - found.idle_s))


def _run(host: Host, words: list[str], *, as_json: bool) -> None:
    """Run the command with the host's name in ONECARD_HOST. Raises CommandError if it fails."""
    done = subprocess.run(
        words,
        env={**os.environ, "ONECARD_HOST": host.name},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr if as_json else None,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(f"--then: {shlex.join(words)}: ended with exit code {done.returncode}")


def _since(found: Idleness) -> datetime:
    return datetime.now(timezone.utc) - timedelta(seconds=found.idle_s)
