"""What a search found, as blocks and as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.web_search.hits import (
    MOST_TEXT,
    MOST_URL,
    NOTHING,
    Failure,
    Found,
    Hit,
    hit,
    pack,
    result_block,
    told,
    unpack,
)

CATS = Hit("https://cats.example/a", "Cats", "They purr.", "2026-01-02")


def test_a_page_is_told_with_all_that_is_known_of_it():
    block = result_block("srvtoolu_1", Found((CATS, Hit("https://b.example/", "B"))))
    assert told(block["content"]) == (
        "Cats\nhttps://cats.example/a\nAge: 2026-01-02\nThey purr.\n\nB\nhttps://b.example/"
    )


def test_a_result_block_has_the_shape_of_the_real_tool():
    assert result_block("srvtoolu_1", Found((CATS,))) == {
        "type": "web_search_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": [
            {
                "type": "web_search_result",
                "title": "Cats",
                "url": "https://cats.example/a",
                "encrypted_content": pack("They purr."),
                "page_age": "2026-01-02",
            }
        ],
    }


def test_a_failure_is_no_empty_success():
    block = result_block("srvtoolu_1", Failure("unavailable", "It is down."))
    assert block["content"]["type"] == "web_search_tool_result_error"
    assert block["content"]["error_code"] == "unavailable"
    assert told(block["content"]) == "The search failed: unavailable. It is down."


def test_a_failure_of_anthropics_own_has_no_sentence():
    content = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    assert told(content) == "The search failed: max_uses_exceeded."


def test_no_pages_are_told_as_such():
    assert told([]) == NOTHING == told("odd")


@given(st.text(max_size=MOST_TEXT))
def test_what_is_packed_comes_back(text):
    whole = text.encode("utf-8", "replace").decode()
    assert unpack(pack(text)) == whole


@pytest.mark.parametrize("encrypted", [None, 7, "EqgfCioIARgBIiQ3YTAw", "cpws1:A", "cpws1:_w"])
def test_what_is_not_ours_or_damaged_is_not_read(encrypted):
    assert unpack(encrypted) is None


@given(st.text())
def test_whatever_a_client_made_of_it_is_read_within_bounds(text):
    assert len(unpack("cpws1:" + text) or "") <= MOST_TEXT


@pytest.mark.parametrize(
    "url",
    [
        *(None, 7, "", "x", "ftp://a.example/", "javascript:alert(1)", "https://", "https://[a"),
        *("https://a.example/\u200bx", "https://b.example\\@a.example/"),
        *("https://a.example/x y\tz", "https://a.example/" + "x" * MOST_URL),
    ],
)
def test_what_is_no_address_of_the_web_is_no_hit(url):
    assert hit(url, "T") is None


def test_a_hit_is_kept_within_bounds_and_in_one_line():
    found = hit("https://a.example/", "T\n" + "t" * 900, "a\n\0\x1b\nb\x9b" + "x" * 9_000, 3)
    assert found is not None
    assert (len(found.title), len(found.text), found.age) == (300, MOST_TEXT, "")
    assert found.text.startswith("a b x") and "\n" not in found.title


def test_a_page_without_a_title_is_called_by_its_address():
    assert hit("https://a.example/", None) == Hit("https://a.example/", "https://a.example/")
