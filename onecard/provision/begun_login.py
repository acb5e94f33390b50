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
    from onecard.ssh.transport.early_socket import EarlySocket, Endpoint


class BegunLogin:
    """The login to one host, in a thread of its own, which begins now.

    early: a connection that may be the one to the host. reached: where it led to at last, None
    where that is not an address of TCP's, or not reached yet.
    """

    def __init__(self, host: Host, known_hosts: Path, early: EarlySocket | None = None) -> None:
        self.reached: Endpoint | None = None
        self._early = early
        self._first: Future[Sequence[Request]] = Future()
        self._done: Future[LoggedIn] = Future()
        threading.Thread(target=self._log_in, args=(host, known_hosts), daemon=True).start()

    def go_on(self, first: Sequence[Request]) -> None:
        """Let it go on, with these first requests."""
        self._first.set_result(first)

    def end(self) -> LoggedIn:
        """Wait for its end. Raises as `connected` does."""
        return self._done.result()

    def cancel(self) -> None:
        """End it, if it still waits for the first requests."""
        self._first.cancel()

    def _log_in(self, host: Host, known_hosts: Path) -> None:
        try:
            from onecard.ssh.login import log_in

            ended = log_in(host, known_hosts, self._first.result, self._early)
            self.reached = ended[0].endpoint
            self._done.set_result(ended)
        except CancelledError:
            pass
        except BaseException as error:  # `end` raises it
            self._done.set_exception(error)
