"""What every resource is: one thing on a box, with a desired and an actual state.

A state is a mapping of keys to plain values; a thing that is not there has the state ABSENT. The
difference of two states is a pure function, the same for every kind of resource, so a kind of
resource only says how to ask (`probe`), how to understand the answer (`read`), what it wants
(`desired`) and which commands mend given differences (`fix`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from onecard.errors import ProbeError
from onecard.script import Answer
from onecard.secret import Secret

Value = str | int | bool | None
State = Mapping[str, Value]

ABSENT: State = MappingProxyType({})

# The exit code by which the commands of a fix say: all that can be done now is done, a reboot does
# the rest. Their last line of output is the reason. It is no code of apt, dpkg or systemctl.
NEEDS_REBOOT = 194


@dataclass(frozen=True)
class Difference:
    """One key that differs: what it is on the box (None: not there) and what it should be."""

    key: str
    actual: Value
    desired: Value

    def __str__(self) -> str:
        before = "absent" if self.actual is None else self.actual
        return f"{self.key}: {before} -> {self.desired}"


Differences = Mapping[str, Difference]


def diff(desired: State, actual: State) -> dict[str, Difference]:
    """Return the keys of `desired` whose value on the box is another. Empty means in order."""
    return {
        key: Difference(key, actual.get(key), value)
        for key, value in desired.items()
        if actual.get(key) != value
    }


@dataclass(frozen=True)
class Upload:
    """A file to have on the box before the commands of a fix run.

    content: the bytes themselves, a file on this computer that holds them, or a secret.
    """

    path: str
    content: bytes | Path | Secret

    @property
    def payload(self) -> bytes | Path:
        """Return what is sent. Never log or show that of a secret."""
        if isinstance(self.content, Secret):
            return self.content.reveal().encode()
        return self.content


@dataclass(frozen=True)
class Resource(ABC):
    """One thing on a box.

    accepts: the exit codes that a probe may give, each with what it means. Any other is an error,
        never an answer.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType({0: "answered"})

    @property
    @abstractmethod
    def name(self) -> str:
        """Return kind and identity, such as `file /etc/hosts`; unique within a plan."""

    @abstractmethod
    def probe(self) -> str:
        """Return read-only POSIX shell that prints what `read` understands."""

    @abstractmethod
    def read(self, answer: Answer) -> State:
        """Return the state that an accepted answer tells."""

    @abstractmethod
    def desired(self) -> State:
        """Return the state that the thing should have."""

    @abstractmethod
    def fix(self, differences: Differences, actual: State) -> str:
        """Return shell that mends exactly these differences; it runs under `set -e`.

        A last line `error: ...` is what the user is told when it fails. It may leave with
        NEEDS_REBOOT, and tell how far it is with lines as read_progress (plan.py) takes them.
        """

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        """Return the files that `fix`, given the same, wants on the box first."""
        return ()

    def understand(self, answer: Answer) -> State:
        """Return `read(answer)`, after refusing an exit code that the probe does not allow."""
        if answer.code not in self.accepts:
            raise ProbeError(
                f"{self.name}: the probe ended with exit code {answer.code}",
                detail=(answer.errors or answer.output)[-2000:],
            )
        return self.read(answer)

    def explain(self, differences: Differences, actual: State) -> tuple[str, ...]:
        """Return the lines that --diff shows beside the differing keys."""
        return ()

    def advice(self) -> str:
        """Return what to do when mending did not help; empty when there is nothing to add."""
        return ""

    def trouble(self, output: Sequence[str]) -> str:
        """Return the one reason, with its fix, in a failed fix's last lines; empty for none."""
        return ""


def fields(output: str, separator: str = "=") -> dict[str, str]:
    """Return the `KEY=VALUE` lines of a probe's output as a mapping."""
    pairs = (line.partition(separator) for line in output.splitlines())
    return {key.strip(): value.strip() for key, middle, value in pairs if middle}
