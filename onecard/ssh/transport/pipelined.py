"""A login without its waits, in Paramiko's own packets: two flights after TCP's.

The first is banner, KEXINIT and the first message of the key exchange that the last login agreed
on: its name follows from both sides' lists, and this side's comes first. Nothing of it is secret.
The second is authentication, channel and command. Paramiko waits for the answer to each: the
service, the authentication, the channel, the command; and none of the answers changes what is sent
next. It begins where Paramiko begins to authenticate: after the key exchange, and after the host
key was verified. What differs for a server is remembered (login_notes.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import cMSG_CHANNEL_OPEN, cMSG_CHANNEL_REQUEST

from onecard.ssh.transport.watched import WatchedTransport

_REPLY = 31  # SSH_MSG_KEX_ECDH_REPLY, RFC 5656
# Those whose first message depends on nothing that the server has sent.
_EXPECTED = ("curve25519-", "ecdh-sha2-", "mlkem768x25519-")
_FIRST = 0  # what OpenSSH's sshd calls the first channel of a connection
_SERVICE = "ssh-userauth"


class _UnwaitingAuthHandler(AuthHandler):
    """Authenticates without waiting for the service: sends what Paramiko would after its answer."""

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]
        accepted = paramiko.Message()
        accepted.add_string(_SERVICE)
        accepted.rewind()
        super()._parse_service_accept(accepted)  # type: ignore[misc]

    def _parse_service_accept(self, message: paramiko.Message) -> None:
        """Do nothing: the service was accepted, as expected."""


class PipelinedTransport(WatchedTransport):
    """A transport whose first authentication by a key also starts a command.

    command: returns that command, empty for none. pipelined: whether it was sent. key_exchange:
    returns the algorithm that the server is expected to agree on, empty for none. expected: whether
    its first message is sent before the server's list is known. agreed: the algorithm, then.
    """

    def __init__(
        self,
        connection: Any,
        *,
        command: Callable[[], str],
        key_exchange: Callable[[], str] = str,
        **keywords: Any,
    ) -> None:
        super().__init__(connection, **keywords)
        self.agreed = key_exchange()
        self.expected = self.agreed.startswith(_EXPECTED) and self.agreed in self.preferred_kex
        self._begun: Any = None
        self._first_command = command
        self._command = ""
        self._channel: paramiko.Channel | None = None
        self._opening = threading.Thread(target=self._open, daemon=True)
        self.pipelined = False

    def _check_banner(self) -> None:
        """Read the server's banner. Paramiko's own has been sent by now."""
        if self.expected:
            super()._send_kex_init()  # type: ignore[misc]  # the stubs lack what has an underscore
            self._begun = self._kex_info[self.agreed](self)  # type: ignore[attr-defined]
            self._begun.start_kex()
        super()._check_banner()  # type: ignore[misc]

    def _send_kex_init(self) -> None:
        if self._begun is None:  # else it was sent
            super()._send_kex_init()  # type: ignore[misc]

    def _negotiate_keys(self, message: paramiko.Message) -> None:
        begun = self._begun
        if begun is None:
            super()._negotiate_keys(message)  # type: ignore[misc]
            return
        self._parse_kex_init(message)
        if type(self.kex_engine) is not type(begun):
            raise paramiko.SSHException("the server agreed on another key exchange")
        self.kex_engine, self._begun = begun, None
        self._expect_packet(_REPLY)  # type: ignore[attr-defined]

    def _parse_kex_init(self, message: paramiko.Message) -> None:
        super()._parse_kex_init(message)  # type: ignore[misc]
        engines = self._kex_info  # type: ignore[attr-defined]
        agreed = (name for name in self.preferred_kex if isinstance(self.kex_engine, engines[name]))
        self.agreed = next(agreed, "")

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
