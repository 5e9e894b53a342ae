"""A text cites the pages whose addresses it gives."""

import pytest

from claude_proxy.codecs.web_search.citations import citations
from claude_proxy.codecs.web_search.hits import Hit

A = Hit("https://a.example/x", "A", "a" * 400)
B = Hit("https://b.example/", "B")


def cited(text, *searches):
    return [citation["url"] for citation in citations(text, searches or [[A, B]])]


def test_a_citation_says_which_page_and_what_of_it():
    assert citations("see https://a.example/x", [[B], [B, A]]) == [
        {
            "type": "web_search_result_location",
            "cited_text": "a" * 150,
            "url": "https://a.example/x",
            "title": "A",
            "encrypted_index": "cpws1:1.1",
        }
    ]


def test_pages_come_in_the_order_of_the_text_and_once():
    text = f"[b]({B.url}) then <{A.url}> and {B.url} again"
    assert cited(text) == [B.url, A.url]


@pytest.mark.parametrize("end", ["", ".", ")", "]", ">", '"', ", and", ". Then", "\n", " x", ".)"])
def test_an_address_ends_where_a_sentence_goes_on(end):
    assert cited(f"see {A.url}{end}") == [A.url]


@pytest.mark.parametrize("more", ["y", "/y", "-y", "?q", "#z", ".html"])
def test_the_start_of_another_address_is_no_citation(more):
    assert cited(f"see {A.url}{more}") == []


def test_the_address_may_come_after_a_longer_one():
    assert cited(f"{A.url}/y {A.url}") == [A.url]


def test_what_no_search_has_found_is_not_cited():
    assert cited("see https://c.example/") == []
    assert cited("nothing") == []


def test_a_page_without_an_extract_is_cited_by_its_title():
    assert citations(B.url, [[B]])[0]["cited_text"] == "B"
