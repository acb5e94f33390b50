"""What known_hosts files say about a host: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

Host patterns with `*`, `?` and `!`, hashed names, ports, and the markers `@cert-authority` and
`@revoked` are read as OpenSSH reads them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from re import escape, match

import paramiko
from paramiko.pkey import UnknownKeyType

from onecard.errors import UsageError

AUTHORITY, REVOKED = "@cert-authority", "@revoked"


@dataclass(frozen=True)
class KnownHost:
    """One line. kind: of the key, such as ssh-ed25519. blob: the key itself."""

    marker: str
    names: str
    kind: str
    blob: bytes

    def covers(self, name: str) -> bool:
        """Return whether the line is about a host; `name` as in known_hosts, in lower case."""
        if self.names.startswith("|1|"):
            return _hash_matches(self.names, name)
        patterns = self.names.lower().split(",")
        if any(_fits(name, each[1:]) for each in patterns if each.startswith("!")):
            return False
        return any(_fits(name, each) for each in patterns if not each.startswith("!"))

    @property
    def key(self) -> paramiko.PKey | None:
        """Return the key, None for a kind that Paramiko does not know. Raises ValueError."""
        try:
            return paramiko.PKey.from_type_string(self.kind, self.blob)
        except UnknownKeyType:
            return None
        except (paramiko.SSHException, IndexError) as error:
            raise ValueError(str(error)) from error


def read_entries(path: Path) -> list[KnownHost]:
    """Return the lines of a file, none where it is absent.

    Raises UsageError, naming the file, where a line is damaged: that is not a network error.
    """
    with usage_errors(path):
        if not path.exists():
            return []
        found = path.stat()
    return list(_entries(path, found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache  # a long file takes 0.1 s, and a run looks into it for every hop
def _entries(path: Path, inode: int, changed: int, size: int) -> tuple[KnownHost, ...]:
    """Return the lines of a file as it was changed last, in ns."""
    with usage_errors(path):
        lines = path.read_text().splitlines()
    return tuple(entry for line in lines if (entry := _entry(path, line.strip())))


def _entry(path: Path, line: str) -> KnownHost | None:
    if not line or line.startswith("#"):
        return None
    marker, words = "", line.split()
    if words[0].startswith("@"):
        marker, *words = words
    if len(words) < 3 or words[1].isdecimal():  # the second is the form of SSH protocol 1
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        raise UsageError(f"{path}: not a host key: {line}; remove that line") from None
    entry = KnownHost(marker, words[0], words[1], blob)
    with usage_errors(path):
        entry.key  # noqa: B018  # a key that is cut off is found here
    return entry


@contextmanager
def usage_errors(path: Path) -> Iterator[None]:
    """Raise errors of a known_hosts file as UsageError: they are not network errors."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: bytes that are not text, a truncated key
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: cannot be used: {reason}; correct or remove it") from None


def about(name: str, files: Iterable[Path]) -> list[KnownHost]:
    """Return the lines about a host in several files, in their order. Raises UsageError."""
    return [entry for path in files for entry in read_entries(path) if entry.covers(name)]


def _fits(name: str, pattern: str) -> bool:
    # Only these two are special: brackets stand around an address with a port.
    wild = "".join({"*": ".*", "?": "."}.get(sign, escape(sign)) for sign in pattern)
    return match(f"(?s:{wild})\\Z", name) is not None


def _hash_matches(names: str, name: str) -> bool:
    parts = names.split("|")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
