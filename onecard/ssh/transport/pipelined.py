"""A login without its waits: authentication, channel and command are sent at once.

Paramiko waits for the answer to each: the service, the authentication, the channel, the command.
None of the answers changes what is sent next, so all of it goes in one flight, in Paramiko's own
packets. It begins where Paramiko begins to authenticate: after the key exchange, and after the
host key was verified. A server that takes it otherwise is logged in to the ordinary way, and
remembered (`is_ordinary`).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import cMSG_CHANNEL_OPEN, cMSG_CHANNEL_REQUEST

from onecard.byte_code import private_folder
from onecard.ssh.transport.watched import WatchedTransport

_FIRST = 0  # what OpenSSH's sshd calls the first channel of a connection
_SERVICE = "ssh-userauth"


class _UnwaitingAuthHandler(AuthHandler):
    """Authenticates without waiting for the service: sends what Paramiko would after its answer."""

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]  # the stubs lack what has an underscore
        accepted = paramiko.Message()
        accepted.add_string(_SERVICE)
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, message: paramiko.Message) -> None:
        """Do nothing: the service was accepted, as expected."""


class PipelinedTransport(WatchedTransport):
    """A transport whose first authentication by a key also starts a command.

    command: returns that command, empty for none. pipelined: whether it was sent.
    """

    def __init__(self, connection: Any, *, command: Callable[[], str], **keywords: Any) -> None:
        super().__init__(connection, **keywords)
        self._first_command = command
        self._command = ""
        self._channel: paramiko.Channel | None = None
        self._opening = threading.Thread(target=self._open, daemon=True)
        self.pipelined = False

    def auth_publickey(
        self, username: str, key: paramiko.PKey, event: threading.Event | None = None
    ) -> list[str]:
        """Authenticate, as Transport does; the first time the channel and the command follow."""
        self._command = "" if self.pipelined or event is not None else self._first_command()
        if not self._command or not self.initial_kex_done:
            return super().auth_publickey(username, key, event)
        self.pipelined = True
        answered = threading.Event()
        handler = self.auth_handler = _UnwaitingAuthHandler(self)
        handler.auth_publickey(username, key, answered)
        self._opening.start()
        try:
            further: list[str] = handler.wait_for_response(answered)
            return further
        finally:
            if not self.is_authenticated():
                self._give_up()

    def first_channel(self, timeout: float) -> paramiko.Channel | None:
        """Return the channel that the command runs in, None where the server did not start it."""
        if not self.pipelined:
            return None
        self._opening.join(timeout)
        channel = self._channel
        if channel is None:
            return None
        if channel.remote_chanid != _FIRST:  # the command went to no channel, or to another one
            self.close()
            return None
        channel.event.wait(timeout)
        return channel if channel.event_ready else None

    def _open(self) -> None:
        with suppress(paramiko.SSHException, OSError, EOFError):
            self._channel = self.open_session()

    def _give_up(self) -> None:
        """Have `_open` end: no answer comes for a channel that was opened without a login."""
        for number, opened in list(self.channel_events.items()):
            self._channels.delete(number)  # type: ignore[attr-defined]
            opened.set()

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)  # type: ignore[misc]
        if self._command and data.asbytes().startswith(cMSG_CHANNEL_OPEN):
            request = paramiko.Message()
            request.add_byte(cMSG_CHANNEL_REQUEST)
            request.add_int(_FIRST)
            request.add_string("exec")
            request.add_boolean(True)
            request.add_string(self._command)
            self._command = ""
            super()._send_user_message(request)  # type: ignore[misc]


def is_ordinary(name: str) -> bool:
    """Return whether the host of this name in known_hosts is to be logged in to step by step."""
    note = _note(name)
    return note is not None and note.exists()


def remember_ordinary(name: str) -> None:
    """Remember that the host does not take a pipelined login."""
    note = _note(name)
    if note is not None:
        with suppress(OSError):
            note.touch(mode=0o600)


def _note(name: str) -> Path | None:
    folder = private_folder("ordinary-logins")
    return Path(folder) / hashlib.sha256(name.encode()).hexdigest()[:16] if folder else None
