"""Where a model's shape or config is read: a folder here, the catalogue, the hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from onecard import served_model
from onecard.credentials import secret_store
from onecard.errors import OnecardError, UsageError
from onecard.fit.catalogue.read import find_model, known_models
from onecard.fit.shape.config import parse_config
from onecard.fit.shape.errors import NotModelledError
from onecard.fit.shape.hub_config import download_config, read_config
from onecard.fit.shape.model_shape import ModelShape
from onecard.fit.shape.safetensors import folder_bytes, hub_bytes
from onecard.inventory.host import Host
from onecard.settings.settings import HubSettings


def shape_of(name: str) -> ModelShape:
    """Return a model's shape: of a folder or config.json here, the catalogue's, the hub's.

    Raises UsageError for a name that none of them has, NotModelledError for an unknown kind.
    """
    if name.startswith(("./", "../", "/")):
        return with_stored_bytes(parse_config(read_config(Path(name))), Path(name))
    if name.lower() in known_models():
        return find_model(name).shape
    token = secret_store.find("hf-token", secret_store.EVERY_HOST)
    hub = HubSettings().url
    try:
        shape = parse_config(download_config(name, hub, token))
        return replace(shape, stored_bytes=hub_bytes(name, hub, token, len(shape.layers)))
    except NotModelledError:
        raise
    except OnecardError as error:
        try:
            return find_model(name).shape
        except UsageError as unknown:
            raise UsageError(f"{unknown.message}; {error.message}") from error


def with_stored_bytes(shape: ModelShape, path: Path) -> ModelShape:
    """Return the shape with the bytes of the checkpoint in a folder, if there is one.

    path: the folder, or its config.json. Raises UsageError for a damaged checkpoint.
    """
    folder = path if path.is_dir() else path.parent
    return replace(shape, stored_bytes=folder_bytes(folder, len(shape.layers)))


def config_from_hub(host: Host) -> Mapping[str, Any] | None:
    """Return the config of a host's model that is in no folder of this computer.

    None for one that is here, or in the catalogue.
    """
    source = host.settings.model.source
    if served_model.local(host) is not None or source.lower() in known_models():
        return None
    return download_config(source, host.settings.hub.url, secret_store.find("hf-token", host.name))
