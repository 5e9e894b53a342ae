"""Messages → Chat requests: the golden table, and laws over all we have."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat.request import encode_request, tool_names
from claude_proxy.errors import RequestError
from tests.chat_rules import broken_rules
from tests.request_cases import NAMED, Case, load_captures, load_cases

CASES = load_cases()
CAPTURES = load_captures()
GPT_4O = NAMED["openai/gpt-4o"]
PROFILES = [GPT_4O, NAMED["generic"], NAMED["openai/gpt-5.4"]]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_capture = pytest.mark.parametrize("body", CAPTURES.values(), ids=CAPTURES.keys())
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


@each_case
def test_golden(case: Case) -> None:
    dropped: list[list[str]] = []
    request = decode_request(case.messages)
    chat = encode_request(
        request, profile=case.profile, on_drop=lambda path, why: dropped.append([path, why])
    )
    assert chat == case.chat
    assert dropped == case.dropped


@each_case
def test_golden_requests_keep_the_rules(case: Case) -> None:
    assert broken_rules(case.chat) == []


@each_case
def test_the_request_stays_as_it_is(case: Case) -> None:
    before = copy.deepcopy(case.messages)
    encode_request(decode_request(case.messages), profile=case.profile)
    assert case.messages == before


@each_case
def test_equal_requests_give_equal_bytes(case: Case) -> None:
    request = decode_request(case.messages)
    again = decode_request(copy.deepcopy(case.messages))
    first = dumps(encode_request(request, profile=case.profile))
    assert dumps(encode_request(again, profile=case.profile)) == first


@each_profile
@each_capture
def test_requests_of_the_real_client_keep_the_rules(body: dict[str, Any], profile: Any) -> None:
    before = copy.deepcopy(body)
    chat = encode_request(decode_request(body), profile=profile)
    assert broken_rules(chat) == []
    assert body == before


@each_capture
def test_no_text_of_the_real_client_gets_lost(body: dict[str, Any]) -> None:
    told = dumps(encode_request(decode_request(body), profile=GPT_4O)).decode()
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        for block in blocks:
            if block["type"] == "text":
                assert dumps(block["text"]).decode()[1:-1] in told


def test_threads_are_refused_so_that_the_client_sends_its_history() -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    request = decode_request({**body, "thread": {"type": "create"}})
    with pytest.raises(RequestError) as caught:
        encode_request(request, profile=GPT_4O)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    assert caught.value.details == {
        "error_code": "thread_unsupported_request",
        "unsupported": ["thread"],
    }


def test_counting_requests_have_no_limit() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    chat = encode_request(decode_request(body, require_max_tokens=False), profile=GPT_4O)
    assert chat == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def test_renamed_tools_are_restored_by_their_wire_name() -> None:
    request = decode_request(
        {
            "model": "m",
            "max_tokens": 1,
            "messages": [
                {"role": "user", "content": "Hi"},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "a", "name": "old.tool", "input": {}}],
                },
            ],
            "tools": [{"name": "db.query", "input_schema": {}}, {"name": "ok", "input_schema": {}}],
        }
    )
    names = tool_names(request, profile=GPT_4O)
    assert set(names.values()) == {"db.query", "old.tool"}
    chat = encode_request(request, profile=GPT_4O)
    sent = [tool["function"]["name"] for tool in chat["tools"]]
    assert [names.get(name, name) for name in sent] == ["db.query", "ok"]
    assert names[chat["messages"][1]["tool_calls"][0]["function"]["name"]] == "old.tool"


def test_deeply_nested_schemas_are_no_problem() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5_000):
        schema = {"type": "array", "items": schema}
    tool = {"name": "A", "strict": True, "input_schema": {"properties": {"a": schema}}}
    body = {"model": "m", "max_tokens": 1, "tools": [tool]}
    request = decode_request({**body, "messages": [{"role": "user", "content": "Hi"}]})
    assert "strict" not in encode_request(request, profile=GPT_4O)["tools"][0]["function"]


# Conversations of random roles, blocks, ids and orders, most of which no client would send.

texts = st.sampled_from(["", " ", "one", "two"])
ids = st.sampled_from(["", "a", "b", "call_0", "odd|id", "x" * 50])
names = st.sampled_from(["Read", "db.query", "n" * 80, ""])
text_blocks = st.builds(lambda text: {"type": "text", "text": text}, texts)
images = st.just({"type": "image", "source": {"type": "url", "url": "https://example.com/a"}})
pdfs = st.just(
    {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
    }
)
results = st.builds(
    lambda id, content, failed: {
        "type": "tool_result",
        "tool_use_id": id,
        "content": content,
        "is_error": failed,
    },
    ids,
    st.one_of(texts, st.none(), st.lists(st.one_of(text_blocks, images, pdfs), max_size=3)),
    st.booleans(),
)
calls = st.builds(lambda id, name: {"type": "tool_use", "id": id, "name": name}, ids, names)
thoughts = st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": ""}, texts)
others = st.sampled_from(
    [
        {"type": "redacted_thinking", "data": "x"},
        {"type": "web_search_tool_result", "content": []},
        {"type": "compaction", "content": None},
        {"type": "tool_removal", "tool": {"type": "tool_reference", "name": "Read"}},
        {"type": "novel"},
    ]
)
blocks = st.one_of(text_blocks, images, pdfs, results, calls, thoughts, others)
messages = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["user", "assistant", "system"]),
    st.one_of(texts, st.lists(blocks, max_size=4)),
)
bodies = st.builds(
    lambda messages, tools, choice: {
        "model": "m",
        "max_tokens": 1,
        "messages": messages,
        "tools": [{"name": name, "input_schema": {}} for name in tools if name],
        "tool_choice": {"type": "tool", "name": choice},
    },
    st.lists(messages, min_size=1, max_size=8),
    st.lists(names, max_size=4),
    names,
)
profiles = st.sampled_from(
    [*PROFILES, *(case.profile for case in CASES if case.profile.reasoning_history != "drop")]
)


@settings(max_examples=300, deadline=None)
@given(bodies, profiles)
def test_any_conversation_keeps_the_rules(body: dict[str, Any], profile: Any) -> None:
    before = copy.deepcopy(body)
    chat = encode_request(decode_request(body), profile=profile)
    assert broken_rules(chat) == []
    assert body == before


@settings(max_examples=200, deadline=None)
@given(bodies)
def test_every_call_is_sent_once_and_under_its_own_name(body: dict[str, Any]) -> None:
    request = decode_request(body)
    restored = tool_names(request, profile=GPT_4O)
    chat = encode_request(request, profile=GPT_4O)
    sent = [
        restored.get(call["function"]["name"], call["function"]["name"])
        for message in chat["messages"]
        for call in message.get("tool_calls", ())
    ]
    asked = [
        block["name"]
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
        if block["type"] == "tool_use"
    ]
    assert sent == asked
