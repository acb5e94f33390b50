"""The one error tree.

    OnecardError                 exit 1   anything below that has no code of its own
    ├── UsageError               exit 2   a flag, a file or a setting is wrong; nothing contacted
    ├── UnreachableError         exit 3   no conversation with the box could be started or kept up
    │   ├── HostKeyError                  the box is not who it was, or not vouched for yet
    │   └── AuthenticationError           the box answered and refused us
    ├── ProbeError               exit 1   the box answered, but not what the question allows
    ├── BusyError                exit 1   another run holds the lock on the box
    ├── CommandError             exit 1   a command on the box failed
    ├── PreflightError           exit 1   the box cannot carry what is asked; nothing was changed
    ├── RebootNeededError        exit 1   the rest waits for a reboot that nobody allowed
    ├── DriftError               exit 1   looked again after mending, and it was not mended
    ├── UnhealthyError           exit 1   the server did not become, or is not, ready
    └── SandboxError             exit 1   a sandbox box could not be made or removed

The user sees `message` in one line, then `detail` (the tail of a command's output) indented. A
traceback appears only under --debug.
"""

from __future__ import annotations


class OnecardError(Exception):
    """What every deliberate failure is.

    message: one line, what is wrong, where, and what to do.
    detail: further lines to show below it, such as the tail of a command's output.
    """

    exit_code = 1

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


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
    """A probe's answer is missing or is none that the probe accepts."""


class BusyError(OnecardError):
    """Another run holds the lock on the box."""


class CommandError(OnecardError):
    """A command on the box exited with a code other than 0, or ran past its time."""


class PreflightError(OnecardError):
    """The box cannot carry what is asked. Nothing was changed."""


class RebootNeededError(OnecardError):
    """All that can be done without a reboot is done; the rest waits for one."""


class DriftError(OnecardError):
    """A resource still differs after its commands succeeded."""


class UnhealthyError(OnecardError):
    """The server did not become ready, or answers wrongly."""


class SandboxError(OnecardError):
    """A sandbox box could not be made, started or removed."""
