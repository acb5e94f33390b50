"""A flag that takes two values, `--compare A B`, for which Invoke has no kind.

Invoke's parser continues to take words for a flag as long as its `raw_value` is None, and reports a
flag without a `raw_value` at the end as one that needs a value.
"""

from __future__ import annotations

from typing import Any

from invoke import Argument, Task


class PairArgument(Argument):  # type: ignore[misc]  # Invoke ships no types that are followed
    """A flag whose value is a tuple of two texts, None until both are parsed."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._words: list[str] = []

    def __repr__(self) -> str:
        """Return the flag's name for Invoke's error."""
        given = f" (given: {self._words[0]})" if self._words else ""
        return f"--{self.name} A B{given}"

    def set_value(self, value: str, cast: bool = True) -> None:
        """Add one word."""
        self._words.append(value)
        if len(self._words) == 2:
            self.raw_value = tuple(self._words)
            self._value = self.raw_value


class CompareTask(Task):  # type: ignore[misc]
    """A task whose flag `compare` takes two values."""

    def get_arguments(self, *arguments: Any, **options: Any) -> list[Argument]:
        """Return the task's flags."""
        return [
            PairArgument(names=flag.names, kind=str, default=None, help=flag.help)
            if flag.name == "compare"
            else flag
            for flag in super().get_arguments(*arguments, **options)
        ]
