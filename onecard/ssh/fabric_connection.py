"""Create fabric connections along a route: hops, timeouts, keys, accepted host keys."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import fabric
import paramiko

from onecard.inventory.host import Host
from onecard.settings.connection import CONNECT_TIMEOUT
from onecard.ssh.host_keys import VerifyByBook, host_key_book, save_host_key
from onecard.ssh.openssh import client, private_key
from onecard.ssh.openssh.identities import agent, existing
from onecard.ssh.openssh.proxy import ProxySocket, proxy_argv
from onecard.ssh.openssh.route import Route
from onecard.ssh.transport.algorithms import offered
from onecard.ssh.transport.pipelined import PipelinedTransport
from onecard.ssh.transport.watched import WatchedTransport, silence_limit


class Proxy:
    """A gateway that is a program; each login starts it anew."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self.socket: ProxySocket | None = None

    def open(self) -> ProxySocket:
        """Start the program and return the socket to it."""
        self.socket = ProxySocket(self._argv)
        return self.socket


class RoutedConnection(fabric.Connection):  # type: ignore[misc]  # fabric has no types
    """A fabric connection whose gateway may be a Proxy, or which may stand already."""

    def open(self, connected: socket.socket | None = None) -> None:
        """Log in. connected: the TCP connection, if there is one."""
        if connected is not None:
            self.connect_kwargs["sock"] = connected
        try:
            super().open()
        finally:
            self.connect_kwargs.pop("sock", None)

    def open_gateway(self) -> Any:
        if isinstance(self.gateway, Proxy):
            return self.gateway.open()
        return super().open_gateway()


def new_connection(
    host: Host,
    route: Route,
    known_hosts: Path,
    command: Callable[[], str] | None = None,
    key_exchange: Callable[[], str] = str,
) -> Any:
    """Return a fabric connection along the route, not yet open.

    command: returns the one to start with the login, empty for none; key_exchange: returns the
    algorithm that the server is expected to agree on (both: transport/pipelined.py).
    Hops are OpenSSH's (proxy.py) where there is an ssh program, else connections of their own.
    """
    connect_timeout = connect_timeout_of(host, route)
    if client.installed() or route.proxy_command:
        argv = proxy_argv(route, connect_timeout, known_hosts, host.connection.key_file)
        return _connection(
            route, connect_timeout, Proxy(argv) if argv else None, command, key_exchange
        )
    gateway = None
    for hop in route.via:
        gateway = _connection(hop, connect_timeout, gateway)
    return _connection(route, connect_timeout, gateway, command, key_exchange)


def connect_timeout_of(host: Host, route: Route) -> float:
    """Return the seconds that the box has to answer: the setting, else ssh's ConnectTimeout."""
    wanted = host.connection.connect_timeout
    if wanted == CONNECT_TIMEOUT:
        return float(route.number("connecttimeout") or wanted)
    return wanted


def silence_timeout(route: Route, connect_timeout: float) -> float:
    """Return the seconds that the box may be silent after the login, as ServerAlive* say."""
    interval, count = route.number("serveraliveinterval"), route.number("serveralivecountmax")
    return float(interval * (count or 3)) if interval else silence_limit(connect_timeout)


def _connection(
    route: Route,
    connect_timeout: float,
    gateway: Any,
    command: Callable[[], str] | None = None,
    key_exchange: Callable[[], str] = str,
) -> Any:
    socket_of_agent = agent(route)
    transport: Callable[..., WatchedTransport] = WatchedTransport
    if command:
        transport = partial(PipelinedTransport, command=command, key_exchange=key_exchange)
    keywords: dict[str, Any] = {
        "banner_timeout": connect_timeout,
        "auth_timeout": connect_timeout,
        "transport_factory": partial(
            transport,
            connect_timeout=connect_timeout,
            silence_timeout=silence_timeout(route, connect_timeout),
            offered=offered(route),
        ),
        "key_filename": [str(path) for path in existing(route)],
        "look_for_keys": False,
        "allow_agent": bool(socket_of_agent) and not route.yes("identitiesonly"),
    }
    return RoutedConnection(
        route.address,
        user=route.user,
        port=route.port,
        gateway=gateway,
        forward_agent=False,
        connect_timeout=connect_timeout,
        connect_kwargs=keywords,
        # All of it comes from the route: fabric is not to read ssh's files again.
        config=fabric.Config(ssh_config=paramiko.SSHConfig()),
    )


def verify_host_key(connection: Any, route: Route, known_hosts: Path, *, store: bool) -> None:
    """Have a connection, and those that it jumps through, accept known host keys only.

    store: store an unknown key where StrictHostKeyChecking accepts new ones.
    """
    ways = [route, *reversed(route.via)]
    for each, way in zip(hops(connection), ways, strict=False):
        book = host_key_book(way, known_hosts)
        accept = partial(save_host_key, known_hosts) if store else None
        each.client.set_missing_host_key_policy(VerifyByBook(book, accept))
        factory = each.connect_kwargs["transport_factory"]
        each.connect_kwargs["transport_factory"] = partial(factory, host_keys=book.algorithms)


def offer_key_file(host: Host, connection: Any) -> None:
    """Offer the host's key file on each hop; skip an encrypted one, which the agent may hold too.

    Raises UsageError for a file that is not a private key.
    """
    path = host.connection.key_file
    if path is None or private_key.needs_openssh(path):
        return
    private_key.require(path, f"{host.name}: {host.connection.key_file_setting}")
    with suppress(private_key.EncryptedError):
        key = private_key.load(path)
        for each in hops(connection):
            each.connect_kwargs["pkey"] = key


def is_refused(connection: Any) -> bool:
    """Return whether the box answers and refused all keys offered so far.

    paramiko then raises its last error, which may be about a file that is not a key.
    """
    transport = connection.client.get_transport()
    if transport is None or not transport.is_active() or not transport.initial_kex_done:
        return False
    return not transport.is_authenticated()


def hops(connection: Any) -> list[Any]:
    """Return a connection, then those that it jumps through, the nearest to the box first."""
    found = [connection]
    while isinstance(found[-1].gateway, fabric.Connection):
        found.append(found[-1].gateway)
    return found


def error_output(connection: Any) -> str:
    """Return what the program that leads to the box printed before it ended, "" for none."""
    proxies = [each.gateway for each in hops(connection) if isinstance(each.gateway, Proxy)]
    sockets = [each.socket for each in proxies if each.socket is not None]
    return sockets[0].error_output() if sockets else ""


def close(connection: Any) -> None:
    """Close a connection, those that it jumps through, and the program that leads to it."""
    for each in hops(connection):
        each.close()
        each.client.close()  # also where the login was refused
        if isinstance(each.gateway, Proxy) and each.gateway.socket is not None:
            each.gateway.socket.close()
