"""The way to a host through another program: jump hosts through `ssh -W`, and ProxyCommand.

OpenSSH logs in to the hops, so they have their own keys, agents, certificates, host-key rules and
order. The program's standard input and output are a socket that the connection runs over.
"""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from onecard.errors import AuthenticationError, HostKeyError, OnecardError, UnreachableError
from onecard.ssh.openssh import client
from onecard.ssh.openssh.identities import TokenError, existing, expand
from onecard.ssh.openssh.route import Route

_LONGEST_END = 2.0  # s for a program to end after its connection is closed
# An open master connection of the user's (ControlPath) is used, none is opened.
_CONNECTION_ALONE = (
    "ControlMaster=no", "ClearAllForwardings=yes", "ForwardAgent=no", "ForwardX11=no",
    "PermitLocalCommand=no", "RemoteCommand=none", "RequestTTY=no",
)  # fmt: skip
# What an ssh says about its connection when the one that it goes through has ended.
_NOISE = (
    "Warning: Permanently added", "Pseudo-terminal", "debug", "Killed by signal",
    "Connection closed by UNKNOWN", "kex_exchange_identification",
)  # fmt: skip
_REFUSALS = ("Permission denied", "Too many authentication failures")


def proxy_argv(
    route: Route, connect_timeout: float, known_hosts: Path, key_file: Path | None
) -> list[str]:
    """Return the command whose standard input and output lead to the route's host.

    Empty for a host that is reached directly. connect_timeout: seconds for each hop.
    known_hosts: the project's own. key_file: the host's own, offered to a hop after its own keys.
    """
    if route.via:
        target = (route.address, route.port)
        return _through(route.via[-1], target, connect_timeout, known_hosts, key_file)
    if route.proxy_command:
        return ["sh", "-c", f"exec {expand(route.proxy_command, route)}"]
    return []


def _through(
    hop: Route,
    target: tuple[str, int],
    connect_timeout: float,
    known_hosts: Path,
    key_file: Path | None,
) -> list[str]:
    argv = client.argv()
    if hop.via:
        inner = _through(
            hop.via[-1], (hop.address, hop.port), connect_timeout, known_hosts, key_file
        )
        argv += ["-o", "ProxyCommand=" + shlex.join(inner).replace("%", "%%")]
    argv += login_flags(hop, known_hosts, [key_file] if key_file else [], first=False)
    # Its own limit ends before ours, so that it can say which hop does not answer.
    argv += ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={max(1, int(connect_timeout) - 1)}"]
    address, port = target
    return [*argv, "-T", "-W", f"[{address}]:{port}", *hop.wanted.flags, hop.wanted.alias]


def login_flags(route: Route, known_hosts: Path, keys: Sequence[Path], *, first: bool) -> list[str]:
    """Return ssh's flags for what is the project's own: its known_hosts, and further keys.

    first: offer these keys before the user's own. Nothing is ever forwarded or run on the side.
    """
    own = route.one("userknownhostsfile").split()
    files = " ".join(_quoted(path) for path in (str(known_hosts.resolve()), *own))
    flags = ["-o", f"UserKnownHostsFile={files}"]
    with suppress(TokenError):
        # A key that is named takes the place of ssh's defaults: name those too.
        others = existing(route)
        for path in [*keys, *others] if first else [*others, *keys]:
            flags += ["-o", f"IdentityFile={_quoted(str(path))}"] if keys else []
    strict = route.one("stricthostkeychecking")
    flags += ["-o", "StrictHostKeyChecking=yes"] if strict in ("ask", "") else []
    for option in _CONNECTION_ALONE:
        flags += ["-o", option]
    return flags


def _quoted(path: str) -> str:
    """Return a path as an option's value: blanks and the sign of tokens are its own."""
    path = path.replace("%", "%%")
    return f'"{path}"' if " " in path else path


class ProxySocket:
    """A socket to a program that leads to the host; a real one, with its timeouts."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._near, far = socket.socketpair()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # it lives as long as the program
        try:
            # A session of its own: no prompt on our terminal, and Ctrl-C is ours.
            self._process = subprocess.Popen(
                argv,
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=self._errors,
                env=client.environment(),
                start_new_session=True,
            )
        except BaseException:
            self._near.close()
            raise
        finally:
            far.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._near, name)

    def close(self) -> None:
        """Close the connection and end the program."""
        self._near.close()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(_LONGEST_END)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def error_output(self) -> str:
        """Return what a program that ended printed on standard error; "" while it runs."""
        deadline = time.monotonic() + 1.0  # it may be about to end
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._process.poll() is None:
            return ""
        self._errors.seek(0)
        text = self._errors.read(65536).decode("utf-8", "replace")
        return text.strip() or f"it ended with exit code {self._process.returncode}"


def failure(name: str, where: str, text: str) -> OnecardError:
    """Return the error for what an ssh program printed before it ended.

    name: the host. where: what failed, such as `the jump host ann@gate`.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith((*_NOISE, "@@@"))] or lines
    if "IDENTIFICATION HAS CHANGED" in text:
        return HostKeyError(
            f"{name}: {where}: the host key has changed; if the machine was rebuilt, remove the "
            "old key from known_hosts",
            "\n".join(lines),
        )
    if "Host key verification failed" in text:
        return HostKeyError(
            f"{name}: {where}: {lines[0].rstrip('.')}; compare its fingerprint with what its owner "
            f"shows, then: invoke trust --host {name}",
            "\n".join(lines[1:]),
        )
    if refused := [line for line in lines if any(each in line for each in _REFUSALS)]:
        return AuthenticationError(
            f"{name}: {where} refused the login: {refused[0]} load its key with ssh-add"
        )
    return UnreachableError(f"{name}: {where}: {'; '.join(lines[-2:])}")


def described(route: Route) -> str:
    """Return what leads to the route's host, in words."""
    if route.via:
        logins = " and ".join(hop.login for hop in route.via)
        return f"the jump host{'' if len(route.via) == 1 else 's'} {logins}"
    return f"ProxyCommand {route.proxy_command}"
