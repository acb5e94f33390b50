"""One YAML file, read safely: plain values only, no duplicate key, every error in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from onecard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Aliases let a file of a few lines stand for more values than memory holds, so what counts is the
# number of values with every alias written out.
MOST_VALUES = 200_000
DEEPEST = 100

_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")}

_VAULT = "values encrypted with Ansible Vault are not read; keep secrets out of the inventory"


def read(path: Path, shown: str) -> Mapping[str, Any]:
    """Read the mapping in `path`; an empty file is an empty mapping.

    shown: the file's name in messages. Values are None, bool, int, float, str, list or dict with
    str keys. Raises UsageError with file, line and column for bad YAML, a duplicate key, a key or
    value of another type (dates, tags such as `!vault`) and a top level that is no mapping.
    """
    try:
        content = path.read_bytes()
        if content.startswith(b"$ANSIBLE_VAULT"):
            raise UsageError(f"{shown}: {_VAULT}")
        data = _construct(content, shown)
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        raise UsageError(_syntax(error, shown)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown}: is not UTF-8 text that YAML allows") from error
    except ValueError as error:
        raise UsageError(f"{shown}: holds a value that YAML cannot read: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{shown}: is nested too deeply") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"{shown}: the top level must be a mapping (`key: value` lines)")
    return data


def _construct(content: bytes, shown: str) -> object:
    loader = yaml.SafeLoader(content)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, shown, {}, 0)
        data: object = loader.construct_document(node)
        return data
    finally:
        loader.dispose()


def _count(node: yaml.Node, shown: str, counted: dict[int, int], depth: int) -> int:
    """Return how many values `node` stands for; raise on anything that is not plain data."""
    key = id(node)
    if key in counted:
        if counted[key] == 0:
            raise _error(node, shown, "an alias that contains itself")
        return counted[key]
    if depth > DEEPEST:
        raise _error(node, shown, f"nested deeper than {DEEPEST} levels")
    if node.tag not in _PLAIN:
        raise _error(node, shown, _foreign(node.tag))
    counted[key] = 0
    total = 1
    for child in _children(node, shown):
        total += _count(child, shown, counted, depth + 1)
    if total > MOST_VALUES:
        raise _error(node, shown, f"aliases stand for more than {MOST_VALUES} values")
    counted[key] = total
    return total


def _children(node: yaml.Node, shown: str) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if not isinstance(node, yaml.MappingNode):
        return []
    seen: set[str] = set()
    for name, _ in node.value:
        if name.tag == _TAG + "merge":
            continue
        if name.tag != _TAG + "str":
            word = name.value if isinstance(name, yaml.ScalarNode) else "list or mapping"
            raise _error(name, shown, f"the key {word} is not text; put it in quotes")
        if name.value in seen:
            raise _error(name, shown, f'the key "{name.value}" is there twice')
        seen.add(name.value)
    return [value for _, value in node.value]


def _foreign(tag: str) -> str:
    if "vault" in tag:
        return _VAULT
    if tag == _TAG + "timestamp":
        return "a date is not a setting; if text is meant, put it in quotes"
    return f"the tag {tag.replace(_TAG, '!!')} is not read; write a plain value"


def _error(node: yaml.Node, shown: str, words: str) -> UsageError:
    mark = node.start_mark
    return UsageError(f"{shown}: line {mark.line + 1}, column {mark.column + 1}: {words}")


def _syntax(error: yaml.MarkedYAMLError, shown: str) -> str:
    words = error.problem or "is not YAML"
    if "'\\t'" in words:
        words = "a tab; YAML is indented with spaces"
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{shown}: {where}{words}"
