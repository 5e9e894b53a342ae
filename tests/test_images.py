"""The size of an image, read from the first bytes of its file."""

import base64
import struct

import pytest

from claude_proxy.images import ANTHROPIC, Patches, Tiles, image_tokens

UNKNOWN_IMAGE = ANTHROPIC.tokens(1092, 1092)


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


def jpeg(width: int, height: int, *before: bytes, marker: int = 0xC2) -> bytes:
    frame = bytes([0xFF, marker]) + struct.pack(">HBHH", 17, 8, height, width)
    return b"\xff\xd8" + b"".join(before) + frame


def segment(marker: int, size: int) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", size) + bytes(size - 2)


def riff(kind: bytes, payload: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + payload


def tokens(image: bytes) -> int:
    return image_tokens(base64.b64encode(image + bytes(32)).decode())


VP8L = 0x2F | (299 | 499 << 14) << 8

# why, the first bytes of a file of 300 × 500 pixels
FORMATS = [
    ("PNG", png(300, 500)),
    ("GIF, old", b"GIF87a" + struct.pack("<HH", 300, 500)),
    ("GIF", b"GIF89a" + struct.pack("<HH", 300, 500)),
    ("JPEG, progressive", jpeg(300, 500)),
    ("JPEG, baseline", jpeg(300, 500, marker=0xC0)),
    ("JPEG behind its metadata", jpeg(300, 500, segment(0xE0, 16), segment(0xE1, 60_000))),
    ("JPEG whose tables are no frame", jpeg(300, 500, segment(0xC4, 30))),
    ("JPEG with a fill byte", jpeg(300, 500, b"\xff")),
    ("WebP, lossy", riff(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 300, 500))),
    ("WebP, lossless", riff(b"VP8L", VP8L.to_bytes(5, "little"))),
    ("WebP, extended", riff(b"VP8X", bytes(4) + b"\x2b\x01\0" + b"\xf3\x01\0")),
]


@pytest.mark.parametrize(("why", "head"), FORMATS)
def test_a_token_is_a_patch_of_28_pixels(why: str, head: bytes) -> None:
    assert tokens(head) == 11 * 18, why


# why, bytes that tell no size
UNKNOWN = [
    ("no image", b"hello"),
    ("nothing", b""),
    ("JPEG without a frame", b"\xff\xd8" + segment(0xE0, 16)),
    ("JPEG that ends in its metadata", b"\xff\xd8" + segment(0xE1, 60_000)[:900]),
    ("JPEG whose segment is not one", b"\xff\xd8\x00\x00"),
    ("WebP of an unknown kind", riff(b"VP9 ", b"")),
]


@pytest.mark.parametrize(("why", "head"), UNKNOWN)
def test_an_unknown_size_is_a_large_image(why: str, head: bytes) -> None:
    assert tokens(head) == UNKNOWN_IMAGE, why


@pytest.mark.parametrize("cut", [b"\x89PNG\r\n\x1a\n\0\0", b"GIF89a\0", b"RIFF\0\0\0\0WEBP"])
def test_a_cut_header_is_a_large_image(cut: bytes) -> None:
    assert image_tokens(base64.b64encode(cut).decode()) == UNKNOWN_IMAGE


@pytest.mark.parametrize("data", ["", "=", "A", "☃☃☃☃", "\ud800"])
def test_broken_base64_is_a_large_image(data: str) -> None:
    assert image_tokens(data) == UNKNOWN_IMAGE


def test_an_image_elsewhere_is_a_large_one() -> None:
    assert image_tokens(None) == UNKNOWN_IMAGE == 39 * 39


# why, measure, width, height, tokens: vendors' own examples and figures measured by others
MEASURES = [
    ("Anthropic", ANTHROPIC, 200, 200, 64),
    ("Anthropic scales the long side", ANTHROPIC, 3136, 1400, 56 * 25),
    ("Anthropic's most", ANTHROPIC, 4000, 4000, 1568),
    ("one pixel", ANTHROPIC, 1, 1, 1),
    ("no pixel", ANTHROPIC, 0, 0, 1),
    ("gpt-4o, four tiles", Tiles(85, 170), 1024, 1024, 765),
    ("gpt-4o, scaled twice", Tiles(85, 170), 2048, 4096, 1105),
    ("gpt-4o, small images are not made larger", Tiles(85, 170), 300, 500, 255),
    ("gpt-4o, no pixel", Tiles(85, 170), 0, 0, 255),
    ("patches of 32 pixels", Patches(32, most=1536), 1024, 1024, 1024),
    ("patches at a price", Patches(32, most=1536, factor=1.62), 1024, 1024, 1659),
    ("most patches at a price", Patches(32, most=1536, factor=1.62), 4000, 4000, 2489),
    ("gpt-5.5", Patches(32, most=10_000, factor=1.2), 1920, 1080, 2448),
]


@pytest.mark.parametrize(("why", "measure", "width", "height", "count"), MEASURES)
def test_an_image_costs_by_its_size(
    why: str, measure: Patches | Tiles, width: int, height: int, count: int
) -> None:
    data = base64.b64encode(png(width, height)).decode()
    assert image_tokens(data, measure) == count, why
