"""A login that begins while this process still loads what it needs after it.

It goes as far as the key exchange and the verified host key; then it waits for the first requests,
which are known once all settings have been checked. So nothing of an account is sent for a command
that is refused.
"""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from onecard.inventory.host import Host
    from onecard.ssh.login import LoggedIn
    from onecard.ssh.shell import Request


class BegunLogin:
    """The login to one host, in a thread of its own, which begins now."""

    def __init__(self, host: Host, known_hosts: Path) -> None:
        self._first: Future[Sequence[Request]] = Future()
        self._done: Future[LoggedIn] = Future()
        threading.Thread(target=self._log_in, args=(host, known_hosts), daemon=True).start()

    def finish(self, first: Sequence[Request]) -> LoggedIn:
        """Let it go on with these first requests; return its end. Raises as `connected` does."""
        self._first.set_result(first)
        return self._done.result()

    def cancel(self) -> None:
        """End it, if it still waits for the first requests."""
        self._first.cancel()

    def _log_in(self, host: Host, known_hosts: Path) -> None:
        try:
            from onecard.ssh.login import log_in

            self._done.set_result(log_in(host, known_hosts, self._first.result))
        except CancelledError:
            pass
        except BaseException as error:  # `finish` raises it
            self._done.set_exception(error)
