"""What becomes of a request's PDFs, by `CLAUDE_PROXY_PDF` and the upstream."""

import json
import re

import httpx
import pytest

from claude_proxy.server.pdf import documents, reader
from tests import pdf_files
from tests.messages_upstream import message
from tests.pdf_files import block, encoded
from tests.process import post as post_raw
from tests.process import read_until, started
from tests.request_cases import load_captures
from tests.server.pdf_parts import library, parent_of, readers, soon
from tests.upstream import Reply, Upstream, refusal, serving, text_stream

TWO_PAGES = pdf_files.pdf("Hello there", "Second page")
TEXT = (
    "[the text of a PDF of 2 pages; pictures and layout are not shown]\n"
    "[page 1]\nHello there\n[page 2]\nSecond page"
)
MISSING = "[a PDF that cannot be shown to this model]"
ASK = {"type": "text", "text": "Read this"}
FILES = {"CLAUDE_PROXY_PROFILE": "openai/gpt-4o"}
TEXTS = {"CLAUDE_PROXY_PROFILE": "generic", "CLAUDE_PROXY_TOKEN_COUNTING": "estimate"}


@pytest.fixture
def server(server):
    """In front of an upstream that takes no files, unless it is said otherwise."""
    return lambda **environ: server(**{**TEXTS, **environ})


def body(*blocks, **more):
    messages = [{"role": "user", "content": [*blocks]}]
    return {"model": "claude-opus-5-5", "max_tokens": 9, "messages": messages, **more}


def ask(live, *blocks, path="/v1/messages", **more):
    return httpx.post(f"{live.url}{path}", json=body(*blocks, **more), timeout=120)


def notes(reply):
    return reply.headers.get("x-claude-proxy-notes", "")


def content(upstream):
    return upstream.last.json["messages"][-1]["content"]


def lines(letter, count=13):
    """Half a page that is full of a letter: 662 characters and line ends as they are read."""
    return "\n".join([letter * 50] * count)


def in_result(*blocks):
    """A tool's result with these blocks, and the call before it, as messages."""
    return [
        {"role": "user", "content": "look"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "Read", "input": {}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [*blocks]}],
        },
    ]


# Native, the default.


def test_an_upstream_that_takes_files_gets_the_file(server, upstream):
    reply = ask(server(**FILES), ASK, block(TWO_PAGES))
    _, part = content(upstream)
    url = f"data:application/pdf;base64,{encoded(TWO_PAGES)}"
    assert part == {"type": "file", "file": {"filename": "document.pdf", "file_data": url}}
    assert "PDF" not in notes(reply)


def test_an_upstream_that_takes_none_gets_the_text(server, upstream):
    reply = ask(server(), ASK, block(TWO_PAGES, title="Plan & more", context="a draft"))
    assert content(upstream) == (
        f'Read this\n\n<document title="Plan &amp; more" context="a draft">\n{TEXT}\n</document>'
    )
    assert "messages.0.content.1=a PDF of 2 pages is sent as its text" in notes(reply)


@pytest.mark.parametrize("stream", [True, False])
def test_the_responses_api_gets_the_text_too(server, upstream, stream):
    upstream.play(Reply(status=500))
    ask(server(CLAUDE_PROXY_UPSTREAM_DIALECT="responses"), block(TWO_PAGES), stream=stream)
    (item,) = upstream.last.json["input"]
    assert item["content"] == f"<document>\n{TEXT}\n</document>"


def test_the_responses_api_gets_the_file_where_it_takes_files(server, upstream):
    upstream.play(Reply(status=500))
    ask(server(CLAUDE_PROXY_UPSTREAM_DIALECT="responses", **FILES), block(TWO_PAGES))
    (item,) = upstream.last.json["input"]
    assert item["content"][0]["type"] == "input_file"


def test_a_streamed_answer_comes_as_ever(server, upstream):
    upstream.play(Reply(stream=text_stream("done")))
    reply = ask(server(), block(TWO_PAGES), stream=True)
    assert "message_stop" in reply.text and TEXT in content(upstream)


def test_what_a_tool_has_read_arrives_in_its_result(server, upstream):
    reply = ask(server(), messages=in_result(ASK, block(TWO_PAGES)))
    assert upstream.last.json["messages"][-1] == {
        "role": "tool",
        "tool_call_id": "t1",
        "content": f"Read this\n<document>\n{TEXT}\n</document>",
    }
    assert "messages.2.content.0.content.1=a PDF of 2 pages" in notes(reply)


def test_what_the_real_client_reads_arrives_as_text(server, upstream):
    captured = load_captures()["pdf_read"]
    raw = json.dumps(captured)
    data = next(re.finditer(r'"application/pdf", "data": "([^"]*)"', raw))[1]
    raw = raw.replace(data, encoded(TWO_PAGES))
    headers = {"content-type": "application/json"}
    live = server()
    httpx.post(f"{live.url}/v1/messages", content=raw, headers=headers, timeout=120)
    assert TEXT in json.dumps(upstream.last.json, ensure_ascii=False).replace("\\n", "\n")


def test_where_no_file_may_stand_its_text_does(server, upstream):
    said = {"role": "assistant", "content": [block(TWO_PAGES)]}
    asked = {"role": "user", "content": "go on"}
    ask(server(**FILES), messages=[asked, said, asked])
    assert upstream.last.json["messages"][1]["content"] == f"<document>\n{TEXT}\n</document>"


def test_without_the_extra_the_model_is_told_and_the_client_what_to_install(
    server, upstream, monkeypatch
):
    monkeypatch.setattr(reader, "find_library", lambda: None)
    reply = ask(server(), block(TWO_PAGES))
    assert content(upstream) == f"<document>\n{MISSING}\n</document>"
    told = notes(reply)
    assert (
        "messages.0.content.0=its text is sent with the extra claude-proxy[pdf] installed" in told
    )
    assert "messages.0.content.0=a PDF cannot be sent here" in told


@pytest.mark.fault("pdf")
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: b"%PDF-1.7 and nothing else", "it is damaged or no PDF"),
        (pdf_files.locked_pdf, "it is protected by a password"),
        (lambda: pdf_files.bomb_pdf(300), "it is damaged or needs too much memory"),
    ],
    ids=["broken", "locked", "bomb"],
)
def test_the_model_is_told_why_it_sees_nothing(server, upstream, make, words):
    reply = ask(server(), ASK, block(make()))
    assert reply.status_code == 200
    assert content(upstream).endswith(
        f"<document>\n[this PDF cannot be read: {words}]\n</document>"
    )
    assert f"a PDF cannot be read: {words}" in notes(reply)


def test_what_is_cut_is_told_to_both(server, upstream):
    raw = pdf_files.pdf(lines("a"), lines("b"), "c")
    reply = ask(server(CLAUDE_PROXY_PDF_MAX_CHARACTERS="1000"), block(raw))
    assert f"{'b' * 11}\n[left out: the rest of page 2 and page 3; only the" in content(upstream)
    assert "a PDF of 3 pages is sent as its text and cut in page 2" in notes(reply)


def test_the_next_turn_sends_the_same_bytes_and_reads_nothing(server, upstream, tmp_path):
    live = server()
    first = [{"role": "user", "content": [ASK, block(TWO_PAGES)]}]
    more = [{"role": "assistant", "content": "ok"}, {"role": "user", "content": "and now?"}]
    ask(live, messages=first)
    ask(live, messages=[*first, *more])
    before, after = (post.json["messages"] for post in upstream.posts)
    assert after[: len(before)] == before


def test_a_fallback_gets_what_it_takes(server, upstream):
    upstream.play(refusal(503, "down"))
    with serving(Upstream()) as backup:
        table = {"base_url": f"{backup.url}/v1", "api_key": "sk-b-01234567", "profile": "generic"}
        live = server(
            **FILES,
            CLAUDE_PROXY_UPSTREAMS=json.dumps({"backup": table}),
            CLAUDE_PROXY_FALLBACKS="@backup",
        )
        reply = ask(live, block(TWO_PAGES))
        assert reply.status_code == 200
        assert content(upstream)[0]["type"] == "file"
        assert content(backup) == f"<document>\n{TEXT}\n</document>"


# Text.


def test_text_is_sent_even_where_files_are_taken(server, upstream):
    ask(server(CLAUDE_PROXY_PDF="text", **FILES), block(TWO_PAGES))
    assert content(upstream) == f"<document>\n{TEXT}\n</document>"


@pytest.mark.parametrize("settings", [{}, {"CLAUDE_PROXY_PDF": "text", **FILES}])
def test_a_type_in_escapes_is_found(server, upstream, settings):
    raw = json.dumps(body(block(TWO_PAGES))).replace('"document"', '"doc\\u0075ment"')
    live = server(**settings)
    headers = {"content-type": "application/json"}
    httpx.post(f"{live.url}/v1/messages", content=raw, headers=headers, timeout=120)
    assert content(upstream) == f"<document>\n{TEXT}\n</document>"


def test_text_without_the_extra_sends_no_file(server, upstream, monkeypatch):
    monkeypatch.setattr(reader, "find_library", lambda: None)
    reply = ask(server(CLAUDE_PROXY_PDF="text", **FILES), block(TWO_PAGES))
    assert content(upstream) == f"<document>\n{MISSING}\n</document>"
    assert "with the extra claude-proxy[pdf] installed" in notes(reply)


# Reject.

REMOTE = {"type": "document", "source": {"type": "url", "url": "https://a.example/a.pdf"}}
REFUSED = [
    ("messages.0.content.1", body(ASK, block(TWO_PAGES))),
    ("messages.0.content.0", body(REMOTE)),
    ("messages.2.content.0.content.0", body(messages=in_result(block(TWO_PAGES)))),
]


@pytest.mark.parametrize(("path", "asked"), REFUSED)
@pytest.mark.parametrize("endpoint", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("dialect", ["chat", "responses", "messages"])
def test_rejected_pdfs_are_400_and_go_nowhere(server, upstream, path, asked, endpoint, dialect):
    live = server(CLAUDE_PROXY_PDF="reject", CLAUDE_PROXY_UPSTREAM_DIALECT=dialect, **FILES)
    reply = httpx.post(f"{live.url}{endpoint}", json=asked, timeout=30)
    assert reply.status_code == 400
    said = reply.json()
    assert (said["type"], said["error"]["type"]) == ("error", "invalid_request_error")
    where = f"{path}: this server takes no PDFs (CLAUDE_PROXY_PDF=reject)"
    assert said["error"]["message"] == where
    assert not upstream.posts


def test_rejecting_touches_nothing_else(server, upstream):
    plain = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "words"},
    }
    live = server(CLAUDE_PROXY_PDF="reject")
    assert ask(live, ASK, plain).status_code == 200
    assert "words" in content(upstream)


# The direct pass.


@pytest.mark.parametrize("mode", ["native", "text"])
def test_an_upstream_that_speaks_messages_gets_the_pdf_as_it_came(server, upstream, mode):
    upstream.play(Reply(message("ok")))
    live = server(CLAUDE_PROXY_PDF=mode, CLAUDE_PROXY_UPSTREAM_DIALECT="messages")
    reply = ask(live, ASK, block(TWO_PAGES))
    assert reply.status_code == 200
    assert upstream.last.json["messages"] == body(ASK, block(TWO_PAGES))["messages"]
    assert "PDF" not in notes(reply)


# Counting.


def counted(live, *blocks):
    return ask(live, *blocks, path="/v1/messages/count_tokens").json()["input_tokens"]


def test_the_text_is_counted_that_will_be_sent(server):
    live = server()
    words = "\n".join(["seven words for a line of text"] * 50)
    as_text = {"type": "document", "source": {"type": "text", "data": words}}
    few, many = counted(live, block(TWO_PAGES)), counted(live, block(pdf_files.pdf(words)))
    assert few < 100
    assert abs(many - counted(live, as_text)) < 50


def test_files_are_counted_by_their_pages(server):
    live = server(**FILES)
    assert 4000 < counted(live, block(TWO_PAGES)) < 5000


def test_what_cannot_be_counted_is_told_by_the_counter(server, monkeypatch):
    monkeypatch.setattr(documents, "SECONDS", 0.0)
    live = server(CLAUDE_PROXY_UNKNOWN_MODEL="reject")
    assert counted(live, block(TWO_PAGES)) < 100
    path, unknown = "/v1/messages/count_tokens", {"model": "nobody"}
    assert ask(live, block(TWO_PAGES), path=path, **unknown).status_code == 200
    assert ask(live, block(TWO_PAGES), path=path, model=5).status_code == 400


# Limits.


def test_more_pdfs_than_are_read_are_left_out(server, upstream, monkeypatch):
    monkeypatch.setattr(documents, "MOST_PDFS", 2)
    raws = [pdf_files.pdf(f"number {n}") for n in range(4)]
    reply = ask(server(), *map(block, raws), block(raws[0]))
    said = content(upstream)
    assert "number 0" in said and "number 1" in said
    assert "number 2" not in said and "number 3" not in said
    assert said.count("[this PDF is left out") == 3
    assert notes(reply).count("a PDF is left out") == 3


def test_texts_that_are_too_long_together_are_left_out_from_the_end(server, upstream):
    raws = [pdf_files.pdf(lines(letter)) for letter in "abcdefgh"]
    live = server(CLAUDE_PROXY_PDF_MAX_CHARACTERS="1000")
    ask(live, *map(block, raws))
    said = content(upstream)
    shown = [letter for letter in "abcdefgh" if letter * 50 in said]
    assert shown == [*"abcde"] and said.count("[this PDF is left out") == 3
    first = upstream.last.json["messages"]
    # A later turn leaves out the same ones.
    ask(live, *map(block, raws), block(raws[0]))
    again = upstream.last.json["messages"]
    assert again[0]["content"].startswith(first[0]["content"])


@pytest.mark.fault("pdf")
def test_reading_that_takes_long_is_429_and_goes_on_later(server, upstream, monkeypatch):
    monkeypatch.setattr(documents, "SECONDS", 0.0)
    live = server()
    reply = ask(live, block(TWO_PAGES))
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    assert reply.json()["error"]["type"] == "rate_limit_error"
    assert not upstream.posts
    monkeypatch.setattr(documents, "SECONDS", 60.0)
    assert ask(live, block(TWO_PAGES)).status_code == 200


@pytest.mark.fault("pdf", "left")
def test_when_the_client_leaves_its_process_ends(server, upstream, tmp_path, monkeypatch):
    folder = library(tmp_path, "time.sleep(3600)")
    monkeypatch.setattr(reader, "find_library", lambda: folder)
    live = server()
    client = post_raw(live.port, **body(block(TWO_PAGES)), stream=True)
    assert soon(lambda: len(readers()) == 1)
    # Others are served meanwhile.
    assert ask(live, ASK).status_code == 200
    client.close()
    assert soon(lambda: not readers())
    assert soon(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)
    assert len(upstream.posts) == 1


@pytest.mark.fault("pdf")
def test_a_server_that_ends_takes_its_processes_along(upstream):
    with started(upstream, **TEXTS, CLAUDE_PROXY_DRAIN_SECONDS="0") as live:
        client = post_raw(live.port, **body(block(pdf_files.slow_pdf())), stream=False)
        assert soon(lambda: len(readers(live.pid)) == 1)
        (process,) = readers(live.pid)
        live.end()
        assert soon(lambda: parent_of(process) is None)
        assert read_until(client).startswith(b"HTTP/1.1 503 ")


@pytest.mark.fault("pdf")
def test_one_request_with_a_bomb_costs_the_server_little(upstream):
    with started(upstream, **TEXTS) as live:
        ask(live, ASK)
        live.forget_peak()
        before = live.resident()
        assert ask(live, block(pdf_files.bomb_pdf(300))).status_code == 200
        assert live.peak() - before < 32 * (1 << 20)
        assert not readers(live.pid)
