"""A command's flags, merged over a host's settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from onecard.inventory.origins import host_of
from onecard.settings.layers import layer, refusal
from onecard.settings.setting_errors import dotted, explain, raise_first
from onecard.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from onecard.inventory.host import Host


def override(host: Host, values: Mapping[str, object], origins: Mapping[str, str]) -> Host:
    """Return `host` with some settings replaced, validated as strictly as the inventory's.

    values: by path, such as {"serve.ctx": 65536}. origins: the flag for each path, such as
    {"serve.ctx": "--ctx"}. Raises UsageError that names the flag.
    """
    if not values:
        return host
    # All settings are validated again: a flag may conflict with a setting that it does not change.
    merged: dict[str, Any] = host.settings.model_dump(by_alias=True)
    for path, value in values.items():
        *parents, name = path.split(".")
        section = merged
        for parent in parents:
            section = section.setdefault(parent, {})
        section[name] = value
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise_first([f"{_flag(dotted(at), origins)}: {message}" for at, message in explain(error)])
        raise
    return replace(host, settings=settings)


def with_block(host: Host, values: Mapping[str, object], source: str, project: Path) -> Host:
    """Return the host with a last block of variables, such as those of a command line.

    source: where they come from, such as `--set`, for messages. project: the folder where a
    relative key file starts. Raises UsageError that names source and key.
    """
    block = layer(values, source, "")
    problems = [*block.problems]
    problems += [f"{source}: {key}: no such setting" for key in block.named.passed_over]
    problems += [
        f"{source}: {dotted(at)}: a template is not expanded here" for at in block.unevaluated
    ]
    raise_first(problems or [each for each in [refusal([block])] if each])
    made = host_of(host.name, (*host.layers, block), project)
    return replace(host, connection=made.connection, settings=made.settings, layers=made.layers)


def _flag(path: str, origins: Mapping[str, str]) -> str:
    """Return the flag that caused an error: the path's own, else one of the same section."""
    for owner, flag in origins.items():
        if path == owner or path.startswith((f"{owner}.", f"{owner}[")):
            return flag
    below = [flag for owner, flag in origins.items() if not path or owner.startswith(f"{path}.")]
    return ", ".join(below) or path
