"""A command's flags, laid over a host's settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from onecard.setting_errors import dotted, explain, raise_first
from onecard.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onecard.host import Host


def override(host: Host, values: Mapping[str, object], origins: Mapping[str, str]) -> Host:
    """Return `host` with some settings replaced, checked as strictly as the inventory's.

    values: by path, such as {"serve.ctx": 65536}. origins: the flag for each path, such as
    {"serve.ctx": "--ctx"}. Raises UsageError that names the flag.
    """
    if not values:
        return host
    # The whole is checked again, since a flag may clash with a setting that it does not touch.
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
        raise_first([f"{_flag(dotted(at), origins)}: {words}" for at, words in explain(error)])
        raise
    return replace(host, settings=settings)


def _flag(path: str, origins: Mapping[str, str]) -> str:
    """Return the flag to blame: the path's own, else one for a setting beside or below it."""
    for owner, flag in origins.items():
        if path == owner or path.startswith((f"{owner}.", f"{owner}[")):
            return flag
    below = [flag for owner, flag in origins.items() if not path or owner.startswith(f"{path}.")]
    return ", ".join(below) or path
