"""A login by ssh that others share: what is sent to it through its local socket (ControlPath)."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from onecard.errors import UnreachableError
from onecard.ssh.openssh import client

_MUX = ["ssh", "-F", os.devnull, "-o", "ProxyCommand=false", "-o", "LogLevel=ERROR"]
_NAME = "box"  # the sharing ssh needs a destination, and connects to none


@dataclass(frozen=True)
class Control:
    """The socket of a login."""

    socket: Path

    @property
    def alive(self) -> bool:
        """Return whether the login is there; one whose box is lost still is, for a while."""
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            return True
        return False

    def argv(self, flags: Sequence[str], *command: str) -> list[str]:
        """Return the ssh command that shares the login."""
        return [*_MUX, "-S", str(self.socket), *flags, _NAME, *command]

    def request(self, name: str, *flags: str, timeout: float) -> None:
        """Send a request, such as `exit`; wait at most `timeout` seconds.

        Raises UnreachableError where the login refuses it, or is gone.
        """
        try:
            done = subprocess.run(
                self.argv(["-O", name, *flags]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                env=client.environment(),
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnreachableError(f"ssh -O {name}: no answer for {timeout:g} s") from None
        if done.returncode != 0:
            raise UnreachableError(f"ssh -O {name}: {' '.join(done.stderr.split())}")

    def end(self, timeout: float) -> bool:
        """End the login, if it is there, and remove its socket; return whether it was there."""
        alive = self.alive
        if alive:
            with suppress(UnreachableError):
                self.request("exit", timeout=timeout)
        with suppress(OSError):
            self.socket.unlink()
        return alive
