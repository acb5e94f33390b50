"""Make wheels, on the GPU machine, of Python distributions that are installed there.

    python3 tests/gpu/installed_wheels.py WHEELHOUSE NAME...

Run it with the Python that has them. A distribution's files and their modes are packed as its
RECORD lists them, uncompressed, without scripts that name an interpreter.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import re
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

OWN = ("/RECORD", "INSTALLER", "REQUESTED", "direct_url.json")


def pack(name: str, folder: Path) -> str:
    """Write the wheel of an installed distribution; return its file name."""
    found = importlib.metadata.distribution(name)
    info = Path(str(found._path)).name  # type: ignore[attr-defined]
    if not info.endswith(".dist-info"):
        return f"{name}: not installed from a wheel, left out"
    base = info.removesuffix(".dist-info")
    members = []
    for file in found.files or []:
        path = Path(str(file.locate()))
        if str(file).endswith(OWN) or "__pycache__" in str(file) or not path.exists():
            continue
        place = inside(str(file), path, base)
        if place:
            members.append((place, path))
    wheel = folder / f"{base}-{tag(found)}.whl"
    write(wheel, members, info)
    return wheel.name


def inside(name: str, path: Path, base: str) -> str:
    """Return a file's place in the wheel; empty for a script with an interpreter's path."""
    if not name.startswith(".."):
        return name
    if "/bin/" not in name:
        return f"{base}.data/data/{name.lstrip('./')}"
    with path.open("rb") as file:
        return f"{base}.data/scripts/{path.name}" if file.read(4) == b"\x7fELF" else ""


def tag(found: importlib.metadata.Distribution) -> str:
    """Return the compressed tag set of a distribution's WHEEL file (PEP 425)."""
    lines = (found.read_text("WHEEL") or "").splitlines()
    tags = [line.split(":", 1)[1].strip().split("-") for line in lines if line.startswith("Tag:")]
    parts = [".".join(dict.fromkeys(each[part] for each in tags)) for part in range(3)]
    return "-".join(parts) if tags else "py3-none-any"


def write(wheel: Path, members: list[tuple[str, Path]], info: str) -> None:
    """Write the wheel's files and its RECORD."""
    record = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for place, path in members:
            data = path.read_bytes()
            entry = zipfile.ZipInfo(place, (2026, 1, 1, 0, 0, 0))
            entry.external_attr = (path.stat().st_mode & 0o777 | 0o100000) << 16
            archive.writestr(entry, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            quoted = f'"{place}"' if "," in place else place
            record.append(f"{quoted},sha256={digest},{len(data)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))


def main(folder: Path, names: list[str]) -> None:
    """Pack each distribution that is installed here."""
    folder.mkdir(parents=True, exist_ok=True)
    here = {
        re.sub(r"[-_.]+", "-", each.name).lower() for each in importlib.metadata.distributions()
    }
    with ThreadPoolExecutor(4) as pool:
        for line in pool.map(lambda name: pack(name, folder), [n for n in names if n in here]):
            print(line, flush=True)
    print("not installed here:", *(name for name in names if name not in here))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
