"""The model's files on the box."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from onecard import layout, secret_store
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.base import Resource
from onecard.resources.hub import HubModel
from onecard.resources.tree import Tree, fingerprint

PROJECT = Path(__file__).resolve().parent.parent


def folder(host: Host) -> str:
    """Return where the model lies on the box.

    A local folder with other contents lies beside the one before, which an earlier release may
    still be served from.
    """
    source = local(host)
    if source is None:
        return f"{layout.MODELS}/{host.settings.model.source.replace('/', '--')}"
    return f"{layout.MODELS}/{source.name}-{fingerprint(source)}"


def local(host: Host) -> Path | None:
    """Return the model's folder on this computer, None for a model of the hub."""
    source = host.settings.model.source
    return (PROJECT / source).resolve() if source.startswith(("./", "/", "../")) else None


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return a copy of the local folder, or the hub's repository at its revision."""
    source = local(host)
    if source is not None:
        return (Tree(folder(host), source),)
    settings = host.settings
    return (
        HubModel(
            folder(host),
            settings.model.source,
            settings.model.revision,
            settings.hub.url,
            partial(secret_store.find, "hf-token", host.name),
        ),
    )
