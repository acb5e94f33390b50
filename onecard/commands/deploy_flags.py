"""The flags of `invoke deploy`, made from the settings: each of `serve`, and the model's."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from onecard.cli.setting_flags import setting_flags
from onecard.errors import UsageError

Task = TypeVar("Task", bound=Callable[..., Any])


def help_texts() -> dict[str, str]:
    """Return parameter of the task -> its help text."""
    return {name: flag.help for name, flag in setting_flags().items()}


def takes_settings(task: Task) -> Task:
    """Give a task a parameter for each setting, in place of its `**given`.

    Invoke makes the flags from the parameters; a switch is one that is annotated as `bool`.
    """
    signature = inspect.signature(task)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    made = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=bool if flag.is_switch else Any,
        )
        for name, flag in setting_flags().items()
    ]
    task.__signature__ = signature.replace(parameters=[*own, *made])  # type: ignore[attr-defined]
    return task


def flags(given: Mapping[str, Any]) -> dict[str, tuple[str, object]]:
    """Return `--flag` -> (path of the setting, its value, None when not given).

    given: the task's parameters; those that are not settings are left out.
    Raises UsageError for arguments whose quotes do not close.
    """
    found: dict[str, tuple[str, object]] = {}
    known = setting_flags()
    for name in filter(known.__contains__, given):
        option, value = known[name], given[name]
        flag = f"--{name.replace('_', '-')}"
        if option.is_list and value is not None:
            value = _split(flag, value)
        found[flag] = (option.path, value)
    return found


def _split(flag: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error} in {text}") from None


def words(flags: Mapping[str, tuple[str, object]]) -> tuple[str, ...]:
    """Return the flags that were given as the command line's words, one a flag: `--ctx=65536`."""
    return tuple(_word(flag, value) for flag, (_, value) in flags.items() if value is not None)


def _word(flag: str, value: object) -> str:
    if isinstance(value, bool):
        return flag if value else f"--no-{flag.removeprefix('--')}"
    return f"{flag}={shlex.join(value) if isinstance(value, list) else value}"
