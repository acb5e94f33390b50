"""docs/documents.md: the keys of every document that `--json` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from onecard.reference.documents_schema import documents_schema

HEAD: Final = """\
# JSON documents

<!-- Made by `make docs` from onecard/reference/documents/; changes belong there. -->

What each command prints with `--json`, see [scripting](scripting.md). The same as a JSON schema:
[documents.schema.json](documents.schema.json). Times are in seconds, memory is in GiB, lengths are
in tokens. A key with a `?` may be left out. A command that ends before it has a result prints the
document [`error`](#error) instead.
"""
TABLE: Final = "\n| Key | Type | What it is |\n|---|---|---|\n"
TABLE_WITHOUT_TEXT: Final = "\n| Key | Type |\n|---|---|\n"
_REFERENCE: Final = "#/$defs/"

Schema = Mapping[str, Any]


def documents_page() -> str:
    """Return the page's text."""
    schema = documents_schema()
    kinds: Mapping[str, Schema] = schema["$defs"]
    parts = {name for kind in kinds.values() for name in _references(kind)}
    text = [HEAD]
    first: dict[str, str] = {}
    for command, document in schema["commands"].items():
        text.append(f"\n## {command}\n")
        if document.get("type") == "array":
            text.append("\nA list of:\n")
        for number, name in enumerate(_references(document)):
            known = first.setdefault(name, command)
            if name in parts:
                text.append(f"\n{'Or: ' if number else ''}{_link(name)}\n")
            elif known != command:
                text.append(f"\nThe same as [{known}](#{_anchor(known)}).\n")
            else:
                text += _part(kinds[name])
    text.append("\n## Parts\n")
    for name in sorted(parts):
        text += [f"\n### {name}\n", *_part(kinds[name])]
    return "".join(text)


def _part(schema: Schema) -> Iterator[str]:
    if text := schema.get("description", ""):
        yield f"\n{text.splitlines()[0]}\n"
    texts = any("description" in value for value in schema["properties"].values())
    yield TABLE if texts else TABLE_WITHOUT_TEXT
    required = schema.get("required", ())
    # Facts and the like always have all keys: a default there is a value, not a missing key.
    complete = "additionalProperties" not in schema
    for key, value in schema["properties"].items():
        mark = "" if complete or key in required else "?"
        text = f" {value.get('description', '')} |" if texts else ""
        yield f"| `{key}`{mark} | {_kind(value)} |{text}\n"


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        return _link(schema["$ref"][len(_REFERENCE) :])
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{str(schema['const']).lower()}`"
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"object of {_kind(inner)}" if isinstance(inner, dict) else "object"
    return str(schema.get("type", "any"))


def _references(schema: object) -> list[str]:
    """Return the types that a schema refers to, each once, in order."""
    if isinstance(schema, dict):
        named = [schema["$ref"][len(_REFERENCE) :]] if "$ref" in schema else []
        inner = [name for value in schema.values() for name in _references(value)]
        return list(dict.fromkeys([*named, *inner]))
    if isinstance(schema, list):
        return list(dict.fromkeys(name for each in schema for name in _references(each)))
    return []


def _link(name: str) -> str:
    return f"[{name}](#{_anchor(name)})"


def _anchor(name: str) -> str:
    return name.lower().replace(".", "")
