"""One block of variables, its checks, and the merge of many: which value wins, and its origin.

Blocks merge as Ansible's do, with one intended difference: mappings merge deeply. A host that
sets `serve: {ctx: 65536}` retains the other `serve` settings of its groups, where Ansible's default
(hash_behaviour = replace) would lose them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from onecard.settings.connection_keys import NAMES, ConnectionKeys
from onecard.settings.setting_errors import dotted, explain, raise_first
from onecard.settings.settings import Settings
from onecard.settings.variables.ansible_names import LIMITED
from onecard.settings.variables.block_names import Named, sort_names
from onecard.settings.variables.foreign_values import foreign_values, refusal_of, without
from onecard.settings.yaml_file import line_of

if TYPE_CHECKING:
    from onecard.settings.setting_errors import Location

_SECTIONS = {
    name
    for name, field in Settings.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


@dataclass(frozen=True)
class Origin:
    """Where a value was set. key: as written there, dotted, from the top of the file."""

    file: str
    line: int | None
    key: str

    def __str__(self) -> str:
        """Return `inventory/hosts.yml: line 6`."""
        return f"{self.file}: line {self.line}" if self.line else self.file


@dataclass(frozen=True)
class Layer:
    """One block of variables in one file.

    values: by our names; a section without a value (`serve:`) is left out, and so is what only
        Ansible can evaluate.
    file, path: the file as shown to the user and the path to the block in it, "" for the top.
    named: the block's variables sorted by who reads them.
    unevaluated: what `values` lacks: location in `source` -> a template, or a vaulted text.
    source: the block as it is in the file.
    problems: one line for each error in the block by itself.
    """

    values: Mapping[str, Any]
    file: str
    path: str
    named: Named = field(default_factory=Named)
    unevaluated: Mapping[Location, Any] = field(default_factory=dict)
    source: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def origin(self, location: Location) -> Origin:
        """Return where a key of the block is set."""
        line = line_of(self.values, location)
        if location:
            written = self.named.written.get(str(location[0]), location[0])
            line = line or getattr(written, "line", None)
            location = (written, *location[1:])
        return Origin(self.file, line, _joined(self.path, location))

    def where(self, location: Location) -> str:
        """Return `file: line N: path.to.key` for a key of the block."""
        return _where(self.origin(location))

    def holds(self, location: Location) -> bool:
        """Return whether the block has a value at `location`."""
        values: Any = self.values
        for part in location:
            if not isinstance(values, Mapping) or part not in values:
                return False
            values = values[part]
        return True

    def source_of(self, location: Location) -> Origin:
        """Return where a key of `source` is."""
        return Origin(self.file, line_of(self.source, location), _joined(self.path, location))


def layer(values: Mapping[str, Any], file: str, path: str) -> Layer:
    """Check one block by itself and return it, with the errors in its `problems`."""
    named = sort_names(values)
    unevaluated = foreign_values({key: values[key] for key in named.written.values()})
    present = {
        key: without(value, {at[1:] for at in unevaluated if at[0] == named.written[key]})
        for key, value in named.values.items()
        if (named.written[key],) not in unevaluated and (value is not None or key not in _SECTIONS)
    }
    block = Layer(present, file, path, named, unevaluated, values)
    problems = [f"{_where(block.source_of((key,)))}: {message}" for key, message in named.problems]
    problems += [
        f"{_where(block.source_of(location))}: {refusal_of(value)}"
        for location, value in unevaluated.items()
        if refusal_of(value)
    ]
    problems += [
        f"{block.where(location)}: {message}"
        for location, message in _findings(present, alone=True)
    ]
    return Layer(present, file, path, named, unevaluated, values, tuple(problems))


def merge(layers: Sequence[Layer]) -> tuple[ConnectionKeys, Settings]:
    """Merge blocks, the last one winning, and check the whole.

    Raises UsageError that names the last block that sets the wrong value.
    """
    merged: dict[str, Any] = {}
    for block in layers:
        _merge_into(merged, block.values)
    problems = []
    for location, message in _findings(merged, alone=False):
        blamed = [block for block in layers if block.holds(location)] or list(layers)
        problems.append(f"{blamed[-1].where(location)}: {message}" if blamed else message)
    raise_first(problems)
    connection, settings = _split(merged)
    return ConnectionKeys.model_validate(connection), Settings.model_validate(settings)


def origin(layers: Sequence[Layer], location: Location) -> Origin | None:
    """Return where the value that wins is set, None for a default."""
    holding = [block for block in layers if block.holds(location)]
    return holding[-1].origin(location) if holding else None


def refusal(layers: Sequence[Layer]) -> str:
    """Return why a host with these variables is none of onecard's, such as a winrm host; or ""."""
    for name, allowed in LIMITED.items():
        blocks = [block for block in layers if name in block.named.limited]
        if blocks and blocks[-1].named.limited[name] not in allowed:
            given = blocks[-1].named.limited[name]
            shown = f"only {', '.join(allowed)} is supported here, not {given!s:.60}"
            return f"{_where(blocks[-1].source_of((name,)))}: {shown}"
    return ""


def _where(at: Origin) -> str:
    return ": ".join(part for part in (str(at), at.key) if part)


def _joined(path: str, location: Location) -> str:
    return ".".join(part for part in (path, dotted(location)) if part)


def _split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    connection = {key: value for key, value in values.items() if key in NAMES}
    return connection, {key: value for key, value in values.items() if key not in NAMES}


def _findings(values: Mapping[str, Any], *, alone: bool) -> list[tuple[Location, str]]:
    """Return the errors; with `alone`, without those that further blocks may still correct."""
    found: list[tuple[Location, str]] = []
    models: tuple[type[BaseModel], ...] = (ConnectionKeys, Settings)
    for model, part in zip(models, _split(values), strict=True):
        try:
            model.model_validate(part)
        except ValidationError as error:
            found.extend(explain(error, alone=alone))
    return found


def _merge_into(target: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, Mapping):
            below = target.get(key)
            if not isinstance(below, dict):
                below = target[key] = {}
            _merge_into(below, value)
        else:
            target[key] = value
