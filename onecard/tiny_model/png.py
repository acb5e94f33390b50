"""A PNG writer for pictures of two colours, with the same bytes wherever it runs.

Pillow's PNG bytes depend on the zlib that it was built with. A picture of two colours needs one
bit a pixel, so it can be stored without compression (RFC 1951, 3.2.4) and still be small.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MOST_COLOURS = 2
STORED_BLOCK_BYTES = 65535


def two_colour_png(picture: Image.Image) -> bytes:
    """Return `picture` (RGB, at most two colours, at most 64 KiB at one bit a pixel) as PNG."""
    width, height = picture.size
    colours = picture.getcolors(MOST_COLOURS)
    if colours is None or picture.mode != "RGB":
        raise ValueError(f"an RGB picture of at most {MOST_COLOURS} colours is needed")
    palette = sorted(bytes(colour) for _, colour in colours if isinstance(colour, tuple))
    pixels = picture.tobytes()
    rows = bytearray()
    for y in range(height):
        rows.append(0)  # PNG filter 0: none
        bits = "".join(
            str(palette.index(pixels[start : start + 3]))
            for start in range(3 * y * width, 3 * (y + 1) * width, 3)
        )
        rows += int(bits.ljust(-(-width // 8) * 8, "0"), 2).to_bytes(-(-width // 8), "big")
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        _chunk(kind, body)
        for kind, body in (
            (b"IHDR", header),
            (b"PLTE", b"".join(palette)),
            (b"IDAT", _stored(bytes(rows))),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def _stored(data: bytes) -> bytes:
    if len(data) > STORED_BLOCK_BYTES:
        raise ValueError(f"{len(data)} bytes do not fit into one stored block")
    lengths = struct.pack("<HH", len(data), len(data) ^ 0xFFFF)
    return b"\x78\x01\x01" + lengths + data + struct.pack(">I", zlib.adler32(data))
