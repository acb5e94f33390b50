"""The documents of `--json` as one JSON schema, and their validation."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaValue

from onecard.reference.documents.commands import DOCUMENTS
from onecard.reference.documents.document import Failure


def documents_schema() -> dict[str, Any]:
    """Return {"commands": command -> its document's schema, "$defs"}; `error` is any command's."""
    adapters = {**DOCUMENTS, "error": Failure}
    schemas, shared = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(kind)) for name, kind in adapters.items()]
    )
    commands: dict[str, JsonSchemaValue] = {name: schemas[name, "validation"] for name in adapters}
    return {"commands": commands, "$defs": shared["$defs"]}


def check(command: str, text: str) -> None:
    """Raise pydantic's ValidationError unless a document is the command's or an error's."""
    kind = DOCUMENTS.get(command)
    if kind is not None:
        TypeAdapter(kind | Failure).validate_json(text)
