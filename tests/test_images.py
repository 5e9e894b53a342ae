"""The size of an image, read from the first bytes of its file."""

import base64
import struct

import pytest

from claude_proxy.images import UNKNOWN_IMAGE, image_tokens


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
def test_a_token_is_750_pixels(why: str, head: bytes) -> None:
    assert tokens(head) == 200, why


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


def test_a_large_image_is_scaled_down() -> None:
    assert tokens(png(1568, 700)) == 1464
    assert tokens(png(3136, 1400)) == 1464
    assert tokens(png(4000, 4000)) == 1600


def test_a_tiny_or_empty_image_is_one_token() -> None:
    assert tokens(png(1, 1)) == 1
    assert tokens(png(0, 0)) == 1
