"""A host made of blocks of variables, and where each of its values was set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onecard.inventory.host import Host
from onecard.settings.connection_keys import ARGUMENTS, NAMES, ConnectionKeys
from onecard.settings.layers import Layer, Origin, merge, origin
from onecard.settings.option import options
from onecard.settings.settings import Settings
from onecard.settings.variables.foreign_values import DecryptedText


@dataclass(frozen=True)
class SettingValue:
    """One setting of a host.

    path: its place in the inventory, such as `serve.ctx`. origin: where it is set, None for the
    default. hidden: it was encrypted, and is not shown.
    """

    path: str
    value: Any
    default: Any
    origin: Origin | None
    hidden: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the keys of the document of `settings`."""
        return {
            "key": self.path,
            "value": None if self.hidden else self.value,
            "default": self.default,
            "file": self.origin.file if self.origin else "",
            "line": self.origin.line if self.origin else None,
            "written": self.origin.key if self.origin else "",
        }


def host_of(name: str, layers: Sequence[Layer], project: Path) -> Host:
    """Return the host that blocks of variables make, the weakest first.

    project: the folder where a relative key file starts. Raises UsageError that names the block.
    """
    keys, settings = merge(layers)
    connection = keys.connection(name, project)
    sources = _sources(keys, layers)
    if connection.key_file:
        connection = replace(connection, key_file_setting=sources["key_file"])
    connection = replace(connection, sources=sources)
    return Host(name, connection, settings, layers=tuple(layers))


def _sources(keys: ConnectionKeys, layers: Sequence[Layer]) -> dict[str, str]:
    """Return where each value of a connection is set, as `file: line N: path.to.key`."""
    set_in_arguments, options = keys.from_arguments()
    places = {key: origin(layers, (key,)) for key in NAMES}
    places |= {key: places[name] for key, (_, name) in set_in_arguments.items()}
    if options:
        named = [places.pop(name) for name in ARGUMENTS]
        places["ssh_options"] = next(filter(None, named), None)
    return {key: f"{place}: {place.key}" for key, place in places.items() if place}


def setting_values(host: Host) -> Iterator[SettingValue]:
    """Yield every setting of a host, those of its connection last."""
    keys, settings = merge(host.layers)
    for model, values in ((Settings, settings), (ConnectionKeys, keys)):
        plain = values.model_dump(by_alias=True, mode="json")
        for option in options(model):
            location = tuple(option.path.split("."))
            value: Any = plain
            for part in location:
                value = value[part]
            yield SettingValue(
                option.path,
                value,
                list(option.default) if isinstance(option.default, tuple) else option.default,
                origin(host.layers, location),
                _is_hidden(host.layers, location),
            )


def _is_hidden(layers: Sequence[Layer], location: tuple[str, ...]) -> bool:
    holding = [block for block in layers if block.holds(location)]
    value: Any = holding[-1].values if holding else {}
    for part in location if holding else ():
        value = value[part]
    return _holds_decrypted(value)


def _holds_decrypted(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_decrypted, value.values()))
    if isinstance(value, list):
        return any(map(_holds_decrypted, value))
    return isinstance(value, DecryptedText)
