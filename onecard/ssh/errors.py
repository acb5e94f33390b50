"""Translate the exceptions of fabric, paramiko, invoke and sockets into the project's errors."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
from onecard.ssh.host_keys import HostKey, UnknownHostKey


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise the exceptions of fabric, paramiko, invoke and sockets as errors of the project."""
    try:
        yield
    except OnecardError:
        raise
    except FOREIGN as error:
        raise translate(error, name) from error


# docs.runpod.io, "Connect to a Pod with SSH": the basic SSH of every pod supports neither scp nor
# sftp, and prints _TERMINAL_ALONE for a command; full SSH needs the pod's public address.
NO_COMMANDS = (
    "takes the login but runs no commands, only a terminal (as RunPod's proxy ssh.runpod.io does): "
    "set address and port to the pod's public TCP port (in RunPod's console: Connect, SSH over "
    "exposed TCP), and user root"
)
_TERMINAL_ALONE = "doesn't support PTY"
_REFUSED = "exec request failed on channel"  # OpenSSH's own words


def runs_no_commands(output: str) -> bool:
    """Return whether a server refused a command, or answered it with the request for a terminal."""
    return _TERMINAL_ALONE in output or _REFUSED in output


@contextmanager
def refusal_named(name: str, alive: Callable[[], bool]) -> Iterator[None]:
    """Raise UnreachableError where a connection that stays open refuses to run a command."""
    try:
        yield
    except paramiko.SSHException as error:
        if not alive():
            raise
        raise UnreachableError(f"{name}: {NO_COMMANDS}") from error


_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, EOFError)


FOREIGN: tuple[type[Exception], ...] = (
    paramiko.SSHException,
    OSError,  # socket.timeout, socket.gaierror, NoValidConnectionsError, ...
    EOFError,  # paramiko raises it when the peer closes the connection
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
    """Return the project's error for `error`, with a message of one line."""
    prefix = f"{name}: " if name else ""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, paramiko.BadHostKeyException):
        shown, expected = HostKey(name, error.key), HostKey(name, error.expected_key)
        return HostKeyError(
            f"{prefix}the host key has changed: expected {expected.fingerprint}, the box shows "
            f"{shown.fingerprint}. If the box was rebuilt: invoke trust --host {name} --replace"
        )
    if isinstance(error, UnknownHostKey):
        return HostKeyError(
            f"{prefix}unknown host key {error.host_key.fingerprint} of {error.host_key.name}; "
            "run on a terminal to be prompted, or: invoke trust --host HOST"
        )
    if isinstance(error, paramiko.AuthenticationException):
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
        return UnreachableError(
            f"{prefix}no answer within connect_timeout: the box is down, or "
            "a firewall stands between; check its address, and that it is up"
        )
    if isinstance(error, _CUT) or text.startswith("Error reading SSH protocol banner"):
        return UnreachableError(
            f"{prefix}the connection was cut ({text}): the box reboots, or its sshd restarts or "
            "refuses this address; check that it is up, then run this again"
        )
    if isinstance(error, paramiko.ChannelException):  # the box answers: it refused a channel
        return UnreachableError(f"{prefix}{text}")
    if isinstance(error, (OSError, paramiko.SSHException)):
        return UnreachableError(f"{prefix}{text}; check address and port, and that the box is up")
    return OnecardError(f"{prefix}{type(error).__name__}: {text}")
