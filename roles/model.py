"""The model's files on the box, and the link to the environment that serves them."""

from __future__ import annotations

from functools import partial

from onecard.box import paths
from onecard.credentials import secret_store
from onecard.doctor.box_checks import VENV_GIB
from onecard.facts import Facts
from onecard.inventory.host import Host
from onecard.resources.base import Resource
from onecard.resources.files.file import Link
from onecard.resources.files.hub import HubAccess, HubModel
from onecard.resources.files.tree import Tree
from onecard.resources.python.architecture import Architecture
from onecard.served_model import folder, local, revision


def desired(host: Host, facts: Facts) -> tuple[Resource, ...]:
    """Return the model, and last the link: it changes when every check has passed."""
    link = (Link(paths.VENV, host.venv),) if host.lock else ()
    return (*content(host), *link)


def content(host: Host) -> tuple[Resource, ...]:
    """Return a copy of the local folder, or the hub's repository, and the architecture check."""
    source = local(host)
    check = architecture(host)
    if source is not None:
        return (Tree(folder(host), source), *check)
    return (_of_the_hub(host), *check)


def access(host: Host) -> tuple[HubAccess, ...]:
    """Return the hub's access check, before anything is changed; none for a local folder."""
    if local(host) is not None:
        return ()
    return (HubAccess(_of_the_hub(host), host.venv, VENV_GIB[host.settings.accelerator]),)


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
    """Return the check that vLLM supports the model's architecture.

    None where the server's arguments name another implementation of models.
    """
    if any(word.startswith("--model-impl") for word in host.settings.serve.extra_args):
        return ()
    return (Architecture(host.venv, folder(host)),)
