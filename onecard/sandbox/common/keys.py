"""New ed25519 key pairs, without OpenSSH on the controller."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from onecard.credentials.secret import Secret


@dataclass(frozen=True)
class KeyPair:
    """public: `ssh-ed25519 AAAA...` without a comment. private: OpenSSH's own PEM text."""

    private: Secret
    public: str


def fresh_key_pair() -> KeyPair:
    """Generate a new ed25519 key pair."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return KeyPair(Secret(private.decode()), public.decode())
