"""Our searches are no searches for a server of Anthropic's language."""

import json

import msgspec
import pytest

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.web_search.citations import citations
from claude_proxy.codecs.web_search.hits import Failure, Found, Hit, result_block
from claude_proxy.codecs.web_search.ours import holds_ours, without_ours

CATS = Hit("https://cats.example/", "Cats", "They purr.")
USE = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}}
SO = {"type": "text", "text": "So."}


def retold(*blocks):
    messages = [{"role": "assistant", "content": list(blocks)}]
    told, changed = without_ours(msgspec.Raw(dumps(messages)))
    assert holds_ours(dumps(messages)) or not changed
    return json.loads(dumps(told))[0]["content"], changed


def test_what_was_found_is_text_and_the_call_is_gone():
    content, changed = retold(SO, USE, result_block("s1", Found((CATS,))), SO)
    words = "[web search results]\nCats\nhttps://cats.example/\nThey purr."
    assert content == [SO, {"type": "text", "text": words}, SO] and changed == [0]


def test_what_failed_is_told_too():
    content, _ = retold(USE, result_block("s1", Failure("unavailable", "It is down.")))
    assert content[0]["text"].endswith("The search failed: unavailable. It is down.")


def test_citations_of_ours_are_left_out():
    text = {"type": "text", "text": CATS.url}
    ours = citations(CATS.url, [[CATS]])
    theirs = {"type": "char_location", "document_index": 0}
    assert retold({**text, "citations": ours})[0] == [text]
    both = {**text, "citations": [*ours, theirs, 7]}
    assert retold(both)[0] == [{**text, "citations": [theirs, 7]}]


def test_anthropics_own_searches_stay():
    page = {"type": "web_search_result", "encrypted_content": "Eqgf", "title": "T", "url": "u"}
    block = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [page]}
    assert retold(USE, block) == ([USE, block], [])
    failed = {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    assert retold(USE, {**block, "content": failed})[1] == []


@pytest.mark.parametrize(
    "odd",
    [
        *("7", '"cpws1:"', "{}", "null", '[7,"cpws1:x",null]', '[{"content":"cpws1:"}]'),
        '[{"role":"assistant","content":[7,{"type":"web_search_tool_result","content":["cpws1:"]}]}]',
        '[{"role":"assistant","content":{"error_message":"x"}}]',
    ],
)
def test_what_is_no_message_is_left_alone(odd):
    assert without_ours(msgspec.Raw(odd.encode()))[1] == []


def test_parsed_messages_are_read_as_well():
    content = [USE, result_block("s1", Found((CATS,)))]
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": content}]
    assert without_ours(messages)[1] == [1]
    assert without_ours(None) == ([], [])
