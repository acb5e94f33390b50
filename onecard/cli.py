"""What every task shares: exit codes, one line for an error, which host, JSON or a table.

Imported by tasks.py for `invoke --list` too, so nothing heavy is imported at the top.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Exit
from invoke.parser import parser as invoke_parser

from onecard.errors import OnecardError, UsageError
from onecard.places import PROJECT, inventory_folder
from onecard.signals import ended_like_ctrl_c

if TYPE_CHECKING:
    from onecard.host import Host
    from onecard.inventory import Inventory

# Invoke leaves with 1 for a flag that it does not know; here 1 means that the work failed and 2
# that the command line is wrong. Its parser raises by this name.
invoke_parser.ParseError = lambda message, context=None: Exit(message=message, code=2)


def task_body(function: Callable[..., int | None]) -> Callable[..., None]:
    """Turn what a task's function returns or raises into an exit code and one line of error.

    A returned number other than 0 is the exit code. A traceback is shown only under --debug. What
    ends a task that was asked for JSON is a document too.
    """

    @functools.wraps(function)
    def run(*arguments: Any, **flags: Any) -> None:
        as_json = bool(flags.get("json"))
        try:
            with ended_like_ctrl_c():
                code = function(*arguments, **flags)
        except OnecardError as error:
            if debugging():
                raise
            code = _ended(error.message, error.detail, error.exit_code, as_json=as_json)
        except KeyboardInterrupt:
            message = "interrupted; a job on a box goes on to its end: run this again to see"
            code = _ended(message, as_json=as_json)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 1
        except Exception as error:
            if debugging():
                raise
            kind = type(error).__name__
            message = f"unexpected {kind}: {error}; run it with --debug to see where"
            code = _ended(message, as_json=as_json)
        if code:
            raise Exit(code=code)

    return run


def _ended(message: str, detail: str = "", code: int = 1, *, as_json: bool) -> int:
    """Say why a task ended, as a document too if it was asked for one; return the exit code."""
    show_error(message, detail)
    if as_json:
        print_json({"error": message, "exit_code": code})
    return code


def debugging() -> bool:
    """Tell whether --debug was given, before or behind the task."""
    return "--debug" in sys.argv


def show_error(message: str, detail: str = "") -> None:
    """Print one line, and the detail indented below it, on standard error."""
    print(f"error: {message}", file=sys.stderr)
    for line in detail.splitlines():
        print(f"    {line}", file=sys.stderr)


def print_json(value: object) -> None:
    """Print the one JSON document that --json promises."""
    json.dump(value, sys.stdout, indent=2)
    print(flush=True)  # a task that goes on after it has a reader who waits


def known_hosts() -> Path:
    """Return the project's file of host keys."""
    return inventory_folder() / "known_hosts"


def load_inventory() -> Inventory:
    """Return the inventory. Raises UsageError."""
    from onecard.inventory import load

    return load(inventory_folder())


def chosen_hosts(requested: str | None) -> tuple[Host, ...]:
    """Return the hosts that a task is for, each with its lock.

    Says on standard error which they are and why. Raises UsageError.
    """
    from onecard.locks.store import with_lock
    from onecard.selection import read_pin, select

    selection = select(load_inventory(), requested or None, os.environ, read_pin(PROJECT))
    names = ", ".join(host.name for host in selection.hosts)
    print(f"host: {names} ({selection.reason})", file=sys.stderr)
    return tuple(with_lock(host, inventory_folder()) for host in selection.hosts)


def chosen_host(requested: str | None) -> Host:
    """Return the one host that a task is for. Raises UsageError for several."""
    hosts = chosen_hosts(requested)
    if len(hosts) != 1:
        names = ", ".join(host.name for host in hosts)
        raise UsageError(f"--host: this works on one host at a time, not on {names}")
    return hosts[0]


def with_flags(host: Host, flags: Mapping[str, tuple[str, object]]) -> Host:
    """Return the host with flags put over its settings.

    flags: `--ctx` -> (path of the setting, what was given, None when not given); text is read as
    YAML reads it.
    Raises UsageError naming the flag.
    """
    from onecard.override import override

    values: dict[str, object] = {}
    origins = {}
    for flag, (path, given) in flags.items():
        if given is not None:
            values[path] = flag_value(flag, given) if isinstance(given, str) else given
            origins[path] = flag
    return override(host, values, origins) if values else host


def flag_value(flag: str, text: str) -> object:
    """Return what a flag's text means: a number, a mapping, or the text itself.

    A number in quotes of its own, `'"123"'` for a shell, is text, as it is in a file.
    """
    import yaml

    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    if text[:1] not in ("{", "[", '"', "'"):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"{flag}: {text} is neither JSON nor YAML") from None


def positive(flag: str, text: str) -> int:
    """Return a flag's whole number. Raises UsageError naming the flag."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise UsageError(f'{flag}: "{text}" is not a whole number of at least 1')
    return number


def numbers(flag: str, text: str) -> tuple[int, ...]:
    """Return a flag's whole numbers, separated by commas, each once. Raises UsageError."""
    return tuple(dict.fromkeys(positive(flag, part.strip()) for part in text.split(",")))
