"""A long link on this computer: a TCP proxy that delays every byte.

    python bench/slow_link.py ADDRESS PORT --delay-ms 75

It listens on a free port of 127.0.0.1, prints that port, and ends when its standard input closes,
so that it cannot outlive the program that started it. Bandwidth is not limited, nothing is lost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys

CHUNK = 65536  # bytes


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Forward one side's bytes, each piece `delay` seconds after its arrival, and their end."""
    clock = asyncio.get_running_loop().time
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            due, piece = await pieces.get()
            await asyncio.sleep(due - clock())
            if not piece:
                break
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def collect() -> None:
        while True:
            try:
                piece = await reader.read(CHUNK)
            except ConnectionError:
                piece = b""
            pieces.put_nowait((clock() + delay, piece))
            if not piece:
                return

    with contextlib.suppress(ConnectionError, OSError):
        await asyncio.gather(collect(), deliver())


async def serve(address: str, port: int, delay: float) -> None:
    """Forward every connection to `address` and back until standard input closes."""

    async def accept(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        # TCP's own handshake would have crossed the link and come back before the first byte.
        await asyncio.sleep(2 * delay)
        far, forth = await asyncio.open_connection(address, port)
        try:
            await asyncio.gather(carry(near, forth, delay), carry(far, back, delay))
        except asyncio.CancelledError:
            pass  # this program ends during a connection
        finally:
            forth.close()
            back.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--delay-ms", type=float, default=75.0, help="each way (75)")
    options = parser.parse_args()
    asyncio.run(serve(options.address, options.port, options.delay_ms / 1000))


if __name__ == "__main__":
    main()
