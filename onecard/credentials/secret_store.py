"""The secrets that this computer stores for hosts: store, find and remove them.

The search order is: the environment, the host's name, `all`. Secrets are stored in
inventory/secrets.json (mode 0600, git-ignored), or in the system's keyring with only an entry in
that file: the keyring is opened for nothing else, since opening it may prompt the user.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from onecard.box.atomic_write import write_whole
from onecard.credentials.secret import Secret
from onecard.errors import UsageError
from onecard.json_text import parse_json
from onecard.project import inventory_folder

# All secrets, and the environment variable that sets each for one run.
NAMES: Final[Mapping[str, str]] = {
    "hf-token": "HF_TOKEN",
    "api-key": "ONECARD_API_KEY",
    "index-login": "ONECARD_INDEX_CREDENTIALS",
}
EVERY_HOST: Final = "all"
_SERVICE: Final = "onecard"


@dataclass(frozen=True)
class StoredSecret:
    """Where a secret is stored; never its value. place: `environment`, `keyring` or `file`."""

    name: str
    host: str
    place: str


def find(name: str, host: str) -> Secret | None:
    """Return a secret for a host, None when there is none.

    Raises UsageError for an unknown name, a value that a box's file cannot hold, or a store that
    cannot be read.
    """
    _check(name)
    value = os.environ.get(NAMES[name])
    if value:
        _refuse_unfit(name, value, NAMES[name])
        return Secret(value)
    entries = _read()
    for owner in (host, EVERY_HOST):
        entry = entries.get(f"{owner}/{name}")
        if entry is not None:
            value = _from_keyring(f"{owner}/{name}") if entry == "" else entry
            _refuse_unfit(name, value, f"{owner}/{name}")
            return Secret(value)
    return None


def store(name: str, host: str, secret: Secret, *, keyring: bool = False) -> StoredSecret:
    """Store a secret for a host (or EVERY_HOST); it replaces a stored one."""
    _check(name)
    value = secret.reveal()
    _refuse_unfit(name, value, name)
    entries = _read()
    if keyring:
        _keyring("set_password", f"{host}/{name}", value)
    entries[f"{host}/{name}"] = "" if keyring else value
    _write(entries)
    return StoredSecret(name, host, "keyring" if keyring else "file")


def remove(name: str, host: str) -> bool:
    """Remove the secret stored for exactly this host; return whether there was one."""
    _check(name)
    entries = _read()
    entry = entries.pop(f"{host}/{name}", None)
    if entry is None:
        return False
    if entry == "":
        _keyring("delete_password", f"{host}/{name}")
    _write(entries)
    return True


def listed() -> tuple[StoredSecret, ...]:
    """Return where each secret of this computer is stored, by name."""
    given = [
        StoredSecret(name, EVERY_HOST, "environment")
        for name, variable in NAMES.items()
        if os.environ.get(variable)
    ]
    stored = []
    for key, entry in sorted(_read().items()):
        host, _, name = key.rpartition("/")
        stored.append(StoredSecret(name, host, "keyring" if entry == "" else "file"))
    return (*given, *stored)


def _refuse_unfit(name: str, value: str, source: str) -> None:
    """Raise UsageError for a value that a box's file would change, or split into lines.

    source: the variable or entry to name. The key is written to an EnvironmentFile=
    (systemd.exec(5)) without quoting.
    """
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise UsageError(f"{source}: a secret is one word of printable ASCII characters")
    if name == "api-key" and set(value) & set("\\'\""):
        raise UsageError(f"{source}: an API key has no quote and no backslash; use another")


def _file() -> Path:
    return inventory_folder() / "secrets.json"


def _check(name: str) -> None:
    if name not in NAMES:
        raise UsageError(f"--name: there is no secret {name!r}; there are: {', '.join(NAMES)}")


def _read() -> dict[str, str]:
    """Return `HOST/NAME` -> value, empty for a secret in the keyring."""
    path = _file()
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path}: others may read this file of secrets: chmod 600 it")
        entries = parse_json(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = type(error).__name__
        raise UsageError(f"{path}: cannot be read: {reason}; correct or remove it") from None
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        raise UsageError(f"{path}: is not a mapping of HOST/NAME to text; correct or remove it")
    return entries


def _write(entries: Mapping[str, str]) -> None:
    path = _file()
    if not entries:
        path.unlink(missing_ok=True)
        return
    write_whole(path, json.dumps(dict(sorted(entries.items())), indent=2), 0o600)


def _from_keyring(key: str) -> str:
    value = _keyring("get_password", key)
    if value is None:
        raise UsageError(
            f"{key}: is listed as stored in the keyring, but is missing there; set it again"
        )
    return str(value)


def _keyring(method: str, *words: str) -> Any:
    """Call the keyring library, which is loaded only now. Raises UsageError for its errors."""
    import keyring as keyring_library
    from keyring.errors import KeyringError

    try:
        return getattr(keyring_library, method)(_SERVICE, *words)
    except KeyringError as error:
        raise UsageError(
            f"the system's keyring cannot be used ({type(error).__name__}); leave out --keyring to "
            "store the secret in inventory/secrets.json"
        ) from None
