"""Private key files: load one, and report whether it is encrypted."""

from __future__ import annotations

import base64
import binascii
import subprocess
from pathlib import Path
from typing import Literal

import paramiko

from onecard.errors import UsageError

_CERTIFICATE = "-cert.pub"
_KINDS: tuple[type[paramiko.PKey], ...] = (
    paramiko.RSAKey,
    paramiko.ECDSAKey,
    paramiko.Ed25519Key,
)
_PUBLIC = ("ssh-", "ecdsa-", "sk-", "-----BEGIN PUBLIC", "-----BEGIN RSA PUBLIC", "---- BEGIN SSH2")


class EncryptedError(Exception):
    """The key is encrypted, and the passphrase is missing or wrong."""


class NoKeyError(Exception):
    """The file holds no readable private key; the message says what it holds and what to do."""


def load(path: Path, passphrase: str | None = None) -> paramiko.PKey:
    """Return the private key in a file, with its certificate `PATH-cert.pub` if it has one.

    path: of the key or of its certificate. Raises EncryptedError, NoKeyError, OSError.
    """
    path = path.with_name(path.name.removesuffix(_CERTIFICATE))
    content = path.read_bytes()
    if _is_of_security_key(content):
        raise NoKeyError("is for a security key, which the ssh program alone can use")
    for kind in _KINDS:
        try:
            return _certified(kind.from_private_key_file(str(path), passphrase), path)
        except paramiko.PasswordRequiredException:
            raise EncryptedError from None
        except (paramiko.SSHException, ValueError):  # ValueError: it is not text
            continue
    if passphrase is not None and is_encrypted(path):
        raise EncryptedError
    raise NoKeyError(_description(path, content))


def is_encrypted(path: Path) -> bool:
    """Return whether a file holds an encrypted private key."""
    try:
        load(path)
    except EncryptedError:
        return True
    except NoKeyError:
        return _openssh_reads(path) == "encrypted"
    except OSError:
        pass
    return False


def needs_openssh(path: Path) -> bool:
    """Return whether a file holds a private key that only OpenSSH can use.

    Those are keys of a security key (sk-*), and formats that Paramiko does not read.
    """
    try:
        load(path)
    except NoKeyError:
        return bool(_openssh_reads(path))
    except (EncryptedError, OSError):
        pass
    return False


def is_of_security_key(path: Path) -> bool:
    """Return whether a file is the key file of a security key (sk-*), encrypted or not."""
    return path.is_file() and _is_of_security_key(path.read_bytes())


def _is_of_security_key(content: bytes) -> bool:
    """Return the same of a file's content.

    Its public half, which is not encrypted, begins within the first 100 bytes (PROTOCOL.key of
    OpenSSH). Paramiko takes ecdsa-sk for ecdsa, and signs with what is not a private key.
    """
    _, _, body = content.partition(b"BEGIN OPENSSH PRIVATE KEY-----")
    try:
        start = base64.b64decode(b"".join(body[:300].split())[:200])
    except binascii.Error:
        return False
    return start.startswith(b"openssh-key-v1\0") and b"sk-" in start


def _openssh_reads(path: Path) -> Literal["", "plain", "encrypted"]:
    if "PRIVATE KEY-----" not in path.read_bytes()[:200].decode("latin-1"):
        return ""
    try:
        done = subprocess.run(
            ["ssh-keygen", "-y", "-P", "", "-f", str(path)],  # an empty passphrase is not a secret
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if "passphrase" in done.stderr:
        return "encrypted"
    return "plain" if done.returncode == 0 else ""


def require(path: Path, setting: str) -> None:
    """Raise UsageError, naming file and setting, unless a file holds a private key."""
    try:
        load(path)
    except EncryptedError:
        pass
    except NoKeyError as error:
        raise UsageError(f"{setting}: {path} {error}") from None
    except FileNotFoundError:
        raise UsageError(
            f"{setting}: {path} does not exist; name a private key file, or leave it out for the "
            "keys of the agent and of ~/.ssh"
        ) from None
    except OSError as error:
        raise UsageError(f"{setting}: {path} cannot be read: {error.strerror}") from None


def _certified(key: paramiko.PKey, path: Path) -> paramiko.PKey:
    certificate = path.with_name(path.name + _CERTIFICATE)
    if certificate.is_file():
        try:
            key.load_certificate(str(certificate))
        except (paramiko.SSHException, ValueError):
            raise NoKeyError(f"has a certificate that cannot be read: {certificate}") from None
    return key


def _description(path: Path, content: bytes) -> str:
    start = content.lstrip()[:100].decode("latin-1")
    if start.startswith(_PUBLIC):
        return f"is a public key; name the private one, such as {path.with_suffix('')}"
    if "PRIVATE KEY-----" in start:
        return (
            "holds a private key that is damaged, or in another format than OpenSSH's; if "
            f"`ssh-keygen -p -f {path}` can read it, that converts it"
        )
    return "holds no private key; name a file that ssh-keygen made, the one without .pub"
