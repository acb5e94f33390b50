"""Shared by all tasks: exit codes, one line for an error, the host, JSON or a table.

tasks.py imports it for `invoke --list` too, so nothing heavy is imported at the top.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterable
from typing import Any, Final

from invoke import Exit

import onecard.cli.command_line_error  # noqa: F401  # exit code 2 for what Invoke cannot parse
from onecard.cli.output import debugging, print_json, show_error
from onecard.cli.run_flags import taken_from
from onecard.cli.short_exit import READER_GONE, discard_output, exit_code_is
from onecard.cli.signals import ended_like_ctrl_c
from onecard.errors import OnecardError

# New objects between two collections. Python's 700 mean dozens of them while modules are loaded,
# whose objects all stay.
_OBJECTS: Final = 50_000


def task_body(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn the result or exception of a task's function into an exit code and one line of error.

    A returned number other than 0 is the exit code. A traceback is shown only under --debug. With
    --json an error is a JSON document too.
    """

    @functools.wraps(function)
    def run(*arguments: Any, **flags: Any) -> None:
        from onecard.console.visible_text import only_visible_text

        gc.set_threshold(_OBJECTS)
        with only_visible_text():
            code = _run(function, arguments, flags) or 0
        exit_code_is(code)
        if code:
            raise Exit(code=code)

    return run


def _run(
    function: Callable[..., int | None], arguments: tuple[Any, ...], flags: dict[str, Any]
) -> int | None:
    as_json = bool(flags.get("json"))
    try:
        with ended_like_ctrl_c(), taken_from(flags):
            return function(*arguments, **flags)
    except OnecardError as error:
        if debugging():
            raise
        return _ended(error.message, error.detail, error.exit_code, as_json=as_json)
    except KeyboardInterrupt:
        message = "interrupted; a running job on a box continues: run this again to see its result"
        return _ended(message, as_json=as_json)
    except BrokenPipeError:
        discard_output()
        return READER_GONE
    except Exception as error:
        if debugging():
            raise
        kind = type(error).__name__
        message = f"unexpected {kind}: {error}; run it with --debug to see where"
        return _ended(message, as_json=as_json)


def _ended(message: str, detail: str = "", code: int = 1, *, as_json: bool) -> int:
    """Print a task's error, as a JSON document too with --json; return the exit code."""
    show_error(message, detail)
    if as_json:
        print_json({"error": message, "exit_code": code})
    return code


def print_rows(rows: Iterable[tuple[str, object]]) -> None:
    """Print one line for each title and its text, in two columns."""
    shown = list(rows)
    width = max((len(title) for title, _ in shown), default=0)
    for title, text in shown:
        print(f"{title:<{width}}  {text}")
