"""The rules of diagnosis: data in onecard/data/diagnosis/*.yml, checked strictly when read."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from onecard.diagnosis.derived import DERIVED, derived
from onecard.errors import UsageError

DIRECTORY = Path(__file__).resolve().parent.parent / "data" / "diagnosis"

# What every template may name beside its pattern's captures, and what stands in its place where
# the log does not tell.
CONTEXT: dict[str, str] = {"model": "MODEL", "port": "8000", "ctx": "4096"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pattern(_Strict):
    """What a line must hold.

    find: a literal that is in the line; it makes the search of a large log cheap.
    match: a regular expression searched for in the line's message, for its captures or to be
        stricter than the literal; empty for none.
    code: it is in Python source that a traceback shows (an assertion without words, say), where
        otherwise nothing is looked for: a message's template is no message.
    """

    find: str = Field(min_length=4)
    match: str = ""
    code: bool = False

    @cached_property
    def regex(self) -> re.Pattern[str] | None:
        return re.compile(self.match) if self.match else None

    @model_validator(mode="before")
    @classmethod
    def _literal(cls, value: object) -> object:
        """A bare string is a literal."""
        return {"find": value} if isinstance(value, str) else value


class Rule(_Strict):
    """One known failure.

    kind: `cause` is a true error; `symptom` a consequence, named only when no cause is found;
        `wrapper` is never the cause, it hides one; `note` is no failure of the server at all.
    stage: where in the life of a box it happens.
    root: it is the cause wherever in the log it stands, though no traceback holds it.
    quiet: it may stand in a line of level INFO or WARNING, or in a Python warning.
    weight: of several causes the heavier is told: a special rule goes before a general one.
    only_with, without: literals of which the same run of the server must, or must not, hold one.
    defaults: what a capture stands for that took part in no match.
    command: what to type on this computer, an `invoke` task. on_box: what to type on the box, where
        there is none. Both may name what is worked out from captures (derived.py).
    example: a line (or lines) of such a log.
    source: where the message was read.
    """

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    stage: Literal[
        "apt", "driver", "cuda", "python", "build", "model", "memory", "start", "service",
        "run", "request", "hardware",
    ]  # fmt: skip
    kind: Literal["cause", "symptom", "wrapper", "note"] = "cause"
    root: bool = False
    quiet: bool = False
    weight: int = Field(default=50, ge=0, le=100)
    patterns: tuple[Pattern, ...] = Field(min_length=1)
    only_with: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    defaults: dict[str, str] = {}
    cause: str = Field(min_length=10)
    fix: str = Field(min_length=5)
    command: str = Field(default="", pattern=r"^(invoke .+)?$")
    on_box: str = ""
    example: str = Field(min_length=4)
    source: str = Field(min_length=2)

    @model_validator(mode="after")
    def _box_has_no_invoke(self) -> Rule:
        if "invoke " in self.on_box:
            raise ValueError("on_box names an invoke task, which only this computer has")
        return self

    @model_validator(mode="after")
    def _templates_are_fed(self) -> Rule:
        """Every name in a template comes from every pattern, a default or the context."""
        for pattern in self.patterns:
            try:
                groups = pattern.regex.groupindex.keys() if pattern.regex else set()
            except re.error as error:
                raise ValueError(
                    f"match {pattern.match!r} is no regular expression: {error}"
                ) from None
            known = {*groups, *self.defaults, *CONTEXT}
            known |= {name for name, (needs, _) in DERIVED.items() if known.issuperset(needs)}
            for key in ("cause", "fix", "command", "on_box"):
                names = {
                    name for _, name, _, _ in string.Formatter().parse(getattr(self, key)) if name
                }
                if names - known:
                    raise ValueError(
                        f"{key} names {', '.join(sorted(names - known))}, which pattern"
                        f" {pattern.find!r} does not capture"
                    )
        return self

    def fill(self, template: str, captures: Mapping[str, str]) -> str:
        """`template` with its names filled in."""
        known = {**CONTEXT, **self.defaults, **captures}
        return template.format_map({**known, **derived(known)}).strip()


class _File(_Strict):
    rules: tuple[Rule, ...]


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of one file.

    Raises UsageError with the file, the rule and the key that is wrong.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        first = str(error).replace("\n", " ")
        raise UsageError(f"{path.name}: cannot be read as YAML: {first}") from error
    try:
        return _File.model_validate(data).rules
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UsageError(
            f"{path.name}: rule {_rule_name(data, problem['loc'])}: {where}: {problem['msg']}"
        ) from error


def load_rules(directory: Path = DIRECTORY) -> tuple[Rule, ...]:
    """Every rule of `directory`'s *.yml files.

    Raises UsageError when a file is wrong, when an id occurs twice, or when there is no rule.
    """
    rules: list[Rule] = []
    seen: dict[str, str] = {}
    for path in sorted(directory.glob("*.yml")):
        for rule in read_rules(path):
            if rule.id in seen:
                raise UsageError(f"{path.name}: rule {rule.id}: the id is taken in {seen[rule.id]}")
            seen[rule.id] = path.name
            rules.append(rule)
    if not rules:
        raise UsageError(f"{directory}: no diagnosis rules (*.yml) here; reinstall onecard")
    return tuple(rules)


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """The rules that come with onecard, read once."""
    return load_rules()


def _rule_name(data: object, location: tuple[int | str, ...]) -> str:
    """The id of the rule that an error's location points into, else its number."""
    if len(location) > 1 and location[0] == "rules" and isinstance(location[1], int):
        try:
            return str(data["rules"][location[1]]["id"])  # type: ignore[index]
        except (KeyError, TypeError):
            return f"number {location[1] + 1}"
    return "(none)"
