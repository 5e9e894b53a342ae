"""Messages → Chat requests: the golden table, and laws over all we have."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat.reading import prose_or_parts
from claude_proxy.codecs.openai_chat.request import encode_request, tool_names
from claude_proxy.errors import RequestError
from tests.chat_rules import broken_rules
from tests.request_cases import CHAT_PROVIDERS, IN_CHAT, NAMED, Case, load_captures, load_cases

CASES = load_cases()
CAPTURES = load_captures()
GPT_4O = NAMED["openai/gpt-4o"]
PLAIN = [profile for profile in IN_CHAT.values() if profile.cache_control == "drop"]
"""Marks for a prompt cache are outside of what strict servers take."""
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
    assert chat == case.sent
    assert dropped == case.dropped


@each_case
def test_golden_requests_keep_the_rules(case: Case) -> None:
    assert broken_rules(case.sent) == []


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


@pytest.mark.parametrize("profile", PLAIN, ids=lambda profile: profile.name)
def test_every_profile_takes_requests_of_the_real_client(profile: Any) -> None:
    for name in ("parallel", "thinking_roundtrip", "toolsearch_flow", "image_read"):
        chat = encode_request(decode_request(CAPTURES[name]), profile=profile)
        assert broken_rules(chat) == []


def test_every_provider_has_cases() -> None:
    assert {case.profile.provider for case in CASES} == CHAT_PROVIDERS


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


@pytest.mark.pitfall(24)
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


@pytest.mark.parametrize(("count", "name"), [(128, "openai/gpt-4o"), (200, "generic")])
def test_many_tools_are_sent(count: int, name: str) -> None:
    chat = encode_request(many_tools(count), profile=NAMED[name])
    assert len(chat["tools"]) == count


@pytest.mark.pitfall(25)
@pytest.mark.parametrize("name", ["openai/gpt-4o", "openai", "azure"])
def test_more_tools_than_the_upstream_takes_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="takes 128 tools at most, and these are 129") as caught:
        encode_request(many_tools(129), profile=NAMED[name])
    assert caught.value.status == 400


def many_tools(count: int) -> Any:
    tools = [{"name": f"t{number}", "input_schema": {}} for number in range(count)]
    body = {"model": "m", "max_tokens": 1, "tools": tools}
    return decode_request({**body, "messages": [{"role": "user", "content": "Hi"}]})


def test_what_is_told_stands_beside_parts_that_are_marked() -> None:
    """Where a prompt cache is marked, prompts and answers are lists of parts."""
    mark = {"cache_control": {"type": "ephemeral"}}
    body = {"model": "m", "max_tokens": 1, "tools": [{"name": "A", "input_schema": {}}]}
    body |= {"system": [{"type": "text", "text": "Be brief.", **mark}]}
    said = [{"type": "thinking", "thinking": "hm", "signature": ""}]
    said.append({"type": "text", "text": "One moment.", **mark})
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": said}]
    messages.append({"role": "user", "content": "And?"})
    request = decode_request({**body, "messages": messages, "tool_choice": {"type": "any"}})
    marking = replace(
        NAMED["minimax"], cache_control="content_parts", reasoning_history="think_tags"
    )
    system, _, answer, _ = encode_request(request, profile=marking)["messages"]
    assert [part["text"][:12] for part in system["content"]] == ["Be brief.", "In this turn"]
    assert [part["text"] for part in answer["content"]] == ["<think>hm</think>", "One moment."]


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
profiles = st.sampled_from(PLAIN)


@pytest.mark.pitfall(27)
@settings(max_examples=300, deadline=None)
@given(bodies, profiles)
def test_any_conversation_keeps_the_rules(body: dict[str, Any], profile: Any) -> None:
    before = copy.deepcopy(body)
    chat = encode_request(decode_request(body), profile=profile)
    assert broken_rules(chat) == []
    assert body == before


@pytest.mark.pitfall(27)
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


def test_what_is_never_sent_is_left_out_with_a_note() -> None:
    body = {
        "model": "m",
        "max_tokens": 1,
        "temperature": 0.5,
        "metadata": {"user_id": "somebody"},
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
    }
    profile = replace(GPT_4O, without=frozenset({"temperature", "user", "top_p"}))
    dropped: list[tuple[str, str]] = []
    chat = encode_request(
        decode_request(body), profile=profile, on_drop=lambda *note: dropped.append(note)
    )
    assert sorted(chat) == ["max_tokens", "messages", "model", "stream", "stream_options"]
    assert dropped == [
        ("temperature", "temperature is not accepted by this model"),
        ("metadata.user_id", "user is not accepted by this model"),
    ]


def test_images_of_results_come_before_a_system_message_that_follows_the_call() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    result = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "image", "source": source}],
    }
    messages = [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "A", "input": {}}],
        },
        {"role": "system", "content": "Take care."},
        {"role": "user", "content": [result]},
    ]
    request = decode_request({"model": "m", "max_tokens": 9, "messages": messages})
    written = encode_request(request, profile=NAMED["openai/gpt-4o"])["messages"]
    assert [message["role"] for message in written] == [
        "user",
        "assistant",
        "tool",
        "user",
        "system",
    ]
    assert written[3]["content"][1]["type"] == "image_url"


def test_prose_is_one_text_and_media_stay_parts() -> None:
    image: Any = {"type": "image_url", "image_url": {"url": "https://a.example/1.png"}}
    assert prose_or_parts(["One.", "Two."]) == "One.\n\nTwo."
    assert prose_or_parts(["One.", image]) == ["One.", image]
