"""PDFs in requests are found wherever they stand, and text documents stand in for them."""

from copy import deepcopy
from typing import Any

import pytest

from claude_proxy.codecs.pdfs import (
    UNREAD,
    Pages,
    Pdf,
    clean,
    has_documents,
    pdfs,
    reading,
    remote_documents,
    unread,
    with_texts,
)
from tests.request_cases import load_captures


def pdf(data: str = "JVBERi0=", **more: Any) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    return {"type": "document", "source": source, **more}


def said(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": role, "content": [*blocks]}]}


def text_document(text: str, **more: Any) -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, **more}


TEXT = {"type": "text", "text": "a"}
FETCHED = {
    "type": "web_fetch_tool_result",
    "tool_use_id": "s",
    "content": {"type": "web_fetch_result", "url": "https://a.example", "content": pdf()},
}
UNTYPED = {"type": "document", "source": {"type": "base64", "data": "JVBERi0="}}
PLACES = {
    "a message": (said(TEXT, pdf()), "messages.0.content.1", True),
    "a tool's result": (
        said({"type": "tool_result", "tool_use_id": "t", "content": [TEXT, pdf()]}),
        "messages.0.content.0.content.1",
        True,
    ),
    "what an assistant said": (said(pdf(), role="assistant"), "messages.0.content.0", False),
    "a page that was fetched": (
        said(FETCHED, role="assistant"),
        "messages.0.content.0.content.content",
        False,
    ),
    "a source without a type": (said(UNTYPED), "messages.0.content.0", True),
}


@pytest.mark.parametrize("place", PLACES)
def test_pdfs_are_found(place: str) -> None:
    request, path, sendable = PLACES[place]
    assert [*pdfs(request)] == [Pdf(path, "JVBERi0=", sendable)]
    assert has_documents(request)


@pytest.mark.parametrize("place", PLACES)
def test_a_text_replaces_the_source_and_nothing_else(place: str) -> None:
    request, _, _ = PLACES[place]
    before = deepcopy(request)
    changed = with_texts(request, lambda found: f"text of {found.data}")
    assert request == before
    assert [*pdfs(changed)] == []
    source = text_document("text of JVBERi0=")["source"]
    assert str(changed).count(str(source)) == 1
    kept = str(changed).replace(str(source), "SOURCE")
    sources = (str(pdf()["source"]), str(UNTYPED["source"]))
    assert kept == str(request).replace(sources[0], "SOURCE").replace(sources[1], "SOURCE")


def test_title_context_and_marks_stay() -> None:
    more = {"title": "T", "context": "C", "cache_control": {"type": "ephemeral"}}
    changed = with_texts(said(pdf(**more)), lambda _: "words")
    assert changed == said(text_document("words", **more))


def test_each_pdf_is_decided_by_itself() -> None:
    request = said(pdf("a"), pdf("b"), TEXT)
    changed = with_texts(request, lambda found: "words" if found.data == "b" else None)
    assert changed == said(pdf("a"), text_document("words"), TEXT)
    assert changed["messages"][0]["content"][0] is request["messages"][0]["content"][0]


OTHERS: list[Any] = [
    {},
    {"messages": None},
    {"messages": "x"},
    {"messages": [5, {}, {"role": "user"}, {"role": "user", "content": "text"}]},
    said(5, None, TEXT, {"type": "tool_result", "content": "text"}),
    said({"type": "tool_result", "content": 5}, {"type": "document"}),
    said({"type": "document", "source": "x"}, {"type": "document", "source": {"type": "base64"}}),
    said({"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}}),
    said(
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="},
        }
    ),
    said(
        {
            "type": "a",
            "content": [
                {
                    "type": "a",
                    "content": [{"type": "a", "content": [{"type": "a", "content": [pdf()]}]}],
                }
            ],
        }
    ),
]


@pytest.mark.parametrize("request_", OTHERS)
def test_what_is_no_pdf_stays_the_same_object(request_: Any) -> None:
    assert [*pdfs(request_)] == []
    assert with_texts(request_, lambda _: "words") is request_


WITHOUT = [each for each in OTHERS if "document" not in str(each)]


@pytest.mark.parametrize("request_", WITHOUT)
def test_a_request_without_documents_is_known_as_such(request_: Any) -> None:
    assert not has_documents(request_)


def test_an_unwanted_pdf_stays_the_same_object() -> None:
    request = PLACES["a tool's result"][0]
    assert with_texts(request, lambda _: None) is request


def test_the_real_clients_pdf_is_found_in_its_tools_result() -> None:
    (found,) = pdfs(load_captures()["pdf_read"])
    assert found.sendable and ".content.0.content." in found.path


def test_documents_behind_urls_are_found() -> None:
    remote = {"type": "document", "source": {"type": "url", "url": "https://a.example"}}
    image = {"type": "image", "source": {"type": "url", "url": "https://a.example"}}
    result = {"type": "tool_result", "content": [remote]}
    paths = [*remote_documents(said(TEXT, image, remote, result, pdf(), 5))]
    assert paths == ["messages.0.content.2", "messages.0.content.3.content.0"]
    assert [*remote_documents({"messages": [5, {"content": "x"}]})] == []


def test_pages_are_marked() -> None:
    made = reading(Pages(3, ("one\r\nline", " two ", "three"), cut=False), 100)
    assert made.text == (
        "[the text of a PDF of 3 pages; pictures and layout are not shown]\n"
        "[page 1]\none\nline\n[page 2]\ntwo\n[page 3]\nthree"
    )
    assert made.note == "a PDF of 3 pages is sent as its text"


def test_pages_without_text_are_said_so_together() -> None:
    texts = ("", " \r\n", "words", "", None, None, "")
    lines = reading(Pages(7, texts, cut=False), 100).text.splitlines()
    assert lines[1:] == [
        "[pages 1 to 2: no text]",
        "[page 3]",
        "words",
        "[page 4: no text]",
        "[pages 5 to 6: cannot be read]",
        "[page 7: no text]",
    ]


def test_a_pdf_without_any_text_is_noted() -> None:
    assert reading(Pages(1, ("",), cut=False), 100).note == "a PDF of 1 page has no text"


@pytest.mark.parametrize(
    ("pages", "line", "note"),
    [
        (
            Pages(5000, ("a" * 60, "b" * 40), cut=True),
            "[left out: the rest of page 2 and pages 3 to 5,000; only the first 100 characters of"
            " a PDF are read]",
            "and cut in page 2",
        ),
        (
            Pages(2, ("a" * 60, "b" * 40), cut=True),
            "[left out: the rest of page 2; only the first 100 characters of a PDF are read]",
            "and cut in page 2",
        ),
        (
            Pages(3, ("a" * 60, "b" * 40), cut=False),
            "[left out: page 3; only the first 100 characters of a PDF are read]",
            "and cut after page 2",
        ),
        (
            Pages(5000, ("a", ""), cut=False),
            "[left out: pages 3 to 5,000; only the first 2 pages of a PDF are read]",
            "and cut after page 2",
        ),
    ],
)
def test_what_is_left_out_is_told(pages: Pages, line: str, note: str) -> None:
    made = reading(pages, 100)
    assert made.text.splitlines()[-1] == line
    assert made.note.endswith(f"is sent as its text {note}")


@pytest.mark.parametrize("why", UNREAD)
def test_why_a_pdf_cannot_be_read_is_told(why: Any) -> None:
    made = unread(why)
    assert made.text == f"[this PDF cannot be read: {UNREAD[why]}]"
    assert UNREAD[why] in made.note and len(made.note) < 100


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("a\r\nb\rc\n", "a\nb\nc"),
        ("exam\x02ple", "exam-\nple"),
        ("a\x00\x07b\ufffe\x1b[0m\tc", "ab[0m\tc"),
        ("日本語 😀", "日本語 😀"),
    ],
)
def test_texts_are_clean(raw: str, text: str) -> None:
    assert clean(raw) == text
