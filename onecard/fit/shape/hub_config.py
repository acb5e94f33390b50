"""A model's config.json: from a local folder or file, or from the hub before any download."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests

from onecard.credentials.secret import Secret
from onecard.errors import OnecardError, UsageError
from onecard.json_text import parse_json

_TIMEOUT_S: Final = 15


def read_config(path: Path) -> Mapping[str, Any]:
    """Return a config.json's values. path: the file, or the folder it lies in.

    Raises UsageError for a file that does not exist or contains no JSON object.
    """
    file = path
    try:
        file = path / "config.json" if path.is_dir() else path
        return _object(file.read_bytes())
    except OSError as error:
        raise UsageError(f"--model: {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"--model: {file} holds no JSON object: {error}") from error


def download_config(source: str, hub: str, token: Secret | None) -> Mapping[str, Any]:
    """Return the config.json of a hub's repository (about 1 KiB; nothing else is downloaded).

    source: such as `Qwen/Qwen3.5-27B`. hub: the hub's address.
    Raises OnecardError with the hub's response.
    """
    headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
    try:
        response = requests.get(
            f"{hub}/{source}/resolve/main/config.json", headers=headers, timeout=_TIMEOUT_S
        )
    except requests.RequestException as error:
        raise OnecardError(f"{hub} cannot be reached ({type(error).__name__})") from error
    if response.status_code in {401, 403}:
        raise OnecardError(
            f"{hub} denies access to {source} ({response.status_code}): it is gated, private or "
            "does not exist; see invoke secret set --name hf-token"
        )
    if not response.ok:
        raise OnecardError(f"{hub} has no config.json of {source} ({response.status_code})")
    try:
        return _object(response.content)
    except ValueError as error:
        raise OnecardError(f"{hub}: the config.json of {source} is not a JSON object") from error


def _object(data: bytes) -> Mapping[str, Any]:
    found = parse_json(data)
    if not isinstance(found, dict):
        raise ValueError("a list or a value")
    return found
