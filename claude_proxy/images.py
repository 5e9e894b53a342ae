"""How many tokens an image is, by the size that the first bytes of the file tell."""

from base64 import b64decode
from math import ceil
from typing import NamedTuple

_UNKNOWN = (1092, 1092)
"""An image whose size is not known counts as one of these pixels, which is much: 1,521 tokens by
Anthropic's measure."""


class Patches(NamedTuple):
    """Squares of `pixels` cost a token each, times `factor`; larger images are scaled down."""

    pixels: int
    most: int
    """Most patches of an image."""
    edge: int | None = None
    """Longest side that is not scaled down."""
    factor: float = 1.0

    def tokens(self, width: int, height: int) -> int:
        scale = 1.0 if self.edge is None else min(1.0, self.edge / max(width, height, 1))
        columns, rows = (ceil(side * scale / self.pixels) for side in (width, height))
        return ceil(min(self.most, max(1, columns * rows)) * self.factor)


class Tiles(NamedTuple):
    """Squares of 512 pixels cost `each`, the image `base`, once it is scaled down to 2,048 pixels
    a side and 768 on the shorter one (platform.openai.com, "Images and vision")."""

    base: int
    each: int

    def tokens(self, width: int, height: int) -> int:
        fit = min(1.0, 2048 / max(width, height, 1))
        scale = fit * min(1.0, 768 / max(min(width, height) * fit, 1))
        columns, rows = (max(1, ceil(side * scale / 512)) for side in (width, height))
        return self.base + self.each * columns * rows


ANTHROPIC = Patches(28, most=1568, edge=1568)
"""platform.claude.com, "Images and vision", standard resolution. Qwen's models cut alike."""


def image_tokens(data: str | None, measure: Patches | Tiles = ANTHROPIC) -> int:
    """Tokens of an image in base64, by the size that its header tells; None: it is elsewhere."""
    return measure.tokens(*((_image_size(data) if data else None) or _UNKNOWN))


def _image_size(data: str) -> tuple[int, int] | None:
    """Width and height in pixels, if the first bytes are those of a PNG, GIF, WebP, or JPEG."""
    head = _decode(data, 40)
    if head.startswith(b"\x89PNG\r\n\x1a\n") and len(head) >= 24:
        return _number(head[16:20]), _number(head[20:24])
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return _little(head[6:8]), _little(head[8:10])
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp_size(head)
    # The size in a JPEG stands behind its metadata, each part of which may be 64 kB long.
    return _jpeg_size(_decode(data, 400_000)) if head.startswith(b"\xff\xd8") else None


def _decode(data: str, characters: int) -> bytes:
    try:
        return b64decode(data[:characters])
    except ValueError:
        return b""


def _number(big_endian: bytes) -> int:
    return int.from_bytes(big_endian, "big")


def _webp_size(head: bytes) -> tuple[int, int] | None:
    """Source: https://developers.google.com/speed/webp/docs/riff_container and RFC 6386, 9.1."""
    match head[12:16]:
        case b"VP8 ":
            return _little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF
        case b"VP8L":
            bits = _little(head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _little(head[24:27]) + 1, _little(head[27:30]) + 1
        case _:
            return None


def _little(little_endian: bytes) -> int:
    return int.from_bytes(little_endian, "little")


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that start a frame header, which holds the size (ITU T.81, table B.1)."""


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    at = 2
    while head[at : at + 1] == b"\xff" and at + 9 <= len(head):
        if head[at + 1] in _FRAMES:
            return _number(head[at + 7 : at + 9]), _number(head[at + 5 : at + 7])
        if head[at + 1] == 0xFF:  # a fill byte
            at += 1
        else:
            at += 2 + _number(head[at + 2 : at + 4])
    return None
