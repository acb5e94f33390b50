"""The documents of tunnel, expose, unexpose and secret."""

from __future__ import annotations

from typing import Literal

from onecard.reference.documents.document import Document
from onecard.reference.documents.serving import StartResult


class Tunnel(Document):
    """Printed once it is ready."""

    host: str
    url: str
    model: str
    ctx: int
    key_file: str


class MetricsTunnel(Document):
    """With `--to metrics`: printed once it is ready."""

    host: str
    url: str
    """of the page of charts"""


class Exposed(Document):
    """The public API."""

    host: str
    status: Literal["ok", "changed"]
    changed: int
    url: str
    model: str
    key_file: str
    certificate: str | None
    """a self-signed certificate's copy on this computer"""


class Unexposed(Document):
    """The removal of the public API."""

    host: str
    status: Literal["ok", "changed"]
    changed: int


class GatewayBox(Document):
    """A box as the gateway has it."""

    name: str
    state: Literal["up", "down", "drained"]
    running: int
    """requests"""
    reason: str
    """of the last check"""


class Gateway(Document):
    """One address before several boxes; with --remove, --drain and --ready without `url`."""

    host: str
    status: Literal["ok", "changed"]
    changed: int
    url: str | None
    model: str | None
    certificate: str | None
    """a self-signed certificate's copy on this computer"""
    key_files: dict[str, str]
    """client -> the file with its key"""
    boxes: list[GatewayBox]


class SecretPlace(Document):
    """Of `secret set`, and a row of `secret list`."""

    name: str
    host: str
    place: str


class Secrets(Document):
    """Of `secret list`."""

    secrets: list[SecretPlace]


class SecretForgotten(Document):
    """Of `secret forget`."""

    name: str
    host: str
    forgotten: bool


class SecretRotated(StartResult):
    """Of `secret rotate`."""

    status: Literal["changed"]
