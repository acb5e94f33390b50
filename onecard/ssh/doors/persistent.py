"""Logins that persist for the next command (`keep_connection`): where their sockets are.

A socket's name stands for all that a login depends on: ssh's options for the host, and what
known_hosts has of it. So a login is shared only while a new one would be to the same account, the
same way, and would expect the same host key.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from onecard.errors import UsageError
from onecard.inventory.host import Host
from onecard.private_files import private_folder
from onecard.ssh.host_keys import host_key_book
from onecard.ssh.openssh.control import Control
from onecard.ssh.openssh.route import Route

_LONGEST_PATH = 104 - 1 - 17  # sun_path of BSD and macOS, its end, and what ssh adds while it binds
_END_TIMEOUT = 5.0  # s for a login to end


def persistent_login(host: Host, route: Route, known_hosts: Path) -> Control:
    """Return the login to share, which may not exist yet. Raises UsageError for its folder."""
    ways = [route, *route.via]
    books = [host_key_book(way, known_hosts) for way in ways]
    keys = [
        [each.fingerprint for each in (*book.keys, *book.bare)]
        + [blob.hex() for blob in sorted(book.revoked)]
        for book in books
    ]
    own = (host.connection.key_file, known_hosts.resolve())
    login = [[way.wanted, sorted(way.options.items())] for way in ways]
    name = hashlib.sha256(repr((own, login, keys)).encode()).hexdigest()[:16]
    path = _folder() / name
    if len(str(path).encode()) > _LONGEST_PATH:
        raise UsageError(
            f"keep_connection: {path} is too long for a socket; set XDG_CACHE_HOME to a shorter one"
        )
    return Control(path)


def end_logins(only: Collection[Control] = ()) -> int:
    """End the logins of this account, or only these; return how many there were."""
    logins = [Control(path) for path in _folder().iterdir() if path.is_socket()]
    ended = [each.end(_END_TIMEOUT) for each in logins if each in only or not only]
    return sum(ended)


@contextmanager
def alone(login: Control) -> Iterator[None]:
    """Have others, who want to log in to the same, wait: two logins cannot have one socket."""
    with login.socket.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder() -> Path:
    """Return the folder. Raises UsageError where others could write to it."""
    folder = private_folder("ssh")
    if folder is None:
        raise UsageError(
            "keep_connection: onecard/ssh in your cache folder (~/.cache, or XDG_CACHE_HOME) is "
            "not a folder of your own that others cannot enter: remove it, or chmod 700"
        )
    return Path(folder)
