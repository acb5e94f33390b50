"""The errors of onecard, one tree.

    OnecardError                 exit 1   anything below that has no code of its own
    ├── UsageError               exit 2   a flag, a file or a setting is wrong; nothing contacted
    ├── UnreachableError         exit 3   no connection to the box could be opened, or it was lost
    │   ├── HostKeyError                  the box's host key has changed, or is unknown
    │   └── AuthenticationError           the box answered and refused the login
    ├── ProbeError               exit 1   the box answered, but the answer cannot be parsed
    ├── BusyError                exit 1   another run holds the lock on the box
    ├── CommandError             exit 1   a command on the box failed
    ├── PreflightError           exit 1   the box cannot run what is requested; nothing changed
    ├── RebootNeededError        exit 1   the rest waits for a reboot that was not allowed
    ├── DriftError               exit 1   a second probe after the change still shows drift
    ├── UnhealthyError           exit 1   the server did not become ready, or is not
    └── SandboxError             exit 1   a sandbox box could not be created or removed

The user sees `message` in one line, then `detail` (the tail of a command's output) indented. A
traceback appears only under --debug.
"""

from __future__ import annotations

from dataclasses import dataclass

# What to do about a connection that was lost.
RUN_AGAIN = "check that the box is up, then run this again: it continues where the box is now"


@dataclass(frozen=True)
class FailedStep:
    """A change that failed on the box.

    name: role and resource. output: the end of its output. disks: the output of DISK_PROBE
    (ssh/disk_space.py) right after it, empty if not run. needed_gib: space needed, 0 if unknown.
    """

    name: str
    output: str
    disks: str = ""
    needed_gib: float = 0


class OnecardError(Exception):
    """Base of all expected failures.

    message: one line: what failed, where, and what to do.
    detail: further lines to show below it, such as the tail of a command's output.
    step: the change on the box that failed. timed_out: whether a command is still running.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        detail: str = "",
        *,
        step: FailedStep | None = None,
        timed_out: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.step = step
        self.timed_out = timed_out


class UsageError(OnecardError):
    """A flag, an inventory file or a setting is wrong. Raised before any connection is made."""

    exit_code = 2


class UnreachableError(OnecardError):
    """The box could not be reached, or the connection was lost."""

    exit_code = 3


class HostKeyError(UnreachableError):
    """The box showed a host key that is unknown or has changed."""


class AuthenticationError(UnreachableError):
    """The box refused every key and password offered."""


class ProbeError(OnecardError):
    """A probe's answer is missing or cannot be parsed."""


class BusyError(OnecardError):
    """Another run holds the lock on the box."""


class CommandError(OnecardError):
    """A command on the box exited with a code other than 0, or timed out."""


class PreflightError(OnecardError):
    """The box cannot run what is requested. Nothing was changed."""


class RebootNeededError(OnecardError):
    """Everything possible without a reboot is done; the rest needs one."""


class DriftError(OnecardError):
    """A resource still shows drift after its commands succeeded."""


class UnhealthyError(OnecardError):
    """The server did not become ready, or answers wrongly."""


class SandboxError(OnecardError):
    """A sandbox box could not be created, started or removed."""
