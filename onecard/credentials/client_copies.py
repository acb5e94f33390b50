"""Copies for clients in inventory/kept/HOST on this computer: a host's API key and certificate."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from onecard.box.atomic_write import write_whole
from onecard.credentials.secret import Secret
from onecard.project import inventory_folder

KEY = "api-key"
CERTIFICATE = "certificate.pem"
GATEWAY_CERTIFICATE = "gateway-certificate.pem"


def folder(host: str) -> Path:
    """Return the host's folder, whether or not it exists."""
    return inventory_folder() / "kept" / quote(host, safe="@:[]")


def save_key(host: str, key: Secret) -> Path:
    """Write the API key to a file that only its owner may read; return the file."""
    return _write(folder(host) / KEY, key.reveal() + "\n")


def key(host: str) -> Secret | None:
    """Return the stored API key of a host, None if there is none."""
    try:
        return Secret((folder(host) / KEY).read_text().strip())
    except FileNotFoundError:
        return None


def save_gateway_key(host: str, client: str, key: Secret) -> Path:
    """Write a client's key of the gateway on a host; return the file, for its owner alone."""
    return _write(folder(host) / f"gateway-key-{client}", key.reveal() + "\n")


def remove_gateway(host: str) -> None:
    """Remove the copies of the gateway's keys and certificate."""
    for path in folder(host).glob("gateway-*"):
        path.unlink()


def save_certificate(host: str, pem: str, name: str = CERTIFICATE) -> Path:
    """Write the certificate that clients verify the host against; return the file."""
    return _write(folder(host) / name, pem)


def remove_certificate(host: str) -> None:
    """Remove the host's certificate, if it is stored."""
    (folder(host) / CERTIFICATE).unlink(missing_ok=True)


def remove(host: str) -> bool:
    """Remove all copies of a host; return whether there were any."""
    if not folder(host).exists():
        return False
    shutil.rmtree(folder(host))
    return True


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, text, 0o600)
    return path
