"""Which door to a host: Paramiko's, or the user's own ssh for what Paramiko cannot do."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from onecard.errors import UnreachableError
from onecard.inventory.host import Host
from onecard.ssh.connection import SshConnection
from onecard.ssh.door import Door
from onecard.ssh.doors.own_ssh import OwnSsh
from onecard.ssh.host_keys import host_key_book
from onecard.ssh.openssh import client, private_key
from onecard.ssh.openssh.identities import TokenError, agent, existing, expand, key_files
from onecard.ssh.openssh.route import Route, resolve
from onecard.ssh.prompts import Prompts
from onecard.ssh.transport import algorithms
from onecard.ssh.transport.early_socket import EarlySocket

_SECURITY_KEY = "security key"
_LONG_LOGIN = 3.0  # s; a key that needs no touch has signed by then


def connect(
    host: Host,
    known_hosts: Path,
    prompts: Prompts,
    *,
    first: Callable[[], str] = str,
    early: EarlySocket | None = None,
    again: bool = False,
) -> Door:
    """Log in to a host and return the open door. Raises as Door.connect does.

    first: returns the command that will be started first; no login goes on before it has.
    early: a connection to use if it leads to the host. again: use no connection of an earlier
    command.
    """
    route = resolve(host)
    reason = beyond_paramiko(host, route, known_hosts)
    notes = [*route.notes, *([] if not reason or client.installed() else [_missing(reason)])]
    for note in notes:
        print(f"{host.name}: {note}", file=sys.stderr)
    if reason and client.installed():
        first()
        with _reminder_of_touch(host.name if _SECURITY_KEY in reason else ""):
            return _opened(OwnSsh(host, known_hosts, prompts, route, again=again))
    try:
        return _opened(SshConnection(host, known_hosts, prompts, route, first, early=early))
    except UnreachableError as error:
        # Ciphers and signatures that Paramiko has no more, or not yet.
        if isinstance(error.__cause__, IncompatiblePeer) and client.installed():
            return _opened(OwnSsh(host, known_hosts, prompts, route))
        raise


@contextmanager
def _reminder_of_touch(name: str) -> Iterator[None]:
    """Print, if a login takes long, that a security key may wait; nothing for an empty name.

    ssh itself prints that on a terminal, which it does not have here.
    """
    line = f"{name}: touch the security key if it blinks"
    timer = threading.Timer(_LONG_LOGIN, print, [line], {"file": sys.stderr})
    if name:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def beyond_paramiko(host: Host, route: Route, known_hosts: Path) -> str:
    """Return what of the route only OpenSSH can do, "" if Paramiko can do it all."""
    for option in ("certificatefile", "pkcs11provider", "proxyusefdpass"):
        if route.one(option) not in ("", "no"):
            return f"{option} of the ssh configuration"
    if option := algorithms.beyond(route):
        return f"{option} of the ssh configuration"
    if agent(route) not in ("", os.environ.get("SSH_AUTH_SOCK", "")):
        return "identityagent of the ssh configuration"
    try:
        expand(route.proxy_command, route)
        paths = [*existing(route), *filter(None, [host.connection.key_file])]
        missing = [path for path in key_files(route) if not path.exists()]
    except TokenError as token:
        return f"the token {token} of the ssh configuration"
    if unread := next(filter(private_key.needs_openssh, paths), None):
        return f"the {_SECURITY_KEY if private_key.is_of_security_key(unread) else 'key'} {unread}"
    if route.yes("identitiesonly"):
        # The agent has the private keys of those that are encrypted, or whose public half is here.
        public = [path for path in missing if path.with_name(f"{path.name}.pub").exists()]
        held = [path for path in paths if path.suffix == ".pub" or private_key.is_encrypted(path)]
        if agent(route) and (held or public):
            return "identitiesonly of the ssh configuration"
    elif agent(route) and any(key.get_name().startswith("sk-") for key in _agent_keys()):
        return f"a {_SECURITY_KEY} of the agent"
    book = host_key_book(route, known_hosts)
    if book.authority and not book.keys:
        return f"the @cert-authority of {book.name} in known_hosts"
    return "keep_connection" if host.connection.keep_connection else ""


def _agent_keys() -> tuple[paramiko.AgentKey, ...]:
    agent_ = paramiko.Agent()
    try:
        return agent_.get_keys()
    finally:
        agent_.close()


def _missing(reason: str) -> str:
    return f"{reason} needs the ssh program, and none is installed here"


def _opened(door: Door) -> Door:
    try:
        door.connect()
    except BaseException:
        door.close()
        raise
    return door
