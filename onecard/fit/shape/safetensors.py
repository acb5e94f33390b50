"""The bytes of a checkpoint's tensors, from the headers of its safetensors files alone.

A file begins with the header's length, 8 bytes, and the header, a JSON object that gives each
tensor's place (github.com/huggingface/safetensors, README.md, "Format"). Of a hub's files only
the headers are requested (HTTP Range).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import requests

from onecard.credentials.secret import Secret
from onecard.errors import UsageError
from onecard.json_text import parse_json

_LENGTH: Final = 8
_MOST_HEADER: Final = 100_000_000  # the format's own limit, in bytes
_FIRST_READ: Final = 65_536
_MOST_FILES: Final = 512
_TIMEOUT_S: Final = 15
_INDEX: Final = "model.safetensors.index.json"
_LAYER: Final = re.compile(r"\blayers\.(\d+)\.")


def folder_bytes(folder: Path, layers: int) -> int | None:
    """Return the bytes of the tensors in a folder, without draft layers; None without files.

    layers: of the model itself; tensors of later ones are draft layers.
    Raises UsageError for a file that is not a safetensors file.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        return None
    total = 0
    for file in files:
        with file.open("rb") as opened:
            length = _header_length(opened.read(_LENGTH))
            header = opened.read(length) if length else b""
        sizes = _sizes(header)
        if sizes is None:
            raise UsageError(f"--model: {file} is not a safetensors file, or was not copied whole")
        total += _without_drafts(sizes, layers)
    return total


def hub_bytes(source: str, hub: str, token: Secret | None, layers: int) -> int | None:
    """Return the bytes of the tensors of a hub's repository, without draft layers.

    None where the hub cannot be reached or has no safetensors files of it: then the formulas
    count. source: such as `Qwen/Qwen3.5-27B`. hub: the hub's address.
    """
    session = requests.Session()
    if token is not None:
        session.headers["Authorization"] = f"Bearer {token.reveal()}"
    address = f"{hub}/{source}/resolve/main"

    def part(name: str, start: int, end: int) -> bytes:
        wanted = {"Range": f"bytes={start}-{end - 1}"}
        answer = session.get(f"{address}/{name}", headers=wanted, timeout=_TIMEOUT_S, stream=True)
        with answer:
            # A server that ignores Range would send the whole file.
            if answer.status_code != requests.codes.partial_content:
                raise requests.HTTPError(f"{name}: {answer.status_code}")
            return answer.raw.read(end - start, decode_content=True)

    try:
        answer = session.get(f"{address}/{_INDEX}", timeout=_TIMEOUT_S)
        found = answer.json() if answer.ok else {"weight_map": {"": "model.safetensors"}}
        names = sorted({str(name) for name in found["weight_map"].values()})
        return _sum(names[:_MOST_FILES], part, layers) if len(names) <= _MOST_FILES else None
    except (requests.RequestException, ValueError, KeyError, TypeError, AttributeError):
        return None
    finally:
        session.close()


def _sum(names: Iterable[str], part: Callable[[str, int, int], bytes], layers: int) -> int | None:
    total = 0
    for name in names:
        start = part(name, 0, _FIRST_READ)
        end = _LENGTH + _header_length(start[:_LENGTH])
        if end > len(start):
            start += part(name, len(start), end)
        sizes = _sizes(start[_LENGTH:end])
        if sizes is None:
            return None
        total += _without_drafts(sizes, layers)
    return total


def _header_length(data: bytes) -> int:
    length = int.from_bytes(data, "little") if len(data) == _LENGTH else 0
    return length if length <= _MOST_HEADER else 0


def _sizes(header: bytes) -> Mapping[str, int] | None:
    """Return each tensor's bytes; None for what is not a header."""
    try:
        found = parse_json(header)
        offsets = {
            name: entry["data_offsets"] for name, entry in found.items() if name != "__metadata__"
        }
        if any(type(at) is not int for start, end in offsets.values() for at in (start, end)):
            return None
        sizes = {name: end - start for name, (start, end) in offsets.items()}
        return sizes if min(sizes.values(), default=0) >= 0 else None
    except (ValueError, AttributeError, KeyError, TypeError):
        return None


def _without_drafts(sizes: Mapping[str, int], layers: int) -> int:
    return sum(size for name, size in sizes.items() if not _is_draft(name, layers))


def _is_draft(name: str, layers: int) -> bool:
    if name.startswith(("mtp.", "model.mtp.")):
        return True
    at = _LAYER.search(name)
    in_tower = "vis" in name or "tower" in name
    return at is not None and not in_tower and int(at[1]) >= layers
