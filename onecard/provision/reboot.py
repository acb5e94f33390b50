"""Reboots a box and logs in again.

The kernel's boot_id, a new one after each boot, proves that it has rebooted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from onecard.errors import HostKeyError, UnreachableError
from onecard.ssh.login import Connected
from onecard.ssh.shell import Session

_BOOT_ID = "cat /proc/sys/kernel/random/boot_id"
_PAUSE = 1.0  # s between two attempts to log in


def reboot(box: Connected, *, deadline_s: float, waiting: Callable[[float], None]) -> Session:
    """Reboot the box, wait until it answers with another boot_id, and return a shell on it.

    waiting: called with the seconds so far, about once a second.
    Raises UnreachableError past the deadline, HostKeyError when another key answers.
    """
    before = box.session.run(_BOOT_ID).output
    started = time.monotonic()
    with suppress(UnreachableError):  # it may go down faster than it answers
        box.session.run("systemctl --no-block reboot")
    trouble = "it still runs as before"
    while (elapsed := time.monotonic() - started) < deadline_s:
        waiting(elapsed)
        try:
            session = box.reopen()
            if session.run(_BOOT_ID).output != before:
                return session
        except HostKeyError:
            raise
        except UnreachableError as error:  # a refused login too: PAM refuses users while it boots
            trouble = error.message
        time.sleep(_PAUSE)
    raise UnreachableError(
        f"the box was rebooted and has not come back within {deadline_s:.0f} s (reboot_timeout): "
        f"{trouble}; look at its console, then run this again"
    )
