"""Hosts whose variables hold templates or vaulted texts: Ansible gives their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onecard.errors import UsageError
from onecard.inventory import ansible
from onecard.settings.layers import Layer, layer
from onecard.settings.variables.ansible_names import USED
from onecard.settings.variables.foreign_values import DecryptedText, is_template, replaced
from onecard.settings.yaml_file import ForeignValue

if TYPE_CHECKING:
    from onecard.settings.setting_errors import Location


@dataclass(frozen=True)
class Evaluated:
    """A host's blocks with plain values, or why it has none."""

    layers: tuple[Layer, ...]
    refusal: str = ""


@dataclass(frozen=True)
class _Pending:
    """A value that Ansible must give. block: its index."""

    block: int
    location: Location
    value: Any
    where: str


def evaluated(
    blocks: Mapping[str, Sequence[Layer]], sources: Sequence[Path]
) -> dict[str, Evaluated]:
    """Return each host's blocks, templates expanded; Ansible runs only where there are any."""
    pending = {host: found for host, layers in blocks.items() if (found := _pending(layers))}
    values = _values(pending, sources)
    result = {}
    for host, layers in blocks.items():
        given = values.get(host, [])
        if isinstance(given, str):
            result[host] = Evaluated(tuple(layers), given)
        else:
            result[host] = _with_values(layers, pending.get(host, []), given)
    return result


def unevaluated(layers: Sequence[Layer]) -> str:
    """Return why variables cannot be used for a box that Ansible does not know, else ""."""
    found = _pending(layers)
    return f"{found[0].where}: a template has no value for a box in no file" if found else ""


def _pending(layers: Sequence[Layer]) -> list[_Pending]:
    """Return the values that Ansible gives; those that a later block replaces are left out."""
    found = []
    for index, block in enumerate(layers):
        for location, value in block.unevaluated.items():
            ours = _ours(location)
            if not any(
                later.holds(ours) or any(ours == _ours(each) for each in later.unevaluated)
                for later in layers[index + 1 :]
            ):
                place = block.source_of(location)
                found.append(_Pending(index, location, value, f"{place}: {place.key}"))
    return found


def _ours(location: Location) -> Location:
    return (USED.get(str(location[0]), location[0]), *location[1:])


def _values(
    pending: Mapping[str, Sequence[_Pending]], sources: Sequence[Path]
) -> dict[str, list[Any] | str]:
    """Return the values of each host, in order, or why there are none."""
    found: dict[str, list[Any] | str] = {}
    opened: dict[str, DecryptedText] = {}
    for host, wanted in pending.items():
        try:
            found[host] = [_decrypted(each.value, each.where, opened) for each in wanted]
        except UsageError as error:
            found[host] = error.message
    # What was decrypted stays here: Ansible gets the templates alone.
    templates = {
        host: texts
        for host, values in found.items()
        if isinstance(values, list) and (texts := list(_templates(values)))
    }
    if not templates:
        return found
    where = {host: pending[host][0].where for host in templates}
    try:
        expanded = ansible.evaluate(sources, templates, next(iter(where.values())))
    except UsageError as error:
        return found | dict.fromkeys(templates, error.message)
    for host, answer in expanded.items():
        if isinstance(answer, str):
            found[host] = f"{where[host]}: {answer}"
        else:
            found[host] = _filled(found[host], iter(answer))
    return found


def _decrypted(value: Any, where: str, opened: dict[str, DecryptedText]) -> Any:
    if isinstance(value, list):
        return [_decrypted(each, where, opened) for each in value]
    if isinstance(value, Mapping):
        return {key: _decrypted(each, where, opened) for key, each in value.items()}
    if not (isinstance(value, ForeignValue) and value.is_vaulted):
        return value
    if value not in opened:
        opened[value] = DecryptedText(ansible.decrypt(value, where))
    return opened[value]


def _templates(value: Any) -> Iterator[str]:
    """Yield the templates in a value, in their order."""
    if isinstance(value, (list, Mapping)):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _templates(each)
    elif is_template(value):
        yield value


def _filled(value: Any, expanded: Iterator[Any]) -> Any:
    """Return a value with its templates replaced, in the order of `_templates`."""
    if isinstance(value, list):
        return [_filled(each, expanded) for each in value]
    if isinstance(value, Mapping):
        return {key: _filled(each, expanded) for key, each in value.items()}
    return next(expanded) if is_template(value) else value


def _with_values(
    layers: Sequence[Layer], pending: Sequence[_Pending], given: Sequence[Any]
) -> Evaluated:
    result, refusal = list(layers), ""
    for index in {each.block for each in pending}:
        block = layers[index]
        new = {
            each.location: value
            for each, value in zip(pending, given, strict=True)
            if each.block == index
        }
        result[index] = layer(replaced(block.source, new), block.file, block.path)
        refusal = refusal or next(iter(result[index].problems), "")
    return Evaluated(tuple(result), refusal)
