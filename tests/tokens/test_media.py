"""Images and documents: by the measure of the upstream that will see them."""

import base64
import struct
from dataclasses import replace

import pytest

from claude_proxy.images import Tiles
from claude_proxy.profiles import GENERIC, Profile, profile_for
from claude_proxy.tokens.media import Media, media_tokens, pdf_pages

OPENAI = profile_for("https://api.openai.com/v1", "gpt-4o")
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 1024, 1024)).decode()


def pdf(pages: int, *, padding: int = 0) -> str:
    body = b"<< /Type /Pages /Count 9 >>" + b"<</Type/Page /Parent 1 0 R>>" * pages
    return base64.b64encode(b"%PDF-1.4\n" + body + b" " * padding).decode()


IMAGE, PAGES, REMOTE = Media("image", PNG), Media("document", pdf(3)), Media("document", None)

# why, what, whose measure, tokens
SEEN = [
    ("Anthropic's patches", IMAGE, None, 37 * 37),
    ("gpt-4o's tiles", IMAGE, OPENAI, 765),
    ("any measure of a profile", IMAGE, replace(GENERIC, images=Tiles(1, 2)), 9),
    ("pages at Anthropic", PAGES, None, 6750),
    ("pages where files go", PAGES, OPENAI, 6750),
    ("a PDF that the model is told of", PAGES, GENERIC, 40),
    ("a document elsewhere, at Anthropic", REMOTE, None, 3000),
    ("a document elsewhere is never fetched", REMOTE, OPENAI, 40),
]


@pytest.mark.parametrize(("why", "media", "profile", "tokens"), SEEN)
def test_media_count_as_their_model_sees_them(
    why: str, media: Media, profile: Profile | None, tokens: int
) -> None:
    assert media_tokens(media, profile) == tokens, why


# why, base64, pages
DOCUMENTS = [
    ("one page is named", pdf(1), 1),
    ("a short file of many pages", pdf(12), 12),
    ("a large file of few pages", pdf(2, padding=400_000), 2),
    ("pages in compressed parts: by size", "A" * 266_668, 4),
    ("nothing", "", 1),
    ("not base64", "☃" * 200_000, 3),
    ("no more than anybody takes", pdf(2000), 1000),
    ("what is beyond the part that is read is alike", pdf(10, padding=12 << 20), 20),
]


@pytest.mark.parametrize(("why", "data", "pages"), DOCUMENTS)
def test_pages_of_a_pdf(why: str, data: str, pages: int) -> None:
    assert pdf_pages(data) == pages, why
