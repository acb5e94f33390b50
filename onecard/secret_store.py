"""The secrets that this computer holds for hosts: where each is kept, found and forgotten.

A secret is looked for in the environment, then under the host's name, then under `all`. What is
stored lies in inventory/secrets.json (mode 0600, git-ignored), or in the system's keyring with
only a note of it in that file: the keyring is opened for nothing else, since opening it may ask
the user.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import keyring as keyring_library
from keyring.errors import KeyringError

from onecard.errors import UsageError
from onecard.places import inventory_folder
from onecard.secret import Secret
from onecard.whole_file import write_whole

# Every secret there is, and the environment variable that gives it for one run.
NAMES: Final[Mapping[str, str]] = {
    "hf-token": "HF_TOKEN",
    "api-key": "ONECARD_API_KEY",
    "index-login": "ONECARD_INDEX_CREDENTIALS",
}
EVERY_HOST: Final = "all"
_SERVICE: Final = "onecard"


@dataclass(frozen=True)
class Kept:
    """Where a secret is kept; never its value. place: `environment`, `keyring` or `file`."""

    name: str
    host: str
    place: str


def find(name: str, host: str) -> Secret | None:
    """Return a secret for a host, None when there is none.

    Raises UsageError for a name that is no secret's, or a store that cannot be read.
    """
    _check(name)
    value = os.environ.get(NAMES[name])
    if value:
        return Secret(value)
    entries = _read()
    for owner in (host, EVERY_HOST):
        entry = entries.get(f"{owner}/{name}")
        if entry is not None:
            kept = _from_keyring(f"{owner}/{name}") if entry == "" else entry
            return Secret(kept)
    return None


def keep(name: str, host: str, secret: Secret, *, keyring: bool = False) -> Kept:
    """Keep a secret for a host (or EVERY_HOST), in place of the one before."""
    _check(name)
    value = secret.reveal()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise UsageError(f"{name}: a secret is one word of printable ASCII characters")
    entries = _read()
    if keyring:
        _keyring("set_password", f"{host}/{name}", value)
    entries[f"{host}/{name}"] = "" if keyring else value
    _write(entries)
    return Kept(name, host, "keyring" if keyring else "file")


def forget(name: str, host: str) -> bool:
    """Forget what is kept for exactly this host; return whether there was something."""
    _check(name)
    entries = _read()
    entry = entries.pop(f"{host}/{name}", None)
    if entry is None:
        return False
    if entry == "":
        _keyring("delete_password", f"{host}/{name}")
    _write(entries)
    return True


def listed() -> tuple[Kept, ...]:
    """Return every secret that this computer would give, by name."""
    given = [
        Kept(name, EVERY_HOST, "environment")
        for name, variable in NAMES.items()
        if os.environ.get(variable)
    ]
    stored = []
    for key, entry in sorted(_read().items()):
        host, _, name = key.rpartition("/")
        stored.append(Kept(name, host, "keyring" if entry == "" else "file"))
    return (*given, *stored)


def _file() -> Path:
    return inventory_folder() / "secrets.json"


def _check(name: str) -> None:
    if name not in NAMES:
        raise UsageError(f"--name: there is no secret {name!r}; there are: {', '.join(NAMES)}")


def _read() -> dict[str, str]:
    """Return `HOST/NAME` -> value, an empty one for what lies in the keyring."""
    path = _file()
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path}: others may read this file of secrets: chmod 600 it")
        entries = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = type(error).__name__
        raise UsageError(f"{path}: cannot be read: {reason}; mend or remove it") from None
    if not isinstance(entries, dict) or not all(isinstance(v, str) for v in entries.values()):
        raise UsageError(f"{path}: is not a mapping of HOST/NAME to text; mend or remove it")
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
        raise UsageError(f"{key}: is noted as kept in the keyring, but is not there; set it again")
    return str(value)


def _keyring(method: str, *words: str) -> Any:
    """Call the keyring library, its errors as one line of ours."""
    try:
        return getattr(keyring_library, method)(_SERVICE, *words)
    except KeyringError as error:
        raise UsageError(
            f"the system's keyring cannot be used ({type(error).__name__}); leave out --keyring to "
            "keep the secret in inventory/secrets.json"
        ) from None
