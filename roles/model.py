"""The model's files on the box, and the link to the environment that can serve them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from onecard import layout, secret_store
from onecard.doctor.box_checks import VENV_GIB
from onecard.facts import Facts
from onecard.host import Host
from onecard.places import PROJECT
from onecard.resources.architecture import Architecture
from onecard.resources.base import Resource
from onecard.resources.files import Link
from onecard.resources.hub import HubAnswer, HubModel
from onecard.resources.tree import Tree, fingerprint


def folder(host: Host) -> str:
    """Return where the model lies on the box.

    Another revision, or a local folder with other contents, lies beside the one before, which an
    earlier release may still be served from.
    """
    source, wanted = local(host), host.settings.model
    if source is None:
        name = f"{wanted.source}--{wanted.revision}" if wanted.revision else wanted.source
        return f"{layout.MODELS}/{name.replace('/', '--')}"
    return f"{layout.MODELS}/{source.name}-{fingerprint(source)}"


def local(host: Host) -> Path | None:
    """Return the model's folder on this computer, None for a model of the hub."""
    source = host.settings.model.source
    return (PROJECT / source).resolve() if source.startswith(("./", "/", "../")) else None


def asked(host: Host) -> str:
    """Return the hub's model as the settings ask for it; empty for a local folder."""
    model = host.settings.model
    return "" if local(host) else f"{model.source}@{model.revision}"


def revision(host: Host) -> str:
    """Return the commit in the host's lock, if it is of this model; else the settings' revision."""
    lock = host.lock
    locked = lock is not None and lock.model == asked(host)
    return lock.model_revision if lock is not None and locked else host.settings.model.revision


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the model, and last the link: it moves when every check has passed."""
    moved = (Link(layout.VENV, host.venv),) if host.lock else ()
    return (*content(host), *moved)


def content(host: Host) -> tuple[Resource, ...]:
    """Return a copy of the local folder, or the hub's repository, and that vLLM knows the model."""
    source = local(host)
    known = architecture(host)
    if source is not None:
        return (Tree(folder(host), source), *known)
    return (_of_the_hub(host), *known)


def question(host: Host) -> tuple[HubAnswer, ...]:
    """Return what is asked of the hub before anything is changed; nothing for a local folder."""
    if local(host) is not None:
        return ()
    return (HubAnswer(_of_the_hub(host), host.venv, VENV_GIB[host.settings.accelerator]),)


def _of_the_hub(host: Host) -> HubModel:
    settings = host.settings
    return HubModel(
        folder(host),
        settings.model.source,
        revision(host),
        settings.hub.url,
        check="".join(each.script for each in architecture(host)),
        token=partial(secret_store.find, "hf-token", host.name),
    )


def architecture(host: Host) -> tuple[Architecture, ...]:
    """Return the check that vLLM knows the model.

    Who names another implementation of models in the server's arguments knows what they do.
    """
    if any(word.startswith("--model-impl") for word in host.settings.serve.extra_args):
        return ()
    return (Architecture(host.venv, folder(host)),)
