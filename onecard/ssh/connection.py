"""Paramiko's door: one login to a host, its host key verified, that carries commands and streams.

It turns every exception of fabric and paramiko into the project's own errors. Nothing outside
onecard/ssh imports these two libraries.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paramiko

from onecard.errors import RUN_AGAIN, AuthenticationError, OnecardError, UnreachableError
from onecard.inventory.host import Host
from onecard.ssh import fabric_connection
from onecard.ssh.channel_pipe import ChannelPipe
from onecard.ssh.door import Door
from onecard.ssh.errors import refusal_named, translated
from onecard.ssh.fabric_connection import (
    hops,
    is_refused,
    new_connection,
    offer_key_file,
    verify_host_key,
)
from onecard.ssh.host_keys import UnknownHostKey
from onecard.ssh.openssh import private_key
from onecard.ssh.openssh.proxy import described, failure
from onecard.ssh.openssh.route import Route, resolve
from onecard.ssh.prompts import Prompts
from onecard.ssh.transport.early_socket import EarlySocket, Endpoint
from onecard.ssh.transport.login_notes import ORDINARY, note, noted
from onecard.ssh.trust import confirm_host_key

# paramiko also logs each exception that it raises, as a traceback on the terminal.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


_NO_ANSWER = "No existing session"  # paramiko's, where the box sends its banner and no key in time
_HOST_KEY_ERRORS = (UnknownHostKey, paramiko.BadHostKeyException)


def _expected_another_key_exchange(transport: Any) -> bool:
    """Return whether a server has answered, but not taken the key exchange that was begun."""
    if transport is None or transport.initial_kex_done or transport.silent:
        return False
    return bool(transport.expected and transport.remote_version)


class SshConnection(Door):
    """One host's SSH connection.

    known_hosts: the project's own file; the user's files are read after it. route: the way to the
    host, resolved where it is None. first: returns the command that will be started first, empty
    where it is not known: it is sent with the login, which waits for it. early: a connection to use
    if it leads to the host.
    """

    def __init__(
        self,
        host: Host,
        known_hosts: Path,
        prompts: Prompts,
        route: Route | None = None,
        first: Callable[[], str] = str,
        *,
        early: EarlySocket | None = None,
    ) -> None:
        self._host = host
        self._known_hosts = known_hosts
        self._prompts = prompts
        self._route = route or resolve(host)
        self._note = noted(self._route.host_key_name)
        self._command, self._first = first, ""
        self._pipelines = self._note != ORDINARY
        with translated(host.name):
            self._connection = new_connection(
                host, self._route, known_hosts, self._first_command, lambda: self._note
            )
        self._early = early

    @property
    def login(self) -> str:
        return self._route.login

    @property
    def address(self) -> str:
        return self._route.address

    @property
    def endpoint(self) -> Endpoint | None:
        return None if self._connection.gateway else (self._route.address, self._route.port)

    def connect(self) -> None:
        """Log in: verify the host key, then offer key files, the agent's keys and a password.

        Raises HostKeyError, AuthenticationError or UnreachableError within connect_timeout;
        UsageError for a file of this computer that cannot be used.
        """
        offer_key_file(self._host, self._connection)
        if self._note in ("", ORDINARY):
            self._command()  # it may prompt, and log in by other means than a key
        with self._translated():
            try:
                self._open()
            except UnknownHostKey as unknown:
                self._close_unauthenticated()
                confirm_host_key(
                    self._host, unknown.host_key, self._known_hosts, self._route, self._prompts
                )
                self._open()

    def pipe(self, command: str) -> ChannelPipe:
        with self._translated():
            if command == self._first and (channel := self._first_channel()):
                return ChannelPipe(channel, self._lost)
            channel = self._connection.transport.open_session(
                timeout=self._host.connection.connect_timeout
            )
            channel.set_combine_stderr(True)
            with refusal_named(self._host.name, lambda: self.alive):
                channel.exec_command(command)  # nosec B601  # all that a door is for
            return ChannelPipe(channel, self._lost)

    def _first_command(self) -> str:
        """Return the command to send with the login, empty for none."""
        command = self._command()
        self._first = command if self._pipelines else ""
        return self._first

    def _first_channel(self) -> paramiko.Channel | None:
        """Return the channel of the command that was sent with the login, None where none runs."""
        self._first, self._pipelines = "", False
        transport = self._connection.transport
        if not transport.pipelined:
            return None
        channel: paramiko.Channel | None = transport.first_channel(
            self._host.connection.connect_timeout
        )
        if channel is not None:
            channel.set_combine_stderr(True)
        elif not self.alive:
            self._open_step_by_step()
        return channel

    @property
    def alive(self) -> bool:
        transport = self._connection.transport
        return transport is not None and bool(transport.is_active())

    @property
    def silent(self) -> bool:
        transports = [connection.client.get_transport() for connection in hops(self._connection)]
        return any(transport is not None and transport.silent for transport in transports)

    def stream(self, port: int, address: str = "127.0.0.1") -> paramiko.Channel:
        with self._translated():
            channel: paramiko.Channel = self._connection.transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=10
            )
            return channel

    def close(self) -> None:
        fabric_connection.close(self._connection)

    def _open(self) -> None:
        verify_host_key(self._connection, self._route, self._known_hosts, store=True)
        try:
            self._connection.open(self._early_socket())
            self._remember_key_exchange()
        except (paramiko.SSHException, OSError, EOFError) as error:
            transport = self._connection.client.get_transport()
            if _expected_another_key_exchange(transport):
                self._note = ""
                fabric_connection.close(self._connection)
                self._open()
                return
            if self._first and transport is not None and transport.pipelined:
                # No more of it: a key was refused, or the server cut it.
                self._first, self._pipelines = "", False
                if not transport.is_active():
                    self._open_step_by_step()
                    return
            if not isinstance(error, paramiko.SSHException):
                raise
            refusing = next(filter(is_refused, hops(self._connection)), None)
            if refusing is None or isinstance(error, _HOST_KEY_ERRORS):
                raise
            self._close_unauthenticated()
            self._open_with_secrets(refusing)

    def _open_step_by_step(self) -> None:
        """Log in again, after a server that cut a pipelined login."""
        fabric_connection.close(self._connection)
        self._open()
        note(self._route.host_key_name, ORDINARY)

    def _early_socket(self) -> socket.socket | None:
        """Return the connection that was made early, once, if it leads to the host."""
        early, self._early = self._early, None
        endpoint = self.endpoint
        return early.take(endpoint) if early and endpoint else None

    def _remember_key_exchange(self) -> None:
        agreed = self._connection.client.get_transport().agreed
        if self._note not in (agreed, ORDINARY):
            note(self._route.host_key_name, agreed)

    def _close_unauthenticated(self) -> None:
        """Close connections without a login: they would time out during a prompt."""
        for connection in hops(self._connection):
            transport = connection.client.get_transport()
            if transport is not None and not transport.is_authenticated():
                connection.client.close()

    def _open_with_secrets(self, refusing: Any) -> None:
        """Log in again with a key that needs a passphrase, then with a password.

        refusing: the connection that was refused; the box's password is not sent to a jump host.
        """
        locked = self._locked_keys()
        if self._unlock(locked):
            locked = []
            try:
                self._connection.open()
                return
            except paramiko.SSHException:
                if not is_refused(self._connection):
                    raise
        password = self._prompts.ssh_password(self.login) if refusing is self._connection else None
        if password is None and locked:
            start = "" if os.environ.get("SSH_AUTH_SOCK") else 'eval "$(ssh-agent)" && '
            raise AuthenticationError(
                f"{self._host.name}: the private key {locked[0]} is encrypted, and no agent offers "
                f"it: {start}ssh-add {locked[0]}, or set ONECARD_KEY_PASSPHRASE"
            )
        if password is None:
            raise paramiko.AuthenticationException("no key was accepted")
        self._connection.connect_kwargs["password"] = password.reveal()
        try:
            self._connection.open()
        finally:
            del self._connection.connect_kwargs["password"]

    def _locked_keys(self) -> list[Path]:
        own = self._host.connection.key_file
        paths = [own] if own else map(Path, self._connection.connect_kwargs["key_filename"])
        return [path for path in dict.fromkeys(paths) if private_key.is_encrypted(path)]

    def _unlock(self, locked: list[Path]) -> bool:
        """Offer the first of these keys that a passphrase decrypts; return whether there is one."""
        rejected = []
        for path in locked:
            passphrase = self._prompts.passphrase(path)
            if passphrase is None:
                continue
            try:
                key = private_key.load(path, passphrase.reveal())
            except private_key.EncryptedError:
                rejected.append(path)
                continue
            for connection in hops(self._connection):
                connection.connect_kwargs["pkey"] = key
            return True
        if rejected:
            raise AuthenticationError(
                f"{self._host.name}: wrong passphrase for {rejected[0]}: correct "
                f"ONECARD_KEY_PASSPHRASE, or unset it to be prompted, or use ssh-add {rejected[0]}"
            )
        return False

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Do as `translated`; report a lost login, and what a jump host or ProxyCommand printed."""
        try:
            with translated(self._host.name):
                yield
        except OnecardError as error:
            lost = self._connection.transport is not None and not self.alive
            lost |= str(error.__cause__) == _NO_ANSWER
            if (lost or type(error) is UnreachableError) and (
                output := fabric_connection.error_output(self._connection)
            ):
                raise failure(self._host.name, described(self._route), output) from error
            if self.silent or lost:
                raise self._lost() from error
            raise

    def _lost(self) -> UnreachableError:
        """Return the error for a connection that was lost, or never answered."""
        name = self._host.name
        timeout = fabric_connection.connect_timeout_of(self._host, self._route)
        if self._connection.transport is not None and not self.silent:
            return UnreachableError(f"{name}: the connection was cut; {RUN_AGAIN}")
        if self._connection.transport is None:
            return UnreachableError(
                f"{name}: takes connections, but the box does not answer within {timeout:g} s "
                "(connect_timeout): it hangs, or the port is not that of SSH; look at its console"
            )
        timeout = fabric_connection.silence_timeout(self._route, timeout)
        return UnreachableError(
            f"{name}: the box does not answer, for {timeout:g} s now (connect_timeout): it is "
            f"down, or the network to it; {RUN_AGAIN}"
        )
