"""Measure the network between two boxes: one listens, the other connects.

    link listen ADDRESS            print port=PORT, serve one peer
    link connect FROM ADDRESS PORT print latency_us=... (the median round trip) and mbit_s=...

The standard library alone: it runs before anything is installed, and sends nothing but zeros.
"""

from __future__ import annotations

import socket
import statistics
import sys
import time

ROUND_TRIPS = 50
SENDS_S = 1.0
BLOCK = b"\0" * 2**20
TIMEOUT_S = 20.0  # for the peer to come, or to say something


def listen(address: str) -> None:
    """Serve one peer: send single bytes back, count the rest, report the count."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen(1)
        server.settimeout(TIMEOUT_S)
        print(f"port={server.getsockname()[1]}", flush=True)
        peer, _ = server.accept()
        with peer:
            peer.settimeout(TIMEOUT_S)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(ROUND_TRIPS):
                peer.sendall(peer.recv(1))
            received = 0
            while part := peer.recv(len(BLOCK)):
                received += len(part)
            peer.sendall(str(received).encode())


def connect(own: str, address: str, port: int) -> None:
    """Measure the way to a listening peer; print latency_us= and mbit_s=."""
    with socket.create_connection((address, port), TIMEOUT_S / 2, (own, 0)) as peer:
        peer.settimeout(TIMEOUT_S)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(ROUND_TRIPS):
            sent = time.monotonic()
            peer.sendall(b"\0")
            peer.recv(1)
            times.append(time.monotonic() - sent)
        started = time.monotonic()
        while time.monotonic() - started < SENDS_S:
            peer.sendall(BLOCK)
        peer.shutdown(socket.SHUT_WR)
        received = int(peer.recv(32))
        seconds = time.monotonic() - started
    print(f"latency_us={statistics.median(times) * 1e6:.0f}")
    print(f"mbit_s={received * 8 / seconds / 1e6:.0f}")


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    command, *rest = arguments
    try:
        if command == "listen":
            listen(*rest)
        else:
            connect(rest[0], rest[1], int(rest[2]))
    except (OSError, ValueError) as error:
        print(f"error={error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
