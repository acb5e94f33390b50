"""Flags that can be switched on and off, `--NAME` and `--no-NAME`, or be left to the settings.

Invoke gives a flag its `--no-` form only where the default is True, and then a flag that was not
given cannot be told from one that was.
"""

from __future__ import annotations

from typing import Any, Final

from invoke import Argument, Task

SWITCHES: Final = ("language_model_only", "enable_prefix_caching", "enforce_eager", "rollback")


class SwitchArgument(Argument):  # type: ignore[misc]  # Invoke ships no types that are followed
    """Has no value until it was given; it is then True or False."""

    @property
    def value(self) -> bool | None:
        """Return what was given, None when nothing was."""
        return self._value  # type: ignore[no-any-return]

    @value.setter
    def value(self, given: bool) -> None:
        self.set_value(given)


class SwitchTask(Task):  # type: ignore[misc]
    """A task whose flags in SWITCHES are switches."""

    def get_arguments(self, *arguments: Any, **options: Any) -> list[Argument]:
        """Return the task's flags."""
        return [
            SwitchArgument(
                names=flag.names, attr_name=flag.attr_name, kind=bool, default=True, help=flag.help
            )
            if flag.name in SWITCHES
            else flag
            for flag in super().get_arguments(*arguments, **options)
        ]
