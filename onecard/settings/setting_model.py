"""The base of all settings' models, numbers within bounds, and shared values."""

from __future__ import annotations

import re
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

AUTO: Final = "auto"
REFUSED: Final = "refused"  # the type of an error whose message says all, without the value
MAXIMUM: Final = 2**31 - 1  # no count or time is near it, and every program accepts it

Port = Annotated[int, Field(ge=1, le=65535)]
AtLeastOne = Annotated[int, Field(ge=1, le=MAXIMUM)]
NotNegative = Annotated[int, Field(ge=0, le=MAXIMUM)]


class Model(BaseModel):
    """Base of every settings model: an unknown key is an error, a value never changes.

    The text below a field describes it; `describe` reads it where help or documentation needs it.

    YAML has lists only: `Field(strict=False)` on a tuple accepts a list; its items stay strict.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        populate_by_name=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _unquoted(cls, value: Any, info: ValidationInfo) -> Any:
        """Accept a number, true and false in quotes where no text is wanted.

        Terraform's yamlencode quotes each value of a map of texts, and Ansible's INI files have
        no other true than `true`, which is text.
        """
        if isinstance(value, str) and info.field_name:
            return _plain(value, _kinds(cls, info.field_name))
        return value


@cache
def _kinds(model: type[BaseModel], name: str) -> frozenset[object]:
    """Return the plain types that a field may have, without those of values in it."""
    return frozenset(leaves(model.model_fields[name].annotation))


def leaves(kind: Any) -> list[object]:
    """Return the types that an annotation is made of, without Annotated, unions and literals."""
    origin = get_origin(kind)
    if origin is Annotated:
        return leaves(get_args(kind)[0])
    if origin in (Union, UnionType):
        return [leaf for each in get_args(kind) for leaf in leaves(each)]
    return [] if origin is Literal else [origin or kind]


def _plain(text: str, kinds: frozenset[object]) -> Any:
    if str not in kinds:
        if int in kinds and re.fullmatch(r"-?[0-9]{1,18}", text):
            return int(text)
        if float in kinds and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text):
            return float(text)
        if bool in kinds and text.lower() in ("true", "false"):
            return text.lower() == "true"
    return text
