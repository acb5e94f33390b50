"""The wire: the one module that imports fabric and paramiko.

It opens one SSH connection for each host and run, checks the host's key, starts commands on it,
forwards ports, and turns every exception of those libraries into the project's own error tree.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fabric
import invoke.exceptions
import paramiko
from fabric.exceptions import GroupException, InvalidV1Env, NothingToDo
from paramiko.ssh_exception import NoValidConnectionsError

from onecard.errors import (
    AuthenticationError,
    CommandError,
    HostKeyError,
    OnecardError,
    UnreachableError,
    UsageError,
)
from onecard.host import Host
from onecard.prompts import Prompts
from onecard.tunnel import forwarded
from onecard.whole_file import write_whole

USER_KNOWN_HOSTS = Path("~/.ssh/known_hosts")

# paramiko reports what it raises a second time, through logging, as a traceback on the terminal.
logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class HostKey:
    """A host's public key: the name that known_hosts files it under, and the key itself."""

    name: str
    key: paramiko.PKey

    @property
    def fingerprint(self) -> str:
        """Return it as `ssh-keygen -lf` prints it: algorithm and SHA256."""
        return f"{self.key.get_name()} {self.key.fingerprint}"


class _UnknownKey(paramiko.SSHException):
    """No known_hosts file vouches for the key that the host showed."""

    def __init__(self, host_key: HostKey) -> None:
        super().__init__(host_key.fingerprint)
        self.host_key = host_key


class _Refuse(paramiko.MissingHostKeyPolicy):
    def missing_host_key(self, client: Any, hostname: str, key: paramiko.PKey) -> None:
        raise _UnknownKey(HostKey(hostname, key))


class _ChannelPipe:
    """A command running on the box, as session.Pipe wants it."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def write(self, data: bytes) -> None:
        with translated(""):
            self._channel.sendall(data)

    def read(self, timeout: float) -> bytes | None:
        self._channel.settimeout(timeout)
        try:
            return self._channel.recv(65536)
        except TimeoutError:
            return None

    def close(self) -> None:
        self._channel.close()


class Wire:
    """One host's SSH connection.

    known_hosts: the project's own file; the user's `~/.ssh/known_hosts` is read behind it.
    """

    def __init__(self, host: Host, known_hosts: Path, prompts: Prompts) -> None:
        self._host = host
        self._known_hosts = known_hosts
        self._prompts = prompts
        with translated(host.name):
            self._connection = _connection(host)

    @property
    def login(self) -> str:
        """Return `user@address` as `~/.ssh/config` and the inventory make it."""
        return f"{self._connection.user}@{self._connection.host}"

    @property
    def address(self) -> str:
        """Return the name or address that the box is reached at."""
        return str(self._connection.host)

    def connect(self) -> None:
        """Log in: check the host key, then offer the agent's keys, key files and a password.

        Raises HostKeyError, AuthenticationError or UnreachableError within connect_timeout;
        UsageError for a file of this computer that cannot be used.
        """
        _require_key_file(self._host)
        with translated(self._host.name):
            try:
                self._open()
            except _UnknownKey as unknown:
                self._ask_about(unknown.host_key)
                self._open()

    def pipe(self, command: str) -> _ChannelPipe:
        """Start a command on the box; its standard error is joined to its standard output."""
        with translated(self._host.name):
            channel = self._connection.transport.open_session(
                timeout=self._host.connection.connect_timeout
            )
            channel.set_combine_stderr(True)
            channel.exec_command(command)
            return _ChannelPipe(channel)

    @property
    def alive(self) -> bool:
        """Tell whether the connection is open, as far as this end knows."""
        transport = self._connection.transport
        return transport is not None and bool(transport.is_active())

    def stream(self, port: int, address: str = "127.0.0.1") -> paramiko.Channel:
        """Open a byte stream to a port that the box reaches. Raises UnreachableError."""
        with translated(self._host.name):
            channel: paramiko.Channel = self._connection.transport.open_channel(
                "direct-tcpip", (address, port), ("127.0.0.1", 0), timeout=10
            )
            return channel

    def tunnel(self, port: int, address: str = "127.0.0.1") -> AbstractContextManager[int]:
        """Forward a free port of this computer's 127.0.0.1 to the box's port; yields the former."""
        return forwarded(lambda: self.stream(port, address))

    def close(self) -> None:
        """Close the connection and those that it jumps through."""
        for connection in (self._connection, *_gateways(self._connection)):
            connection.close()

    def _open(self) -> None:
        for connection in (self._connection, *_gateways(self._connection)):
            _vouch(connection.client, self._known_hosts)
        try:
            self._connection.open()
        except paramiko.PasswordRequiredException:
            self._retry_with("passphrase", self._prompts.passphrase)
        except paramiko.AuthenticationException:
            self._retry_with("password", self._prompts.ssh_password)
        self._connection.transport.set_keepalive(15)

    def _retry_with(self, argument: str, ask: Callable[[str], Any]) -> None:
        answer = ask(self.login)
        if answer is None:
            raise  # noqa: PLE0704  # called from an except clause: nobody can be asked
        self._connection.connect_kwargs[argument] = answer.reveal()
        try:
            self._connection.open()
        finally:
            del self._connection.connect_kwargs[argument]

    def _ask_about(self, host_key: HostKey) -> None:
        question = (
            f"{self._host.name} ({host_key.name}) shows a host key that nobody vouched for yet:\n"
            f"  {host_key.fingerprint}\nTrust it and go on?"
        )
        if not self._prompts.accepts(question):
            raise HostKeyError(
                f"{self._host.name}: unknown host key {host_key.fingerprint}; compare it with your "
                f"provider's console, then: invoke trust --host {self._host.name}"
            )
        remember(self._known_hosts, host_key)


def shown_host_key(host: Host, known_hosts: Path) -> HostKey:
    """Return the key that the host shows now, without logging in to it.

    A host on the way to it (ProxyJump) must be known already. Raises as Wire.connect does.
    """
    _require_key_file(host)
    with translated(host.name):
        connection = _connection(host)
        for hop in _gateways(connection):
            _vouch(hop.client, known_hosts)
        connection.client.set_missing_host_key_policy(_Refuse())
        try:
            connection.open()
        except _UnknownKey as unknown:
            return unknown.host_key
        finally:
            for each in (connection, *_gateways(connection)):
                each.close()
        raise UnreachableError(f"{host.name}: the host showed no key")


def known_host_keys(host: Host, known_hosts: Path) -> list[HostKey]:
    """Return the keys that the project's file, else the user's, holds for a host. Reads files."""
    with translated(host.name):
        connection = _connection(host)
    name = connection.host if connection.port == 22 else f"[{connection.host}]:{connection.port}"
    for path in (known_hosts, USER_KNOWN_HOSTS.expanduser()):
        with _usable(path):
            keys = paramiko.HostKeys(str(path)).lookup(name) if path.exists() else None
        if keys:
            return [HostKey(name, key) for key in keys.values()]
    return []


def remember(known_hosts: Path, host_key: HostKey) -> None:
    """Write a key into the project's known_hosts, in place of any that it had for the host."""
    with _usable(known_hosts):
        lines = known_hosts.read_text().splitlines() if known_hosts.exists() else []
        kept = [line for line in lines if line.split(" ")[0] != host_key.name]
        kept.append(f"{host_key.name} {host_key.key.get_name()} {host_key.key.get_base64()}")
        write_whole(known_hosts, "\n".join(kept) + "\n")


def _connection(host: Host) -> Any:
    wanted = host.connection
    keywords: dict[str, Any] = {"banner_timeout": wanted.connect_timeout}
    if wanted.key_file is not None:
        keywords["key_filename"] = str(wanted.key_file)
    gateway = None
    for hop in filter(None, wanted.proxy_jump.split(",")):
        gateway = fabric.Connection(
            hop, gateway=gateway, connect_timeout=wanted.connect_timeout, connect_kwargs=keywords
        )
    return fabric.Connection(
        wanted.address,
        user=wanted.user or None,
        port=wanted.port,
        gateway=gateway,
        connect_timeout=wanted.connect_timeout,
        connect_kwargs=dict(keywords, auth_timeout=wanted.connect_timeout),
    )


def _require_key_file(host: Host) -> None:
    wanted = host.connection.key_file
    if wanted is not None and not wanted.exists():
        raise UsageError(f"{host.name}: key_file {wanted} does not exist")


@contextmanager
def _usable(known_hosts: Path) -> Iterator[None]:
    """Turn what a file of host keys raises into a UsageError: the network has no part in it."""
    try:
        yield
    except paramiko.hostkeys.InvalidHostKey as error:
        raise UsageError(f"{known_hosts}: no host key: {error.line}; remove that line") from None
    except (OSError, ValueError) as error:  # ValueError: bytes that are no text, a key cut short
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{known_hosts}: cannot be used: {reason}; mend or remove it") from None


def _vouch(client: Any, known_hosts: Path) -> None:
    """Have a client accept the known keys alone.

    paramiko looks in the "system" keys first: the project's word goes before the user's, since
    rental companies hand the same address to many boxes.
    """
    client.set_missing_host_key_policy(_Refuse())
    files = {
        known_hosts: client.load_system_host_keys,
        USER_KNOWN_HOSTS.expanduser(): client.load_host_keys,
    }
    for path, load in files.items():
        with _usable(path):
            if path.exists():
                load(str(path))


def _gateways(connection: Any) -> list[Any]:
    found = []
    while isinstance(connection.gateway, fabric.Connection):
        connection = connection.gateway
        found.append(connection)
    return found


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn what fabric, paramiko, invoke and sockets raise into the project's error tree."""
    try:
        yield
    except OnecardError:
        raise
    except FOREIGN as error:
        raise translate(error, name) from error


FOREIGN: tuple[type[Exception], ...] = (
    paramiko.SSHException,
    OSError,  # socket.timeout, socket.gaierror, NoValidConnectionsError and kin
    EOFError,  # paramiko's word for a peer that hung up
    *(
        found
        for found in vars(invoke.exceptions).values()
        if isinstance(found, type) and issubclass(found, Exception)
    ),
    GroupException,
    InvalidV1Env,
    NothingToDo,
)


def translate(error: Exception, name: str) -> OnecardError:
    """Return the error of the project's tree that says in one line what `error` means."""
    prefix = f"{name}: " if name else ""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, paramiko.BadHostKeyException):
        shown, expected = HostKey(name, error.key), HostKey(name, error.expected_key)
        return HostKeyError(
            f"{prefix}the host key has changed: expected {expected.fingerprint}, the box shows "
            f"{shown.fingerprint}. If the box was rebuilt: invoke trust --host {name} --replace"
        )
    if isinstance(error, _UnknownKey):
        return HostKeyError(
            f"{prefix}unknown host key {error.host_key.fingerprint} of {error.host_key.name}; "
            "run on a terminal to be asked, or: invoke trust --host HOST"
        )
    if isinstance(error, (paramiko.PasswordRequiredException, paramiko.AuthenticationException)):
        return AuthenticationError(
            f"{prefix}the box refused the login ({text}); check user and key_file, or set "
            "ONECARD_SSH_PASSWORD"
        )
    if isinstance(error, (paramiko.ConfigParseError, paramiko.CouldNotCanonicalize)):
        return UsageError(f"{prefix}~/.ssh/config: {text}")
    if isinstance(error, (invoke.exceptions.Failure, invoke.exceptions.WatcherError)):
        return CommandError(f"{prefix}{text}")
    if isinstance(error, socket.gaierror):
        return UnreachableError(f"{prefix}the name does not resolve ({text}); check its address")
    if isinstance(error, NoValidConnectionsError):
        tried = ", ".join(f"{address[0]}:{address[1]}" for address in error.errors)
        return UnreachableError(
            f"{prefix}nothing takes SSH connections at {tried}; check address and port, and that "
            "the box is up"
        )
    if isinstance(error, TimeoutError):
        return UnreachableError(f"{prefix}no answer within connect_timeout; is the box up?")
    if isinstance(error, (OSError, EOFError, paramiko.SSHException)):
        return UnreachableError(f"{prefix}{text}")
    return OnecardError(f"{prefix}{type(error).__name__}: {text}")
