"""The model's files on the box."""

from __future__ import annotations

from pathlib import Path

from onecard import layout
from onecard.facts import Facts
from onecard.host import Host
from onecard.resources.architecture import Architecture
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
        return (Tree(folder(host), source), *architecture(host))
    model = host.settings.model
    known = architecture(host, model.source, model.revision)
    return (*known, HubModel(folder(host), model.source, model.revision, layout.VENV))


def architecture(host: Host, repository: str = "", revision: str = "") -> tuple[Architecture, ...]:
    """Return the check that vLLM knows the model, which stands before a long download.

    Who names another implementation of models in the server's arguments knows what they do.
    """
    if any(word.startswith("--model-impl") for word in host.settings.serve.extra_args):
        return ()
    return (Architecture(host.venv, folder(host), repository, revision),)
