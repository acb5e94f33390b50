"""What this computer keeps for one host in inventory/kept/HOST: its API key, its certificate."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from onecard.places import inventory_folder
from onecard.secret import Secret
from onecard.whole_file import write_whole

KEY = "api-key"
CERTIFICATE = "certificate.pem"


def folder(host: str) -> Path:
    """Return the host's folder, whether or not it is there."""
    return inventory_folder() / "kept" / quote(host, safe="@:[]")


def keep_key(host: str, key: Secret) -> Path:
    """Write the API key to a file that only its owner may read; return the file."""
    return _write(folder(host) / KEY, key.reveal() + "\n")


def key(host: str) -> Secret | None:
    """Return the API key that is kept for a host, None when there is none."""
    try:
        return Secret((folder(host) / KEY).read_text().strip())
    except FileNotFoundError:
        return None


def keep_certificate(host: str, pem: str) -> Path:
    """Write the certificate that clients check the host's own against; return the file."""
    return _write(folder(host) / CERTIFICATE, pem)


def forget_certificate(host: str) -> None:
    """Remove the host's certificate, if it is kept."""
    (folder(host) / CERTIFICATE).unlink(missing_ok=True)


def forget(host: str) -> bool:
    """Remove everything kept for a host; return whether there was something."""
    if not folder(host).exists():
        return False
    shutil.rmtree(folder(host))
    return True


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, text, 0o600)
    return path
