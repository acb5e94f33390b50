"""A field of a settings model read as an option: its path, help text, default and flags.

Type and allowed values come from the model's JSON schema, so they are what is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from onecard.settings.descriptions import describe

Marker = TypeVar("Marker")


class VllmFlag:
    """The flag of `vllm serve` that a setting becomes; stands in the field's `Annotated`.

    others: further flags that belong to the setting, short forms too.
    special: its arguments are more than the flag and the value; server/command_line.py or
        roles/serve.py makes them.
    """

    def __init__(self, flag: str, *others: str, special: bool = False) -> None:
        self.flag = flag
        self.others = others
        self.special = special


@dataclass(frozen=True)
class DeployFlag:
    """The parameter of `deploy` for a setting outside `serve`; those in it have their own name."""

    name: str


@dataclass(frozen=True)
class Option:
    """One setting.

    path: its place in the inventory, such as `serve.ctx`.
    model: the one that has the field.
    schema: its JSON schema.
    """

    path: str
    model: type[BaseModel]
    field: FieldInfo
    schema: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def default(self) -> Any:
        """Return the value that applies where the inventory sets none."""
        return self.field.default

    @property
    def help(self) -> str:
        """Return what it means, in one line."""
        describe(self.model)
        return " ".join((self.field.description or "").split())

    @property
    def choices(self) -> tuple[str, ...]:
        """Return the allowed texts where there are only these."""
        return tuple(self.schema.get("enum", ()))

    @property
    def full_help(self) -> str:
        """Return the help text, with the allowed texts unless it names each of them."""
        if all(choice in self.help for choice in self.choices):
            return self.help
        allowed = ", ".join(choice or "''" for choice in self.choices)
        return f"{self.help} (one of {allowed})"

    @property
    def is_switch(self) -> bool:
        """Return whether its value is true or false (or vLLM's default)."""
        return any(kind.get("type") == "boolean" for kind in self.alternatives)

    @property
    def is_list(self) -> bool:
        """Return whether its value is a list of texts."""
        return self.schema.get("type") == "array"

    @property
    def alternatives(self) -> tuple[Mapping[str, Any], ...]:
        """Return the schema of each kind of value that it may have."""
        return tuple(self.schema.get("anyOf", (self.schema,)))

    @cached_property
    def vllm(self) -> VllmFlag | None:
        """Return the flag of `vllm serve`, None where there is none."""
        return self._marker(VllmFlag)

    @property
    def parameter(self) -> str:
        """Return the parameter of the task `deploy`, empty where it has none."""
        marker = self._marker(DeployFlag)
        if marker:
            return marker.name
        return self.name if self.path.startswith("serve.") else ""

    def _marker(self, kind: type[Marker]) -> Marker | None:
        return next((each for each in self.field.metadata if isinstance(each, kind)), None)


@cache
def options(model: type[BaseModel]) -> tuple[Option, ...]:
    """Return the options of a settings model and of the sections in it, in their order."""
    schema = model.model_json_schema()
    return tuple(_options(model, schema, schema.get("$defs", {}), ""))


def _options(
    model: type[BaseModel], schema: Mapping[str, Any], sections: Mapping[str, Any], before: str
) -> Iterator[Option]:
    for name, field in model.model_fields.items():
        key = field.alias or name
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _options(kind, sections[kind.__name__], sections, f"{before}{key}.")
        else:
            yield Option(f"{before}{key}", model, field, schema["properties"][key])
