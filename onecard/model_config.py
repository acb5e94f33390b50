"""A model's config.json: from a folder or file here, or from the hub before any download."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests

from onecard.errors import OnecardError, UsageError
from onecard.secret import Secret

_TIMEOUT_S: Final = 15


def read_config(path: Path) -> Mapping[str, Any]:
    """Return a config.json's values. path: the file, or the folder it lies in.

    Raises UsageError for a file that is not there or holds no JSON object.
    """
    file = path / "config.json" if path.is_dir() else path
    try:
        return _object(file.read_bytes())
    except OSError as error:
        raise UsageError(f"--model: {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--model: {file} holds no JSON object: {error}") from error


def fetch_config(source: str, hub: str, token: Secret | None) -> Mapping[str, Any]:
    """Return the config.json of a hub's repository (about a KiB; nothing else is fetched).

    source: such as `Qwen/Qwen3.5-27B`. hub: the hub's address.
    Raises OnecardError that says what the hub answered.
    """
    headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
    try:
        answer = requests.get(
            f"{hub}/{source}/resolve/main/config.json", headers=headers, timeout=_TIMEOUT_S
        )
    except requests.RequestException as error:
        raise OnecardError(f"{hub} cannot be reached ({type(error).__name__})") from error
    if answer.status_code in {401, 403}:
        raise OnecardError(
            f"{hub} gives {source} to nobody without leave ({answer.status_code}): it is gated, "
            "private or not there; see invoke secret set --name hf-token"
        )
    if not answer.ok:
        raise OnecardError(f"{hub} has no config.json of {source} ({answer.status_code})")
    try:
        return _object(answer.content)
    except ValueError as error:
        raise OnecardError(f"{hub}: the config.json of {source} is no JSON object") from error


def _object(data: bytes) -> Mapping[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("a list or a value")
    return found
