"""Render the Jinja templates; one in templates/ of the user's folder replaces the built-in one.

An undefined variable is an error, and so is a value that a template emits without a filter for the
quoting of its target (quoting.py), as in `User={{ user | unit_value }}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2

from onecard.errors import UsageError
from onecard.project import find_own_folder
from onecard.shipped import SHIPPED
from onecard.templates import quoting

FOLDER: Final = SHIPPED / "templates"

FILTERS: Final = {
    each.__name__: each
    for each in (
        quoting.number,
        quoting.unit_value,
        quoting.unit_word,
        quoting.unit_words,
        quoting.unit_variable,
        quoting.file_value,
        quoting.identifier,
        quoting.shell_word,
        quoting.nginx_word,
        quoting.haproxy_word,
    )
}


def render(
    name: str, variables: dict[str, Any], folder: Path | None = None, *, escape: bool = False
) -> str:
    """Return a template's text with `variables` filled in.

    folder: where the templates are; None for the user's folder, then the built-in ones.
    escape: escape them for HTML; in every other template each value goes through one of FILTERS.
    Raises UsageError naming the template (and the line, for a syntax error) and the variable.
    """
    try:
        folders = (folder,) if folder else template_folders()
        return _environment(folders, escape).get_template(name).render(variables)
    except quoting.UnfitError as error:
        key = _key(variables, error.value)
        raise UsageError(f"templates/{name}: {key} {error}") from error
    except jinja2.UndefinedError as error:
        raise UsageError(f"templates/{name}: {error.message}; no setting defines it") from error
    except jinja2.TemplateSyntaxError as error:
        raise UsageError(f"templates/{name}:{error.lineno}: {error.message}") from error
    except jinja2.TemplateNotFound as error:
        raise UsageError(f"templates/{error.name}: no such template") from error
    except Exception as error:  # what an expression of a template of one's own may raise
        shown = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(f"templates/{name}: {shown}") from error


def template_folders() -> tuple[Path, ...]:
    """Return the folders that templates are looked up in, the first one first."""
    owned = find_own_folder()
    return (FOLDER,) if owned in (None, SHIPPED) else (owned / "templates", FOLDER)


@cache
def _environment(folders: tuple[Path, ...], escape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=escape,  # noqa: S701  # unit and environment files are not HTML
        finalize=None if escape else _quoted,
    )
    environment.filters |= FILTERS
    return environment


def _quoted(value: object) -> object:
    """Return a value that is quoted or undefined. Raises UnfitError for any other."""
    if isinstance(value, (quoting.Quoted, jinja2.Undefined)):
        return value
    raise quoting.UnfitError(value, f"is emitted without a filter; use: {', '.join(FILTERS)}")


def _key(variables: Mapping[str, object], value: object) -> str:
    """Return the name of the variable that a value is from."""
    for name, given in variables.items():
        if given is value or str(value) in _texts(given):
            return name
    return "a value"


def _texts(given: object) -> list[str]:
    if isinstance(given, (list, tuple)):
        return [text for each in given for text in _texts(each)]
    return [str(given)]
