"""A real SSH server on 127.0.0.1, and a connection to it that can be cut or fall silent."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

import paramiko

HOST_KEY = paramiko.ECDSAKey.generate()


class SshServer(paramiko.ServerInterface):
    """Runs commands with `shell -c` for a client with one of `keys` or `password`.

    Serves on a free port of 127.0.0.1 while entered, without the subsystem sftp. silent: nothing
    passes in either direction any more, as when the network is gone; no end of a connection is
    announced. environment: of the commands, as sshd makes it; None for this process's own.
    banner: shown before the login. refusal: what is printed in place of a command's output; empty:
    a command is refused; None: it is run. forwards: connect clients to other ports, as a jump host
    does. first_channel: the number of a connection's first. users: who logged in. received: the
    bytes of each connection. waited: what clients waited for an answer to. ended: how many connections the client ended.
    """

    def __init__(
        self,
        *keys: paramiko.PKey,
        password: str | None = None,
        shell: str = "sh",
        environment: Mapping[str, str] | None = None,
        banner: str = "",
        refusal: str | None = None,
        forwards: bool = False,
        first_channel: int = 0,
    ) -> None:
        self._forwards, self._first_channel = forwards, first_channel
        self.received: list[bytearray] = []
        self.waited: list[str] = []
        self.ended = 0
        self.users: list[str] = []
        self._shell, self._environment = shell, environment
        self._banner, self._refusal = banner, refusal
        self._blobs = [key.asbytes() for key in keys]
        self._password = password
        self.silent = threading.Event()
        self.offered: list[str] = []
        self._far: list[paramiko.Transport] = []
        self._targets: dict[int, socket.socket] = {}
        self._near: list[socket.socket] = []
        self._channels: list[
            paramiko.Channel | None
        ] = []  # paramiko closes one that none refers to
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def known_host(self) -> str:
        return f"[127.0.0.1]:{self.port} {HOST_KEY.get_name()} {HOST_KEY.get_base64()}\n"

    def __enter__(self) -> SshServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # a thread waits in accept
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """End every connection, as a reboot does."""
        for transport in self._far:
            transport.close()
        for near in self._near:
            with suppress(OSError):  # closed alone, it stays open while a thread reads from it
                near.shutdown(socket.SHUT_RDWR)
            near.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                ours, far = socket.socketpair()
                self._near.append(near)
                self.received.append(bytearray())
                for source, target in ((near, ours), (ours, near)):
                    seen = self.received[-1] if source is near else bytearray()
                    threading.Thread(
                        target=self._carry, args=(source, target, seen), daemon=True
                    ).start()
                transport = paramiko.Transport(far)
                transport._channel_counter = self._first_channel  # type: ignore[attr-defined]
                transport.add_server_key(HOST_KEY)
                self._far.append(transport)
                transport.start_server(threading.Event(), self)
                threading.Thread(target=self._forward, args=(transport,), daemon=True).start()

    def _forward(self, transport: paramiko.Transport) -> None:
        """Join each channel to a port to the socket that was opened for it."""
        while transport.is_active():
            channel = transport.accept(1)
            self._channels.append(channel)
            far = self._targets.pop(channel.get_id(), None) if channel else None
            if far is None:
                continue
            for read, write, end in (
                (channel.recv, far.sendall, lambda far=far: far.shutdown(socket.SHUT_WR)),
                (far.recv, channel.sendall, channel.close),
            ):
                work = (lambda read=read: read(65536)), write, end
                threading.Thread(target=_pump_to_end, args=work, daemon=True).start()

    def check_channel_direct_tcpip_request(
        self, chanid: int, origin: tuple[str, int], destination: tuple[str, int]
    ) -> int:
        if not self._forwards:
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        try:
            self._targets[chanid] = socket.create_connection(destination, 10)
        except OSError:
            return paramiko.OPEN_FAILED_CONNECT_FAILED
        self._near.append(self._targets[chanid])
        return paramiko.OPEN_SUCCEEDED

    def _carry(self, source: socket.socket, target: socket.socket, seen: bytearray) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                seen += data
                if not self.silent.is_set():
                    target.sendall(data)
            self.ended += any(seen is each for each in self.received)
            if not self.silent.is_set():
                target.shutdown(socket.SHUT_RDWR)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.offered.append(key.get_name())
        known = key.asbytes() in self._blobs
        if known:
            self.users.append(username)
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        right = self._password is not None and password == self._password
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def get_banner(self) -> tuple[str, str]:
        return self._banner, "en-US"

    def check_global_request(self, kind: str, message: paramiko.Message) -> bool:
        self.waited.append(kind)
        return False

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.waited.append(kind)
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.waited.append("exec")
        if self._refusal is not None:
            if self._refusal:
                threading.Thread(target=self._refuse, args=(channel,), daemon=True).start()
            return bool(self._refusal)
        process = subprocess.Popen(
            [self._shell, "-c", command],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        read, write, stdin = process.stdout.read, process.stdin.write, process.stdin

        def inwards() -> None:
            with suppress(OSError):
                _pump(lambda: channel.recv(65536), write)
            stdin.close()

        def outwards() -> None:
            with suppress(OSError):
                _pump(lambda: read(65536), channel.sendall)
            code = process.wait()
            # A client that ends a command may have given its channel's number to another by now.
            if not (channel.closed or channel.eof_received):
                channel.send_exit_status(code)
            channel.close()

        for each in (inwards, outwards):
            threading.Thread(target=each, daemon=True).start()
        return True

    def _refuse(self, channel: paramiko.Channel) -> None:
        assert self._refusal is not None
        with suppress(OSError):
            channel.sendall(self._refusal.encode())
            channel.send_exit_status(1)
        channel.close()


def _pump_to_end(
    read: Callable[[], bytes], write: Callable[[bytes], object], end: Callable[[], object]
) -> None:
    for each in (lambda: _pump(read, write), end):
        with suppress(OSError, EOFError):  # paramiko's, of a connection that has ended
            each()


def _pump(read: Callable[[], bytes], write: Callable[[bytes], object]) -> None:
    while data := read():
        write(data)
