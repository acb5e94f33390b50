"""Case files: questions about pictures and the words that a right answer contains, in YAML.

cases:
  - name: pizza                 # unique
    image: food/pizza.png       # beside the YAML file; leave out for a question without one
    question: What food is in this picture?
    expect: [pizza, "flat bread"]   # any entry; an entry of several words needs them all
    forbid: [salad]             # words that make it wrong; default none
    max_tokens: 48              # longest answer, in tokens; default 64
    thinking: false             # default
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any, Final

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from onecard.errors import UsageError
from onecard.settings.yaml_file import UNREADABLE
from onecard.smoke.judge import words

MEDIA_TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
}


def _has_a_word(entry: str) -> str:
    if not words(entry):
        raise ValueError("needs at least one letter or digit")
    return entry


Entry = Annotated[str, AfterValidator(_has_a_word)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Case(_Model):
    """One question. `image` is the picture's full path, or None."""

    name: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    expect: Annotated[tuple[Entry, ...], Strict(False), Field(min_length=1)]
    forbid: Annotated[tuple[Entry, ...], Strict(False)] = ()
    image: Path | None = None
    max_tokens: Annotated[int, Field(ge=1)] = 64
    thinking: bool = False

    @field_validator("image", mode="before")
    @classmethod
    def _picture_exists(cls, value: object, info: ValidationInfo) -> Path | None:
        if value is None:
            return None
        if not isinstance(value, str):
            raise ValueError("must be the name of a file")
        path = Path((info.context or {}).get("folder", "."), value)
        if path.suffix.lower() not in MEDIA_TYPES:
            raise ValueError(f"must end in one of {', '.join(MEDIA_TYPES)}, not {path.name!r}")
        try:
            exists = path.is_file()
        except OSError as error:  # such as a name that is too long
            raise ValueError(f"is not a valid file name: {error.strerror}") from None
        if not exists:
            raise ValueError(f"no such file: {path}")
        return path

    def messages(self, *, picture: bool = True) -> list[dict[str, Any]]:
        """Return the chat messages, the picture first as a data URL.

        picture: False leaves the picture out, for the control.
        """
        parts: list[dict[str, Any]] = [{"type": "text", "text": self.question}]
        if picture and self.image is not None:
            data = base64.b64encode(self.image.read_bytes()).decode("ascii")
            url = f"data:{MEDIA_TYPES[self.image.suffix.lower()]};base64,{data}"
            parts.insert(0, {"type": "image_url", "image_url": {"url": url}})
        return [{"role": "user", "content": parts}]


class CaseFile(_Model):
    """The cases of one file, in its order; at least one."""

    cases: Annotated[tuple[Case, ...], Strict(False), Field(min_length=1)]

    @field_validator("cases")
    @classmethod
    def _names_differ(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        names = [case.name for case in cases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name {twice[0]!r} is used twice")
        return cases


def load_cases(path: Path) -> CaseFile:
    """Read and validate the case file at `path`.

    Raises UsageError, one line with the file and the path to the key.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such case file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark else f"{path}"
        problem = getattr(error, "problem", None) or "cannot be parsed"
        raise UsageError(f"{place}: not valid YAML: {problem}") from None
    except UNREADABLE as error:
        raise UsageError(f"{path}: holds a value that YAML cannot read: {error!r:.200}") from None
    try:
        return CaseFile.model_validate(data, context={"folder": path.parent})
    except ValidationError as error:
        raise UsageError(_first_problem(path, error)) from None


def _first_problem(path: Path, error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    first = problems[0]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    problem = {
        "extra_forbidden": "unknown key",
        "missing": "is missing",
        "model_type": "must be a mapping",
    }.get(first["type"], first["msg"].removeprefix("Value error, "))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{path}: {key.lstrip('.') or 'the file'}: {problem}{more}"
