"""A picture of one color, as a PNG."""

import struct
import zlib

_SIZE = 64
"""Pixels each way: some models refuse pictures that are smaller than one of their patches."""

RED, BLUE = (220, 0, 0), (0, 0, 220)


def png(color: tuple[int, int, int]) -> bytes:
    header = struct.pack(">IIBBBBB", _SIZE, _SIZE, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes(color) * _SIZE) * _SIZE
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
