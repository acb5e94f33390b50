"""Flags that every command takes: `--inventory`, `--limit` and `-e`/`--set`, for one run.

They are not parameters of the tasks: `chosen_hosts` is where they count.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import invoke
from invoke import Argument, Task

from onecard.project import INVENTORY_VARIABLE

_INVENTORY: Final = "folder or file of hosts (default: ONECARD_INVENTORY, or inventory/)"
_LIMIT: Final = "only those of the hosts that match: NAME, GROUP, '!NAME', @failed"
_SET: Final = "a setting for this run alone, KEY.PATH=VALUE; may be repeated"


@dataclass(frozen=True)
class RunFlags:
    """limit: a pattern of hosts. settings: `key.path=value`, as given."""

    limit: str = ""
    settings: tuple[str, ...] = ()


_CURRENT: ContextVar[RunFlags] = ContextVar("run flags", default=RunFlags())  # noqa: B039


def current() -> RunFlags:
    """Return the flags of this run."""
    return _CURRENT.get()


@contextmanager
def taken_from(flags: dict[str, Any]) -> Iterator[None]:
    """Take these flags out of a task's, and let them count while entered."""
    token = _CURRENT.set(
        RunFlags(flags.pop("limit", None) or "", tuple(flags.pop("set", None) or ()))
    )
    before = os.environ.get(INVENTORY_VARIABLE)
    inventory = flags.pop("inventory", None)
    if inventory:
        os.environ[INVENTORY_VARIABLE] = str(Path(inventory).expanduser().absolute())
    try:
        yield
    finally:
        _CURRENT.reset(token)
        if inventory and before is None:
            del os.environ[INVENTORY_VARIABLE]
        elif inventory:
            os.environ[INVENTORY_VARIABLE] = str(before)


class _WithRunFlags(Task):  # type: ignore[misc]  # Invoke ships no types that are followed
    """A task that has these flags beside its own; those for hosts where it has `--host`."""

    def __init__(self, *arguments: Any, takes_hosts: bool = True, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.takes_hosts = takes_hosts

    def get_arguments(self, *arguments: Any, **options: Any) -> list[Argument]:
        """Return the task's flags."""
        flags: list[Argument] = super().get_arguments(*arguments, **options)
        for flag in flags:  # Invoke gives letters away; this one is Ansible's for variables
            flag.names = tuple(name for name in flag.names if name != "e")
        flags.append(Argument(names=("inventory",), kind=str, help=_INVENTORY))
        has_host = "host" in inspect.signature(self.body).parameters
        if self.takes_hosts and has_host and "host" not in self.positional:
            flags.append(Argument(names=("limit",), kind=str, help=_LIMIT))
            settings = Argument(names=("set", "e"), kind=list, help=_SET)
            settings.raw_value = None  # so that Invoke refuses the flag without a value
            flags.append(settings)
        return flags


def task(*, klass: type[Task] = Task, **options: Any) -> Any:
    """Make a task of a function, as Invoke's decorator does, with the flags of every run.

    takes_hosts: False where `--host` names records, not hosts to work on.
    """
    kind = type(klass.__name__, (_WithRunFlags, klass), {})
    return invoke.task(klass=kind, **options)


def given_settings() -> Mapping[str, object] | None:
    """Return the values of `--set` as one block of variables, None without any."""
    words = current().settings
    if not words:
        return None
    from onecard.cli.set_flag import read_settings

    return read_settings(words)
