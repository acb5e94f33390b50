"""The base of every document of `--json`, and the document of an error."""

from __future__ import annotations

from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict

Event: TypeAlias = dict[str, Any]


class Document(BaseModel):
    """Exactly these keys; one that has a default may be left out."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class Failure(Document):
    """Printed by any command that ends before it has a result."""

    error: str
    """one line"""
    exit_code: int
