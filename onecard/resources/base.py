"""The base of every resource: one thing on a box, with a desired and an actual state.

A state is a mapping of keys to plain values; ABSENT is the state of a thing that does not exist.
The diff of two states is a pure function, the same for every kind of resource, so a kind of
resource only defines the shell that prints the state (`probe`), how its output is parsed (`read`),
the desired state (`desired`) and the commands that fix given differences (`fix`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Protocol

from onecard.credentials.secret import Secret
from onecard.errors import ProbeError
from onecard.ssh.probe_batch import Answer

Value = str | int | bool | None
State = Mapping[str, Value]

ABSENT: State = MappingProxyType({})

# The exit code of a fix that did all that it can now and needs a reboot for the rest. Its last line
# of output is the reason. apt, dpkg and systemctl do not use this code.
NEEDS_REBOOT = 194


@dataclass(frozen=True)
class Difference:
    """One key that differs: its value on the box (None: absent) and its desired value."""

    key: str
    actual: Value
    desired: Value

    def __str__(self) -> str:
        before = "absent" if self.actual is None else self.actual
        return f"{self.key}: {before} -> {self.desired}"


Differences = Mapping[str, Difference]


def diff(desired: State, actual: State) -> dict[str, Difference]:
    """Return the keys of `desired` that have another value on the box; empty if none."""
    return {
        key: Difference(key, actual.get(key), value)
        for key, value in desired.items()
        if actual.get(key) != value
    }


@dataclass(frozen=True)
class Upload:
    """A file that the commands of a fix need on the box before they run.

    content: the bytes, the path of a file on this computer, or a secret.
    """

    path: str
    content: bytes | Path | Secret

    @property
    def payload(self) -> bytes | Path:
        """Return what is uploaded. Never log or show a secret's."""
        if isinstance(self.content, Secret):
            return self.content.reveal().encode()
        return self.content


class Batch(Protocol):
    """Reads many resources of one kind in one probe: a process for all of them, not for each.

    It is hashable; resources with equal batches are read together.
    """

    def probe(self, resources: Sequence[Resource], /) -> str:
        """Return read-only POSIX shell that prints what `split` parses."""

    def split(self, resources: Sequence[Resource], answer: Answer, /) -> Sequence[Answer]:
        """Return for each resource what its own probe would have printed.

        Raises ValueError or LookupError for an unexpected output.
        """


@dataclass(frozen=True)
class Resource(ABC):
    """One thing on a box.

    accepts: the exit codes of a valid probe, each with its meaning. Any other is an error.
    """

    accepts: ClassVar[Mapping[int, str]] = MappingProxyType({0: "answered"})

    @property
    @abstractmethod
    def name(self) -> str:
        """Return kind and identity, such as `file /etc/hosts`; unique within a plan."""

    @abstractmethod
    def probe(self) -> str:
        """Return read-only POSIX shell that prints what `read` parses."""

    @abstractmethod
    def read(self, answer: Answer) -> State:
        """Return the state in the output of an accepted probe."""

    @abstractmethod
    def desired(self) -> State:
        """Return the desired state."""

    @abstractmethod
    def fix(self, differences: Differences, actual: State) -> str:
        """Return shell that fixes exactly these differences; it runs under `set -e`.

        A last line `error: ...` is the user's message when it fails. It may leave with
        NEEDS_REBOOT, and tell how far it is with lines as engine/host_plan.py's
        read_progress takes them.
        """

    @property
    def batch(self) -> Batch | None:
        """Return what reads this resource together with others; None to read it by itself."""
        return None

    def uploads(self, differences: Differences, actual: State) -> tuple[Upload, ...]:
        """Return the files that `fix`, with the same arguments, needs on the box first."""
        return ()

    def understand(self, answer: Answer) -> State:
        """Return `read(answer)`. Raises ProbeError for an invalid exit code or output."""
        if answer.code not in self.accepts:
            raise ProbeError(
                f"{self.name}: the probe ended with exit code {answer.code}",
                detail=(answer.errors or answer.output)[-2000:],
            )
        try:
            return self.read(answer)
        except (ValueError, LookupError, ArithmeticError, TypeError) as error:
            raise ProbeError(
                f"{self.name}: the probe printed unexpected output", detail=answer.output[-2000:]
            ) from error

    def clean_up(self) -> str:
        """Return shell that removes what a failed fix leaves; empty for nothing."""
        return ""

    @property
    def needed_gib(self) -> float:
        """Return the approximate size on disk in GiB, 0 where unknown."""
        return 0

    def explain(self, differences: Differences, actual: State) -> tuple[str, ...]:
        """Return the lines that --diff shows beside the differing keys."""
        return ()

    def advice(self) -> str:
        """Return what to do when the fix failed; empty when there is nothing to add."""
        return ""

    def trouble(self, output: Sequence[str]) -> str:
        """Return the reason, and what to do, from a failed fix's last lines; empty if unknown."""
        return ""


def fields(output: str, separator: str = "=") -> dict[str, str]:
    """Return the `KEY=VALUE` lines of a probe's output as a mapping."""
    pairs = (line.partition(separator) for line in output.split("\n"))
    return {key.strip(): value.strip() for key, middle, value in pairs if middle}
