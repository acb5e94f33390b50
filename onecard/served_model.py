"""The model that a host serves: its name, its folder on the box, its revision."""

from __future__ import annotations

from pathlib import Path

from onecard.box import paths
from onecard.inventory.host import Host
from onecard.project import own_path
from onecard.resources.files.tree import fingerprint


def folder(host: Host) -> str:
    """Return the model's folder on the box.

    Each revision, and each content of a local folder, has a folder of its own: an earlier release
    may still be served from another one.
    """
    source, wanted = local(host), host.settings.model
    if source is None:
        name = f"{wanted.source}--{wanted.revision}" if wanted.revision else wanted.source
        return f"{paths.MODELS}/{name.replace('/', '--')}"
    return f"{paths.MODELS}/{source.name}-{fingerprint(source)}"


def local(host: Host) -> Path | None:
    """Return the model's folder on this computer, None for a model of the hub."""
    source = host.settings.model.source
    return own_path(source) if source.startswith(("./", "/", "../")) else None


def hub_reference(host: Host) -> str:
    """Return the settings' `SOURCE@REVISION` of a hub model; empty for a local folder."""
    wanted = host.settings.model
    return "" if local(host) else f"{wanted.source}@{wanted.revision}"


def revision(host: Host) -> str:
    """Return the commit in the host's lock file if of this model; else the settings' revision."""
    lock = host.lock
    locked = lock is not None and lock.model == hub_reference(host)
    return lock.model_revision if lock is not None and locked else host.settings.model.revision


def served_name(host: Host) -> str:
    """Return the name that the API serves the model under."""
    folder_here = local(host)
    name = folder_here.name if folder_here else host.settings.model.source
    return host.settings.model.name or name
