r"""One root shell on the box for a whole run: scripts go in, framed output comes back.

A single remote `sh` stays open, so that every script after the first costs exactly one round trip,
and so that its lock lasts as long as it runs: the kernel releases the lock when the shell, and
every job that it started, has ended. What goes over the pipe is `VERB LENGTH\n` followed
by LENGTH bytes; what comes back is the script's output and then a line with a nonce and its exit
code. It does not depend on SSH: it uses a `Pipe`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onecard.credentials.secret import Secret
from onecard.errors import RUN_AGAIN, AuthenticationError, BusyError, CommandError, UnreachableError
from onecard.ssh.boot import login_command, no_shell
from onecard.ssh.door import Pipe

_LONGEST_LOGIN = 60.0  # s, not counting the time to type a password
_NO_PASSWORD = ("L", "LK", "NP")  # passwd(1): an account that is locked, or without a password
_SH_STARTS = 10.0  # s for the login shell to come to our command
_LONGEST = 64 << 20  # bytes of one script's output that are kept
_TOO_LONG = f"the box sent more than {_LONGEST >> 20} MiB for one answer: given up"


@dataclass(frozen=True)
class Result:
    """A script's output (standard error included) and its exit code."""

    output: str
    code: int


@dataclass(frozen=True)
class Request:
    """One thing for the shell to do.

    verb: `run` (payload: a script), `lock` (payload: the holder's name) or `put` (payload: a file's
        content, or the file on this computer that holds it; written to `path`).
    """

    verb: str
    payload: bytes | Path
    path: str = ""

    @classmethod
    def run(cls, script: str) -> Request:
        """Return the request to run a script."""
        return cls("run", script.encode())

    def encode(self) -> Iterator[bytes]:
        """Yield the bytes to send; a large file is read in chunks."""
        size = len(self.payload) if isinstance(self.payload, bytes) else self.payload.stat().st_size
        head = f"{self.verb} {size}\n"
        if self.verb == "put":
            head += f"{self.path}\n"
        if isinstance(self.payload, bytes):
            yield head.encode() + self.payload
            return
        yield head.encode()
        with self.payload.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                yield chunk


def encoded(requests: Iterable[Request]) -> bytes:
    """Return the bytes of several requests."""
    return b"".join(data for request in requests for data in request.encode())


def new_nonce() -> str:
    """Return the text that marks a session's own lines: nothing on the box can guess it."""
    return secrets.token_hex(8)


class Session:
    """A client of the root shell on the box.

    nonce: of the login command, where that was sent with the login; empty for a new one.
    first: the requests that `send` is expected to be called with first. They go with the login
        command, and must hold nothing secret: a box shows commands to all its accounts.
    host: the box's name in messages.
    prompt_password: called once when sudo needs a password; returns None if it cannot prompt.
    on_wait: called with the lock's holder while waiting for a job that it left running.
    round_trips: number of requests sent and answered since the login.
    """

    def __init__(
        self,
        open_pipe: Callable[[str], Pipe],
        *,
        nonce: str = "",
        first: Sequence[Request] = (),
        host: str = "the box",
        become: bool = True,
        prompt_password: Callable[[], Secret | None] | None = None,
        on_wait: Callable[[str], None] = lambda holder: None,
        command_timeout: float = 3600.0,
        idle_timeout: float = 900.0,
    ) -> None:
        self._host = host
        self._on_wait = on_wait
        self._nonce = nonce or new_nonce()
        self._command_timeout = command_timeout
        self._idle_timeout = idle_timeout
        self._buffer = b""
        self.round_trips = 0
        self._unanswered = tuple(first)  # that went with the login command
        self._printed: list[str] = []  # by the login shell, before sh
        self._start(open_pipe, become=become)
        self._log_in(prompt_password)

    def run(
        self,
        script: str,
        *,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Run one script as root and return its output and exit code.

        on_line: called with each line of output as it comes; such output is not returned.
        timeout: seconds for the whole script; the connection's command_timeout if None.
        Raises CommandError past the timeout, UnreachableError when the connection is lost.
        """
        return self.send([Request.run(script)], on_line=on_line, timeout=timeout)[0]

    def send(
        self,
        requests: Sequence[Request],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> list[Result]:
        """Send several requests at once and return their results, in one round trip.

        Raises BusyError, naming the holder, when a `lock` among them is held by another run.
        """
        early, self._unanswered = self._unanswered, ()
        if early != tuple(requests):
            for _ in early:
                self._answer(None, timeout)
            for request in requests:
                for data in request.encode():
                    self._pipe.write(data)
        self.round_trips += 1
        results = [self._answer(on_line, timeout) for _ in requests]
        for request, result in zip(requests, results, strict=True):
            if request.verb == "lock" and result.code != 0:
                holder = result.output.strip() or "an unknown run"
                raise BusyError(f"the box is locked by {holder}; wait for it, then run this again")
            if request.verb == "put" and result.code != 0:
                raise CommandError(f"could not write {request.path}", result.output)
        return results

    def close(self) -> None:
        """End the shell; the box's kernel releases its lock."""
        self._pipe.close()

    def _start(self, open_pipe: Callable[[str], Pipe], *, become: bool) -> None:
        """Run the login command, and wait until it says that sh has started.

        A login shell that waits instead may be another one, which a start-up file ran with `exec`
        and which reads commands from its input, or a start-up file that reads a line: it is given
        the command there.
        Raises UnreachableError where sh does not start.
        """
        command = login_command(self._nonce, become=become)
        self._pipe = self._open(open_pipe, command, become=become)
        if self._sh_starts(_SH_STARTS):
            return
        self._unanswered = ()
        self._pipe.close()
        self._buffer = b""
        self._pipe = open_pipe(login_command(self._nonce, become=become, discard=True))
        self._pipe.write(command.encode() + b"\n")
        if not self._sh_starts(_LONGEST_LOGIN - 2 * _SH_STARTS):
            raise UnreachableError(no_shell(self._host, self._printed, ended=False))

    def _open(self, open_pipe: Callable[[str], Pipe], command: str, *, become: bool) -> Pipe:
        """Start the login command; without the first requests where it is too long with them."""
        if self._unanswered:
            with suppress(UnreachableError):  # a small server takes no long command
                first = encoded(self._unanswered)
                return open_pipe(login_command(self._nonce, become=become, first=first))
        self._unanswered = ()
        return open_pipe(command)

    def _sh_starts(self, timeout: float) -> bool:
        self._printed = []
        try:
            for line in self._lines(timeout):
                if line.endswith(f"{self._nonce} sh"):
                    return True
                if line.endswith(f"{self._nonce} discards"):
                    self._pipe.write(f"{self._nonce}\n".encode())
                    return True
                self._printed.append(line)
        except CommandError:
            return False
        raise UnreachableError(no_shell(self._host, self._printed, ended=True))

    def _log_in(self, prompt_password: Callable[[], Secret | None] | None) -> None:
        prompted = False
        user = status = ""
        other: list[str] = []
        lines = self._login_lines()
        while (line := next(lines, None)) is not None:
            event = line.partition(f"{self._nonce} ")[2]
            if event == "ready":
                self._unanswered = ()
                return
            if event == "ready first":
                return
            if event == "no-sudo":
                raise AuthenticationError(
                    "the login is not root and the box has no sudo: log in as root (user: root)"
                )
            if event == "no-tty":
                raise AuthenticationError(
                    f"sudo on {self._host} wants a terminal (requiretty in sudoers), and a command "
                    f"over SSH has none: add `Defaults:{user} !requiretty` with visudo, or log in "
                    "as root (user: root)"
                )
            if event == "not-allowed":
                raise AuthenticationError(self._not_allowed(user))
            if event.startswith("user "):
                user, _, status = event.removeprefix("user ").partition(" ")
            elif event == "password":
                password = None if prompted or prompt_password is None else prompt_password()
                if password is None:
                    raise AuthenticationError(self._no_password(user, status, prompted=prompted))
                prompted = True
                self._pipe.write(password.reveal().encode() + b"\n")
                lines = self._login_lines()
            else:
                other.append(line)
        refusal = [line for line in other if "not in the sudoers" in line or "not allowed" in line]
        if refusal:  # alone: the lines after it belong to the command that sudo quotes
            raise AuthenticationError(self._not_allowed(user), refusal[0])
        raise UnreachableError("the box's shell ended before it was ready", "\n".join(other[-10:]))

    def _not_allowed(self, user: str, reason: str = "") -> str:
        return (
            f"user {user} may not use sudo on {self._host}{reason}: log in as root (user: root), "
            f"or allow it with visudo: {user} ALL=(ALL) NOPASSWD: ALL"
        )

    def _no_password(self, user: str, status: str, *, prompted: bool) -> str:
        if prompted:
            return "sudo did not accept the password"
        if status in _NO_PASSWORD:
            return self._not_allowed(user, ", which wants a password, and this account has none")
        return "sudo wants a password: set ONECARD_SUDO_PASSWORD or run on a terminal"

    def _login_lines(self) -> Iterator[str]:
        """Yield the login's lines. Raises UnreachableError for a box that hangs."""
        try:
            yield from self._lines(_LONGEST_LOGIN)
        except CommandError:
            raise UnreachableError(
                f"the box's shell was not ready within {_LONGEST_LOGIN:.0f} s"
            ) from None

    def _answer(self, on_line: Callable[[str], None] | None, timeout: float | None) -> Result:
        output: list[str] = []
        size = 0
        for line in self._lines(timeout or self._command_timeout):
            if line.startswith(f"{self._nonce} waiting for "):
                self._on_wait(line.partition(" waiting for ")[2])
                continue
            if line.startswith(self._nonce + " "):
                if output and output[-1] == "":  # the frame's own leading newline
                    output.pop()
                return Result("\n".join(output), int(line.split(" ")[1]))
            if on_line is None:
                size += len(line)
                if size > _LONGEST:
                    raise CommandError(_TOO_LONG)
                output.append(line)
            elif line:
                on_line(line)
        raise UnreachableError(
            f"the connection to the box was lost while a script was running; {RUN_AGAIN}"
        )

    def _lines(self, timeout: float) -> Iterator[str]:
        """Yield whole lines until the pipe ends; raise CommandError past a deadline."""
        deadline = time.monotonic() + timeout
        last = time.monotonic()
        while True:
            while b"\n" in self._buffer:
                line, self._buffer = self._buffer.split(b"\n", 1)
                yield line.decode("utf-8", "replace").rstrip("\r")
            chunk = self._pipe.read(1.0)
            now = time.monotonic()
            if chunk:
                self._buffer += chunk
                last = now
                if len(self._buffer) > _LONGEST:
                    raise CommandError(_TOO_LONG)
            elif chunk == b"":
                if self._buffer:
                    yield self._buffer.decode("utf-8", "replace")
                    self._buffer = b""
                return
            if now > deadline:
                raise CommandError(
                    f"no end after {timeout:.0f} s (command_timeout): given up", timed_out=True
                )
            if now - last > self._idle_timeout:
                raise CommandError(
                    f"no output for {self._idle_timeout:.0f} s (idle_timeout): given up",
                    timed_out=True,
                )
