"""One root shell on the box for a whole run: scripts go in, framed output comes back.

A single remote `sh` stays open, so that every script after the first costs exactly one round trip,
and so that the lock taken by it lasts as long as it lives: the kernel gives the lock back when the
shell, and every job that it started, is gone. What goes over the pipe is `VERB LENGTH\\n` followed
by LENGTH bytes; what comes back is the script's output and then a line with a nonce and its exit
code. Knows nothing of SSH: it speaks through a `Pipe`.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from onecard.errors import AuthenticationError, BusyError, CommandError, UnreachableError
from onecard.secret import Secret

LOCK_FILE = "/run/lock/onecard.lock"
HOLDER_FILE = "/run/lock/onecard.holder"
_LONGEST_LOGIN = 60.0  # s, without what a person needs to type a password

# A lock whose holder's shell is gone is held by the job that it left behind: that is waited for.
# The password of sudo is asked for by name, so that a second question means that it was wrong.
# A script that ends early, or a file that cannot be written, leaves its rest in the pipe: `cat`
# reads it away, or it would be taken for the next request.
_BOOT = r"""
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
umask 022
echo "@nonce@ ready"
while IFS=' ' read -r verb length; do
  case $verb in
    run) head -c "$length" | { sh; code=$?; cat >/dev/null; exit "$code"; }; code=$? ;;
    lock)
      holder=$(head -c "$length")
      exec 9>>@lock@
      if ! flock -n 9; then
        if kill -0 "$(sed -n 2p @holder@)" 2>/dev/null; then
          head -n 1 @holder@; exec 9>&-; printf '\n%s 75\n' "@nonce@"; continue
        fi
        echo "@nonce@ waiting for $(head -n 1 @holder@)"
        until flock -w 60 9; do echo "@nonce@ waiting for $(head -n 1 @holder@)"; done
      fi
      printf '%s\n%s\n' "$holder" "$$" >@holder@; code=0 ;;
    put)
      IFS= read -r path
      # Nobody else may read it, not even for a moment: it may be a secret.
      head -c "$length" | { umask 077; cat >"$path"; code=$?; cat >/dev/null; exit "$code"; }
      code=$? ;;
    *) exit 64 ;;
  esac
  printf '\n%s %s\n' "@nonce@" "$code"
done
"""

_LOGIN = r"""
if [ "$(id -u)" -eq 0 ] || [ @become@ = no ]; then exec sh -c @boot@
elif ! command -v sudo >/dev/null 2>&1; then echo "@nonce@ no-sudo"
elif sudo -n true 2>/dev/null; then exec sudo -n sh -c @boot@
else exec sudo -S -p "@nonce@ password
" sh -c @boot@
fi
"""


class Pipe(Protocol):
    """A running remote command: bytes in, bytes out (standard error joined to standard output)."""

    def write(self, data: bytes) -> None:
        """Send all of `data`. Raises UnreachableError when the connection is lost."""

    def read(self, timeout: float) -> bytes | None:
        """Return some output, b"" at its end, None when nothing came within `timeout` seconds."""

    def close(self) -> None:
        """End the command's input and forget it."""


@dataclass(frozen=True)
class Result:
    """A script's output (standard error included) and its exit code."""

    output: str
    code: int


@dataclass(frozen=True)
class Request:
    """One thing for the shell to do.

    verb: `run` (payload: a script), `lock` (payload: who holds it) or `put` (payload: a file's
        content, or the file on this computer that holds it; written to `path`).
    """

    verb: str
    payload: bytes | Path
    path: str = ""

    @classmethod
    def run(cls, script: str) -> Request:
        """Ask the shell to run a script."""
        return cls("run", script.encode())

    def encode(self) -> Iterator[bytes]:
        """Yield the bytes that go over the pipe; a large file never lies in memory whole."""
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


def login_command(nonce: str, *, become: bool = True) -> str:
    """Return the command to start over SSH: the boot shell, as root if `become`."""
    boot = _BOOT.replace("@nonce@", nonce)
    boot = boot.replace("@lock@", LOCK_FILE).replace("@holder@", HOLDER_FILE)
    login = _LOGIN.replace("@nonce@", nonce).replace("@become@", "yes" if become else "no")
    return "exec sh -c " + shlex.quote(login.replace("@boot@", shlex.quote(boot)))


class Session:
    """The root shell's other end.

    ask_password: called once when sudo wants a password; None when nobody can be asked.
    on_wait: called with the holder of the lock while a job that it left behind is waited for.
    round_trips: how many times an answer was waited for since the login.
    """

    def __init__(
        self,
        open_pipe: Callable[[str], Pipe],
        *,
        become: bool = True,
        ask_password: Callable[[], Secret | None] | None = None,
        on_wait: Callable[[str], None] = lambda holder: None,
        command_timeout: float = 3600.0,
        idle_timeout: float = 900.0,
    ) -> None:
        self._on_wait = on_wait
        self._nonce = secrets.token_hex(8)
        self._command_timeout = command_timeout
        self._idle_timeout = idle_timeout
        self._buffer = b""
        self.round_trips = 0
        self._pipe = open_pipe(login_command(self._nonce, become=become))
        self._log_in(ask_password)

    def run(
        self,
        script: str,
        *,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> Result:
        """Run one script as root and return its output and exit code.

        on_line: called with each line of output as it comes; such output is not kept.
        timeout: seconds for the whole script; the connection's command_timeout if None.
        Raises CommandError past the timeout, UnreachableError when the connection is lost.
        """
        return self.ask([Request.run(script)], on_line=on_line, timeout=timeout)[0]

    def ask(
        self,
        requests: Sequence[Request],
        *,
        on_line: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> list[Result]:
        """Send several requests at once and return their results: one round trip in all.

        Raises BusyError, naming the holder, when a `lock` among them is held by another run.
        """
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

    def _log_in(self, ask_password: Callable[[], Secret | None] | None) -> None:
        asked = False
        seen: list[str] = []
        lines = self._login_lines()
        while (line := next(lines, None)) is not None:
            if line == f"{self._nonce} ready":
                return
            if line == f"{self._nonce} no-sudo":
                raise AuthenticationError(
                    "the login is not root and the box has no sudo: log in as root (user: root)"
                )
            if line.endswith(f"{self._nonce} password"):
                password = None if asked or ask_password is None else ask_password()
                if password is None:
                    raise AuthenticationError(
                        "sudo did not accept the password"
                        if asked
                        else "sudo wants a password: set ONECARD_SUDO_PASSWORD or run on a terminal"
                    )
                asked = True
                self._pipe.write(password.reveal().encode() + b"\n")
                lines = self._login_lines()
                continue
            seen.append(line)
        detail = "\n".join(seen[-10:])
        if "not in the sudoers" in detail or "not allowed" in detail:
            raise AuthenticationError("this login may not use sudo on the box", detail)
        raise UnreachableError("the box's shell ended before it was ready", detail)

    def _login_lines(self) -> Iterator[str]:
        """Yield the login's lines; a box that hangs, as one that boots may, is unreachable."""
        try:
            yield from self._lines(_LONGEST_LOGIN)
        except CommandError:
            raise UnreachableError(
                f"the box's shell was not ready within {_LONGEST_LOGIN:.0f} s"
            ) from None

    def _answer(self, on_line: Callable[[str], None] | None, timeout: float | None) -> Result:
        kept: list[str] = []
        for line in self._lines(timeout or self._command_timeout):
            if line.startswith(f"{self._nonce} waiting for "):
                self._on_wait(line.partition(" waiting for ")[2])
                continue
            if line.startswith(self._nonce + " "):
                if kept and kept[-1] == "":  # the frame's own leading newline
                    kept.pop()
                return Result("\n".join(kept), int(line.split(" ")[1]))
            if on_line is None:
                kept.append(line)
            elif line:
                on_line(line)
        raise UnreachableError("the connection to the box was lost while a script was running")

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
            elif chunk == b"":
                if self._buffer:
                    yield self._buffer.decode("utf-8", "replace")
                    self._buffer = b""
                return
            if now > deadline:
                raise CommandError(f"no end after {timeout:.0f} s (command_timeout): given up")
            if now - last > self._idle_timeout:
                raise CommandError(
                    f"no output for {self._idle_timeout:.0f} s (idle_timeout): given up"
                )
