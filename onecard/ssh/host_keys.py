"""Host keys: what is known about a host, the verdict on the key that it shows, and storing one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

from onecard.box.atomic_write import write_whole
from onecard.errors import HostKeyError
from onecard.ssh.openssh import client
from onecard.ssh.openssh.identities import TokenError, expand
from onecard.ssh.openssh.known_hosts import AUTHORITY, REVOKED, KnownHost, about, usage_errors
from onecard.ssh.openssh.route import Route

_RSA = ("rsa-sha2-512", "rsa-sha2-256")  # what a server with a key of kind ssh-rsa signs with


@dataclass(frozen=True)
class HostKey:
    """A host's public key, and its name in known_hosts."""

    name: str
    key: paramiko.PKey

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint as `ssh-keygen -lf` prints it: algorithm and SHA256."""
        return f"{self.key.get_name()} {self.key.fingerprint}"


class UnknownHostKey(paramiko.SSHException):
    """The host's key is in no known_hosts file."""

    def __init__(self, host_key: HostKey) -> None:
        super().__init__(host_key.fingerprint)
        self.host_key = host_key


@dataclass(frozen=True)
class HostKeyBook:
    """All that the known_hosts files say about one host.

    name: the host's, as in known_hosts. keys: those to expect. bare: those stored without the port,
    which ssh accepts too. revoked: keys never to accept. authority: whether a certificate of the
    host is to be verified. strict: StrictHostKeyChecking, as `ssh -G` prints it.
    """

    name: str
    keys: tuple[HostKey, ...] = ()
    bare: tuple[HostKey, ...] = ()
    revoked: frozenset[bytes] = frozenset()
    authority: bool = False
    strict: str = "ask"

    @property
    def algorithms(self) -> tuple[str, ...]:
        """Return the signature algorithms of the expected keys: the host is to show one of them."""
        kinds = (each.key.get_name() for each in self.keys or self.bare)
        return tuple(name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,)))

    @property
    def state(self) -> str:
        """Return `known`, `certified` or `unknown`: what is to be expected of a login."""
        return "known" if self.keys else "certified" if self.authority else "unknown"

    def verify(self, key: paramiko.PKey) -> None:
        """Accept a known key. Raises HostKeyError, BadHostKeyException or UnknownHostKey."""
        shown = HostKey(self.name, key)
        if key.asbytes() in self.revoked:
            raise HostKeyError(
                f"{self.name}: the host key {shown.fingerprint} is marked @revoked in known_hosts: "
                "do not log in; ask who marked it"
            )
        if any(each.key == key for each in (*self.keys, *self.bare)):
            return
        if self.keys:
            same = (each.key for each in self.keys if each.key.get_name() == key.get_name())
            raise paramiko.BadHostKeyException(self.name, key, next(same, self.keys[0].key))
        raise UnknownHostKey(shown)


def host_key_book(route: Route, known_hosts: Path) -> HostKeyBook:
    """Return what is known about the host of a route.

    known_hosts: the project's own file; what it has of a host counts alone, since rental companies
    give the same address to many boxes. Raises UsageError for a damaged file.
    """
    name, files = route.host_key_name, user_files(route)
    own, others = about(name, [known_hosts]), about(name, files)
    bare = about(route.address.lower(), [known_hosts, *files]) if name.startswith("[") else []
    return HostKeyBook(
        name,
        _keys(name, own) or _keys(name, others),
        _keys(name, bare),
        frozenset(each.blob for each in (*own, *others) if each.marker == REVOKED),
        any(each.marker == AUTHORITY for each in (*own, *others)),
        route.one("stricthostkeychecking") or "ask",
    )


def user_files(route: Route) -> list[Path]:
    """Return the user's known_hosts files and those of the system, as ssh would read them."""
    found = []
    for option in ("userknownhostsfile", "globalknownhostsfile"):
        for named in route.one(option).split():
            try:
                found.append(client.at_home(expand(named, route)))
            except TokenError:  # `ssh -G` expands them itself
                continue
    return found


def save_host_key(known_hosts: Path, host_key: HostKey) -> None:
    """Write a key to the project's known_hosts; it replaces all stored keys of that host."""
    with usage_errors(known_hosts):
        lines = known_hosts.read_text().splitlines() if known_hosts.exists() else []
        lines = [line for line in lines if line.split(" ")[0] != host_key.name]
        lines.append(f"{host_key.name} {host_key.key.get_name()} {host_key.key.get_base64()}")
        write_whole(known_hosts, "\n".join(lines) + "\n")


class VerifyByBook(paramiko.MissingHostKeyPolicy):
    """Accepts the keys of a book only; `accept` stores an unknown one where ssh would.

    Paramiko's client is given no keys of its own, so that every key comes here.
    """

    def __init__(self, book: HostKeyBook, accept: Callable[[HostKey], None] | None = None) -> None:
        self._book = book
        self._accept = accept

    def missing_host_key(self, client: Any, hostname: str, key: paramiko.PKey) -> None:
        try:
            self._book.verify(key)
        except UnknownHostKey as unknown:
            # `no` accepts changed keys too; here it means no more than accept-new.
            if self._accept is None or self._book.strict not in ("accept-new", "false", "no"):
                raise
            self._accept(unknown.host_key)


def _keys(name: str, entries: list[KnownHost]) -> tuple[HostKey, ...]:
    keys = (each.key for each in entries if not each.marker)
    return tuple(HostKey(name, key) for key in keys if key is not None)
