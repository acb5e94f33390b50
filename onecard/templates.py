"""Renders the project's Jinja templates; a variable that a template lacks is an error."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import jinja2

from onecard.errors import UsageError

FOLDER = Path(__file__).resolve().parent.parent / "templates"


def render(
    name: str, variables: dict[str, Any], folder: Path = FOLDER, *, escape: bool = False
) -> str:
    """Return a template's text with `variables` filled in.

    escape: escape them for HTML; unit and environment files take them as they are.
    Raises UsageError naming the template (and the line, for a syntax error) and the variable.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=escape,  # noqa: S701  # unit and environment files are not HTML
    )
    environment.filters |= {"word": unit_word, "variable": variable}
    try:
        return environment.get_template(name).render(variables)
    except jinja2.UndefinedError as error:
        raise UsageError(f"templates/{name}: {error.message}; no setting gives it") from error
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"templates/{name}:{error.lineno}: {error.message}") from error
    except jinja2.TemplateNotFound as error:
        raise UsageError(f"templates/{error.name}: no such template") from error


def unit_word(text: object) -> str:
    """Return text as one word of a unit's ExecStart= (man systemd.service, COMMAND LINES)."""
    word = str(text).replace("%", "%%").replace("$", "$$")
    if word and word == shlex.quote(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def variable(text: str) -> str:
    """Return text as a variable's value in an EnvironmentFile= (man systemd.exec)."""
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"'
