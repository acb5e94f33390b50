"""OpenSSH's door: one login by the user's own ssh, which later commands and streams share.

The login is an ssh in the background that others speak to through a socket (ControlMaster), in a
folder of mode 0700. It ends with its last user, or when the box falls silent; or, if it persists
for the next command, some time after its last use.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from onecard.errors import RUN_AGAIN, UnreachableError
from onecard.ssh.openssh import client
from onecard.ssh.openssh.askpass import ask_environment
from onecard.ssh.openssh.control import Control
from onecard.ssh.openssh.proxy import failure, login_flags, proxy_argv
from onecard.ssh.openssh.route import Route

_ORPHANED = 30  # s that a login outlives us for, if we are killed
_NO_PIN = "incorrect passphrase supplied"  # ssh's message where it may not prompt for the PIN


class ProcessPipe:
    """A command on the box, at the other end of an ssh program; implements Pipe.

    lost: returns the error for a lost connection, None while it is open.
    """

    def __init__(self, argv: list[str], lost: Callable[[], UnreachableError | None]) -> None:
        self._lost = lost
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            env=client.environment(),
            start_new_session=True,  # Ctrl-C is ours
        )

    def write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._process.stdin.write(rest) :]
        except OSError as error:
            raise self._lost() or UnreachableError(f"the command ended; {RUN_AGAIN}") from error

    def read(self, timeout: float) -> bytes | None:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            return None
        data = os.read(self._process.stdout.fileno(), 65536)
        if not data and (error := self._lost()):
            raise error
        return data

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.terminate()
        self._process.wait()


class Stream:
    """A byte stream to a port of the box, through the login's local socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self.recv, self.sendall = self._socket.recv, self._socket.sendall

    def shutdown_write(self) -> None:
        """Signal the end of the data."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the stream."""
        self._socket.close()


class Master:
    """A login by ssh. name: the host, for messages.

    connect_timeout: in seconds; limits: ssh's interval and count for a box that falls silent.
    persistent: the socket of a login that outlives this object, by `persist` after its last use
        (ControlPersist).
    """

    def __init__(
        self,
        name: str,
        route: Route,
        known_hosts: Path,
        key_file: Path | None,
        *,
        connect_timeout: float,
        limits: tuple[int, int],
        persistent: Control | None = None,
        persist: str = f"{_ORPHANED}s",
    ) -> None:
        self._name = name
        self._route = route
        self._connect_timeout = connect_timeout
        interval, count = limits
        self._folder = Path(tempfile.mkdtemp(prefix="onecard-"))  # mode 0700
        self._persists = persistent is not None
        self._control, self._log = persistent or Control(self._folder / "s"), self._folder / "log"
        through = proxy_argv(route, connect_timeout, known_hosts, key_file) if route.via else []
        joined = shlex.join(through).replace("%", "%%")
        self._argv = [
            *client.argv(),
            *(["-o", f"ProxyCommand={joined}"] if through else []),
            *("-o", "ControlMaster=yes", "-o", f"ControlPath={self._control.socket}"),
            *(
                "-o",
                f"ControlPersist={persist}",
                "-o",
                f"ConnectTimeout={int(connect_timeout) or 1}",
            ),
            *("-o", f"ServerAliveInterval={interval}", "-o", f"ServerAliveCountMax={count}"),
            *login_flags(route, known_hosts, [key_file] if key_file else [], first=True),
        ]
        self._streams: dict[tuple[str, int], Path] = {}

    def log_in(self, secrets: Mapping[str, str]) -> None:
        """Log in; secrets: the answers to ssh's prompts (askpass.py), empty for none.

        Raises HostKeyError, AuthenticationError, UnreachableError.
        """
        self._log.unlink(missing_ok=True)
        extra = ask_environment(self._folder, secrets) if secrets else {}
        batch = ["-o", f"BatchMode={'no' if secrets else 'yes'}", "-o", "NumberOfPasswordPrompts=1"]
        argv = [*self._argv, *batch, "-N", "-T", "-f", "-E", str(self._log)]
        try:
            done = subprocess.run(
                [*argv, *self._route.wanted.flags, self._route.wanted.alias],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=client.environment(extra),
                start_new_session=True,
                timeout=4 * self._connect_timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                f"{self._name}: ssh had not logged in after {4 * self._connect_timeout:g} s; "
                f"`ssh -v {self._route.wanted.alias}` shows why"
            ) from None
        if done.returncode != 0 or not self.alive:
            raise failure(self._name, "ssh", self.log_text or f"ended with {done.returncode}")

    @property
    def log_text(self) -> str:
        """Return what ssh printed since the login began."""
        with suppress(OSError):
            return self._log.read_text(errors="replace").strip()
        return ""

    @property
    def needs_pin(self) -> bool:
        """Return whether a security key did not sign without its PIN."""
        return _NO_PIN in self.log_text

    @property
    def alive(self) -> bool:
        """Return whether the login is there."""
        return self._control.alive

    @property
    def silent(self) -> bool:
        """Return whether ssh gave up since the box did not answer."""
        return "not responding" in self.log_text and not self.alive

    def pipe(self, command: str, lost: Callable[[], UnreachableError | None]) -> ProcessPipe:
        """Start a command on the box."""
        return ProcessPipe(self._control.argv(["-T"], command), lost)

    def stream(self, port: int, address: str) -> Stream:
        """Open a byte stream to a port that the box reaches. Raises UnreachableError."""
        place = (address, port)
        if place not in self._streams:
            path = self._folder / f"f{len(self._streams)}"
            self._request("forward", *self._forward(place, path))
            self._streams[place] = path
        try:
            return Stream(self._streams[place])
        except OSError as error:
            raise UnreachableError(f"{self._name}: port {port}: {error.strerror}") from error

    def close(self) -> None:
        """End the login, or, if it persists, only what this object opened; remove the folder."""
        if self._persists:
            for place, path in self._streams.items():
                with suppress(UnreachableError):
                    self._request("cancel", *self._forward(place, path))
        else:
            self._control.end(self._connect_timeout)
        shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _forward(place: tuple[str, int], path: Path) -> tuple[str, str]:
        address, port = place
        return "-L", f"{path}:[{address}]:{port}"

    def _request(self, name: str, *flags: str) -> None:
        try:
            self._control.request(name, *flags, timeout=self._connect_timeout)
        except UnreachableError as error:
            raise UnreachableError(f"{self._name}: {error.message}") from error
