"""One YAML file, read safely: plain values only, no duplicate key, every error in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from onecard.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

# Aliases let a file of a few lines expand to more values than memory holds, so values are counted
# with every alias expanded.
MAXIMUM_VALUES = 200_000
MAXIMUM_DEPTH = 100
# What PyYAML raises beside its own errors: for an invalid date, for a tag on a value that does not
# fit it (`!!int ""`, `!!bool x`), and for deeply nested brackets.
UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, RecursionError)

_TAG = "tag:yaml.org,2002:"
_FOREIGN = ("timestamp", "binary", "set", "omap", "pairs")
_PLAIN = {_TAG + name for name in ("str", "int", "float", "bool", "null", "map", "seq", "merge")}


class Key(str):
    """A key of a mapping in a file.

    line: counted from 1. shared: its value has an anchor that is used elsewhere in the file.
    """

    __slots__ = ("line", "shared")
    line: int
    shared: bool


class ForeignValue(str):
    """A value of a kind that no setting has, as text: a date, or one with a tag of its own.

    tag: as YAML resolves it.
    """

    __slots__ = ("tag",)
    tag: str

    @property
    def is_vaulted(self) -> bool:
        """Return whether the text is encrypted with Ansible Vault."""
        return "vault" in self.tag

    @property
    def refusal(self) -> str:
        """Return why it is not a setting."""
        return _foreign(self.tag)


class UnsafeText(str):
    """A text with Ansible's tag `!unsafe`: braces in it are not a template."""


VAULT_HEAD = "$ANSIBLE_VAULT"
_VAULT = "values encrypted with Ansible Vault are not read; store secrets with: invoke secret set"


def read(path: Path, shown: str) -> Mapping[str, Any]:
    """Read the mapping in `path`; an empty file is an empty mapping.

    shown: the file's name in messages. Values are None, bool, int, float, str, list or dict
    whose keys are each a `Key`. Raises UsageError with file, line and column for bad YAML, a
    duplicate key, a key or value of another type (dates, tags such as `!vault`) and a top level
    that is not a mapping.
    """
    return parse(read_bytes(path, shown), shown)


def read_bytes(path: Path, shown: str) -> bytes:
    """Return a file's content. Raises UsageError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown}: cannot be read: {error.strerror}") from error


def parse(content: bytes, shown: str, *, foreign: bool = False) -> Mapping[str, Any]:
    """Return the mapping in a file's content, as `read` does. Raises UsageError.

    foreign: accept what only other tools read: a key that is a number is its text, and a value
    with a tag, or a date, is a `ForeignValue`.
    """
    if content.startswith(VAULT_HEAD.encode()):
        raise UsageError(f"{shown}: {_VAULT}")
    data = parse_value(content, shown, foreign=foreign)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UsageError(f"{shown}: the top level must be a mapping (`key: value` lines)")
    return data


def parse_value(content: bytes, shown: str, *, foreign: bool = False) -> object:
    """Return the value that YAML text is. Raises UsageError as `read` does."""
    try:
        return _construct(content, shown, foreign=foreign)
    except yaml.MarkedYAMLError as error:
        raise UsageError(_syntax(error, shown)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown}: is not UTF-8 text that YAML allows") from error
    except RecursionError as error:
        raise UsageError(f"{shown}: is nested too deeply") from error
    except UNREADABLE as error:
        raise UsageError(f"{shown}: holds a value that YAML cannot read: {error!r:.200}") from error


def line_of(values: object, location: Sequence[str | int]) -> int | None:
    """Return the line of the innermost key on the path to a location in what `read` returned."""
    line = None
    for part in location:
        if not isinstance(values, Mapping):
            break
        key = next((key for key in values if key == part), None)
        if key is None:
            break
        line, values = getattr(key, "line", line), values[key]
    return line


class _SettingsLoader(yaml.SafeLoader):
    shared: frozenset[int] = frozenset()

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        mapping: dict[Any, Any] = {}
        for name, value in node.value:
            key = Key(name.value)
            key.line = name.start_mark.line + 1
            key.shared = id(value) in self.shared
            mapping.pop(key, None)  # a merged key: the later key's line counts
            mapping[key] = self.construct_object(value, deep=deep)
        return mapping

    def construct_foreign(self, node: yaml.Node) -> str:
        if node.tag == "!unsafe":  # Ansible's mark for a text that is not a template
            return UnsafeText(node.value if isinstance(node, yaml.ScalarNode) else "")
        found = ForeignValue(node.value if isinstance(node, yaml.ScalarNode) else "")
        found.tag = node.tag
        return found


for _tag in (None, *(_TAG + name for name in _FOREIGN)):
    _SettingsLoader.add_constructor(_tag, _SettingsLoader.construct_foreign)


def _construct(content: bytes, shown: str, *, foreign: bool) -> object:
    loader = _SettingsLoader(content)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        counter = _Counter(shown, foreign)
        counter.count(node, 0)
        loader.shared = frozenset(counter.shared)
        data: object = loader.construct_document(node)
        return data
    finally:
        loader.dispose()


class _Counter:
    """Counts the values that a document stands for; refuses what is not plain data.

    foreign: accept keys and values of other kinds. shared: the nodes that an alias repeats.
    """

    def __init__(self, shown: str, foreign: bool) -> None:
        self.shown = shown
        self.foreign = foreign
        self.counted: dict[int, int] = {}
        self.shared: set[int] = set()

    def count(self, node: yaml.Node, depth: int) -> int:
        """Return how many values `node` stands for. Raises UsageError."""
        key = id(node)
        if key in self.counted:
            if self.counted[key] == 0:
                raise self.error(node, "an alias that contains itself")
            self.shared.add(key)
            return self.counted[key]
        if depth > MAXIMUM_DEPTH:
            raise self.error(node, f"nested deeper than {MAXIMUM_DEPTH} levels")
        if node.tag not in _PLAIN and not self.foreign:
            raise self.error(node, _foreign(node.tag))
        self.counted[key] = 0
        total = 1
        for child in self.children(node):
            total += self.count(child, depth + 1)
        if total > MAXIMUM_VALUES:
            raise self.error(node, f"aliases stand for more than {MAXIMUM_VALUES} values")
        self.counted[key] = total
        return total

    def children(self, node: yaml.Node) -> list[yaml.Node]:
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if not isinstance(node, yaml.MappingNode):
            return []
        names: set[str] = set()
        for name, _ in node.value:
            if name.tag == _TAG + "merge":
                continue
            is_text = name.tag == _TAG + "str"
            if not is_text and not (self.foreign and isinstance(name, yaml.ScalarNode)):
                word = name.value if isinstance(name, yaml.ScalarNode) else "list or mapping"
                raise self.error(name, f"the key {word} is not text; put it in quotes")
            if not name.value.isprintable():
                raise self.error(name, f"the key {name.value[:60]!a} has a control character")
            if name.value in names:
                raise self.error(name, f'the key "{name.value}" appears twice')
            names.add(name.value)
        return [value for _, value in node.value]

    def error(self, node: yaml.Node, message: str) -> UsageError:
        mark = node.start_mark
        message = message if message.isprintable() else ascii(message)
        return UsageError(
            f"{self.shown}: line {mark.line + 1}, column {mark.column + 1}: {message}"
        )


def _foreign(tag: str) -> str:
    if "vault" in tag:
        return _VAULT
    if tag == _TAG + "timestamp":
        return "a date is not a setting; if text is meant, put it in quotes"
    shown = tag.replace(_TAG, "!!")
    return (
        f"the tag {shown if shown.isprintable() else ascii(shown)} is not read; write a plain value"
    )


def _syntax(error: yaml.MarkedYAMLError, shown: str) -> str:
    message = error.problem or "is not YAML"
    if "'\\t'" in message:
        message = "a tab; YAML is indented with spaces"
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{shown}: {where}{message}"
