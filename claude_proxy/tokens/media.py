"""How many tokens images and documents will be that are not text."""

import re
from base64 import b64decode
from typing import Literal, NamedTuple

from claude_proxy.images import ANTHROPIC, image_tokens
from claude_proxy.profiles import Profile

_REMOTE_DOCUMENT = 3000
"""A document that only the upstream can read; one or two pages of PDF."""

_PDF_PAGE = 2250
"""A PDF page is 1,500 to 3,000 tokens (docs.anthropic.com, "PDF support", from memory)."""

_PDF_PAGE_BYTES = 50_000
"""Bytes of a typical PDF page, for files whose pages stand in compressed parts."""

_MOST_PAGES = 1000
"""More than any upstream takes; a hostile file claims millions."""

_SEARCHED = 8 << 20
"""Characters of base64 in which pages are looked for; a larger file is taken to go on alike."""

_PAGE = re.compile(rb"/Type\s{0,8}/Page(?![A-Za-z])")

_TOLD = 40
"""The words that tell the model of a document which it cannot have."""


class Media(NamedTuple):
    """What a model sees, not reads; `data` is base64, None where only the upstream has it."""

    kind: Literal["image", "document"]
    data: str | None


def media_tokens(media: Media, profile: Profile | None) -> int:
    """Tokens of an image or a document by the upstream's measure, or Anthropic's for None."""
    if media.kind == "image":
        return image_tokens(media.data, profile.images if profile else ANTHROPIC)
    if profile is not None and (media.data is None or profile.pdf == "text"):
        return _TOLD
    return _REMOTE_DOCUMENT if media.data is None else _PDF_PAGE * pdf_pages(media.data)


def pdf_pages(data: str) -> int:
    """Pages of a PDF in base64: those that its open parts name, else by its bytes."""
    size = len(data) * 3 // 4
    found = len(_PAGE.findall(_decode(data[:_SEARCHED])))
    pages = found * max(1.0, len(data) / _SEARCHED) or size / _PDF_PAGE_BYTES
    return min(_MOST_PAGES, max(1, round(pages)))


def _decode(data: str) -> bytes:
    try:
        return b64decode(data)
    except ValueError:
        return b""
