"""The rules of diagnosis: data in onecard/diagnosis/rules/*.yml, validated strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from onecard.diagnosis.derived import DERIVED, derived
from onecard.diagnosis.texts import exact_text, fill, names, needed_names
from onecard.errors import UsageError

DIRECTORY = Path(__file__).resolve().parent / "rules"

# Names that every text may use besides its pattern's captures: arguments that the log may hold.
CONTEXT = frozenset({"model", "port", "ctx"})
_TEXTS = ("cause", "fix", "command", "on_box")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Pattern(_Strict):
    """The pattern of a line.

    find: a literal in the line; it makes the search of a large log fast.
    match: a regular expression searched for in the line's message, for its captures or to be
        stricter than the literal; empty for none.
    code: also match Python source in a traceback (for example an assertion without a message),
        which is skipped otherwise: a message's template is not a message.
    """

    find: str = Field(min_length=4)
    match: str = ""
    code: bool = False

    @cached_property
    def regex(self) -> re.Pattern[str] | None:
        """Return `match` compiled, None if it is empty."""
        return re.compile(self.match) if self.match else None

    @model_validator(mode="before")
    @classmethod
    def _literal(cls, value: object) -> object:
        """Accept a plain string as `find`."""
        return {"find": value} if isinstance(value, str) else value


class Rule(_Strict):
    """One known failure.

    kind: `cause` is a true error; `symptom` a consequence, reported only if no cause is found;
        `wrapper` hides the cause and is never one; `note` is not a failure of the server.
    stage: the stage of a box or server in which it happens.
    root: it is the cause anywhere in the log, even outside of a traceback.
    quiet: it may be in a line of level INFO or WARNING, or in a Python warning.
    weight: of several causes the one with the largest weight is reported: special before general.
    only_with, without: literals of which the same run of the server must, or must not, hold one.
    cause, fix: for people. command: to run on this computer, an `invoke` task. on_box: to run on
        the box, if there is no task. They may name captures and values derived from them
        (derived.py), with a general text where the log may lack them (texts.py).
    example: a line (or lines) of such a log.
    source: where the message is defined or was logged.
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
    cause: str = Field(min_length=10)
    fix: str = Field(min_length=5)
    command: str = Field(default="", pattern=r"^((\[\[)?invoke .+)?$")
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
        """Check that each name in a text is captured: by every pattern, or by one with a part."""
        for pattern in self.patterns:
            groups = self._groups(pattern)
            for key in _TEXTS:
                missing = needed_names(getattr(self, key)) - groups
                if missing:
                    raise ValueError(
                        f"{key} names {', '.join(sorted(missing))}, which pattern"
                        f" {pattern.find!r} does not capture"
                    )
        captured = {name for pattern in self.patterns for name in self._groups(pattern)} | CONTEXT
        captured |= {name for name, (needs, _) in DERIVED.items() if captured.issuperset(needs)}
        for key in _TEXTS:
            if unknown := names(exact_text(getattr(self, key))) - captured:
                raise ValueError(f"{key} names {', '.join(sorted(unknown))}, which none captures")
        return self

    @staticmethod
    def _groups(pattern: Pattern) -> set[str]:
        try:
            return set(pattern.regex.groupindex) if pattern.regex else set()
        except re.error as error:
            message = f"match {pattern.match!r} is not a regular expression: {error}"
            raise ValueError(message) from None

    def fill(self, template: str, values: Mapping[str, str]) -> str:
        """Return `template` with its names replaced by values and what derives from them."""
        return fill(template, {**values, **derived(values)})


class _File(_Strict):
    rules: tuple[Rule, ...]


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Read the rules of one file.

    Raises UsageError with the file, the rule and the wrong key.
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
    """Read the rules of `directory`'s *.yml files.

    Raises UsageError if a file is wrong, an id occurs twice, or there is no rule.
    """
    rules: list[Rule] = []
    files: dict[str, str] = {}
    for path in sorted(directory.glob("*.yml")):
        for rule in read_rules(path):
            if rule.id in files:
                raise UsageError(
                    f"{path.name}: rule {rule.id}: the id is taken in {files[rule.id]}"
                )
            files[rule.id] = path.name
            rules.append(rule)
    if not rules:
        raise UsageError(f"{directory}: no diagnosis rules (*.yml) here; reinstall onecard")
    return tuple(rules)


@cache
def shipped_rules() -> tuple[Rule, ...]:
    """Return the rules that come with onecard, read once."""
    return load_rules()


def _rule_name(data: object, location: tuple[int | str, ...]) -> str:
    """Return the id of the rule at an error's location, else its number."""
    if len(location) > 1 and location[0] == "rules" and isinstance(location[1], int):
        try:
            return str(data["rules"][location[1]]["id"])  # type: ignore[index]
        except (KeyError, TypeError):
            return f"number {location[1] + 1}"
    return "(none)"
