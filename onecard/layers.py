"""One block of variables, its checks, and the merge of many: which value wins and whence it came.

Blocks merge as Ansible's do, with one difference on purpose: mappings merge deeply. A host that
sets `serve: {ctx: 65536}` keeps the other `serve` settings of its groups, where Ansible's default
(hash_behaviour = replace) would lose them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from onecard.connection_keys import NAMES, ConnectionKeys, rename
from onecard.setting_errors import dotted, explain, is_about_several, raise_first
from onecard.settings import Settings

if TYPE_CHECKING:
    from onecard.setting_errors import Location

_SECTIONS = {
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


@dataclass(frozen=True)
class Layer:
    """One block of variables in one file.

    values: by our names; a section without a value (`serve:`) is left out.
    file, path: the file as shown to the user and the path to the block in it, "" for the top.
    written: the key as written in the file, for each that has another name here.
    problems: one line each, for what is wrong in the block by itself.
    """

    values: Mapping[str, Any]
    file: str
    path: str
    written: Mapping[str, str]
    problems: tuple[str, ...] = ()

    def where(self, location: Location) -> str:
        """Return `file: path.to.key` for a key of the block."""
        if location:
            location = (self.written.get(str(location[0]), location[0]), *location[1:])
        return _where(self.file, self.path, location)

    def holds(self, location: Location) -> bool:
        """Tell whether the block says anything at `location`."""
        values: Any = self.values
        for part in location:
            if not isinstance(values, Mapping) or part not in values:
                return False
            values = values[part]
        return True


def layer(values: Mapping[str, Any], file: str, path: str) -> Layer:
    """Check one block by itself and return it; what is wrong is in its `problems`."""
    renamed, written, refused = rename(values)
    kept = {
        key: value for key, value in renamed.items() if value is not None or key not in _SECTIONS
    }
    block = Layer(kept, file, path, written)
    problems = [f"{_where(file, path, (key,))}: {words}" for key, words in refused]
    problems += [
        f"{block.where(location)}: templates ({{{{ }}}}) are not expanded here; write the value"
        for location in _templates(kept)
    ]
    problems += [
        f"{block.where(location)}: {words}" for location, words in _findings(kept, alone=True)
    ]
    return Layer(kept, file, path, written, tuple(problems))


def merge(layers: Sequence[Layer]) -> tuple[ConnectionKeys, Settings]:
    """Merge blocks, the last one winning, and check the whole.

    Raises UsageError that names the last block with a say in what is wrong.
    """
    merged: dict[str, Any] = {}
    for block in layers:
        _put(merged, block.values)
    problems = []
    for location, words in _findings(merged, alone=False):
        blamed = [block for block in layers if block.holds(location)] or list(layers)
        problems.append(f"{blamed[-1].where(location)}: {words}")
    raise_first(problems)
    connection, settings = _split(merged)
    return ConnectionKeys.model_validate(connection), Settings.model_validate(settings)


def _where(file: str, path: str, location: Location) -> str:
    keys = ".".join(part for part in (path, dotted(location)) if part)
    return f"{file}: {keys}" if keys else file


def _split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    connection = {key: value for key, value in values.items() if key in NAMES}
    return connection, {key: value for key, value in values.items() if key not in NAMES}


def _findings(values: Mapping[str, Any], *, alone: bool) -> list[tuple[Location, str]]:
    """Return what is wrong; with `alone`, without what further blocks may yet put right."""
    found: list[tuple[Location, str]] = []
    models: tuple[type[BaseModel], ...] = (ConnectionKeys, Settings)
    for model, part in zip(models, _split(values), strict=True):
        try:
            model.model_validate(part)
        except ValidationError as error:
            for finding, explained in zip(error.errors(), explain(error), strict=True):
                if not (alone and is_about_several(finding)):
                    found.append(explained)
    return found


def _templates(values: Mapping[str, Any]) -> list[Location]:
    found: list[Location] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found.extend((key, *inner) for inner in _templates(value))
        elif isinstance(value, str) and "{{" in value:
            found.append((key,))
    return found


def _put(target: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            below = target.get(key)
            if not isinstance(below, dict):
                below = target[key] = {}
            _put(below, value)
        else:
            target[key] = value
