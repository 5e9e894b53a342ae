"""Messages → Responses requests: the golden table, and laws over all we have."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from claude_proxy import openai_responses
from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import Shared, dumps, dumps_body, loads, loads_body
from claude_proxy.codecs.openai_responses import encode_request, tool_names
from claude_proxy.codecs.openai_responses.reasoning import Reasoning, wrap
from claude_proxy.errors import RequestError
from tests.codecs.openai_chat.test_request import bodies
from tests.request_cases import NAMED, Case, load_captures, load_cases
from tests.responses_rules import broken_rules

CASES = load_cases("responses", 60)
CHAT_CASES = load_cases()
CAPTURES = load_captures()
GPT_5 = NAMED["openai/gpt-5"]
PROFILES = [GPT_5, NAMED["openai/gpt-4o"], NAMED["generic"]]

each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
each_request = pytest.mark.parametrize("case", CASES + CHAT_CASES, ids=lambda case: case.name)
each_capture = pytest.mark.parametrize("body", CAPTURES.values(), ids=CAPTURES.keys())
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)


@each_case
def test_golden(case: Case) -> None:
    dropped: list[list[str]] = []
    request = decode_request(case.messages)
    sent = encode_request(
        request, profile=case.profile, on_drop=lambda path, why: dropped.append([path, why])
    )
    assert sent == case.sent
    assert dropped == case.dropped


@each_profile
@each_request
def test_all_requests_keep_the_rules(case: Case, profile: Any) -> None:
    before = copy.deepcopy(case.messages)
    reasons: list[str] = []
    request = decode_request(case.messages)
    sent = encode_request(request, profile=profile, on_drop=lambda _, why: reasons.append(why))
    assert broken_rules(sent) == []
    assert case.messages == before
    assert not any("Chat" in why or "{" in why for why in reasons)


@each_request
def test_equal_requests_give_equal_bytes(case: Case) -> None:
    again = copy.deepcopy(case.messages)
    first, second = (
        dumps(encode_request(decode_request(body), profile=case.profile))
        for body in (case.messages, again)
    )
    assert first == second


@each_profile
@each_capture
def test_requests_of_the_real_client_keep_the_rules(body: dict[str, Any], profile: Any) -> None:
    before = copy.deepcopy(body)
    assert broken_rules(encode_request(decode_request(body), profile=profile)) == []
    assert body == before


@each_capture
def test_no_text_of_the_real_client_gets_lost(body: dict[str, Any]) -> None:
    told = dumps(encode_request(decode_request(body), profile=GPT_5)).decode()
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        for block in blocks:
            if block["type"] == "text":
                assert dumps(block["text"]).decode()[1:-1] in told


@each_capture
def test_the_session_of_the_real_client_is_its_cache_key(body: dict[str, Any]) -> None:
    sent = encode_request(decode_request(body), profile=GPT_5)
    session = loads(body["metadata"]["user_id"])["session_id"]
    assert sent["prompt_cache_key"] == session
    assert session not in sent["user"]


@pytest.mark.pitfall(15)
def test_choices_that_the_upstream_does_not_have_are_replaced() -> None:
    tools = [{"name": name, "input_schema": {}} for name in ("Read", "Write")]
    body = {"model": "m", "max_tokens": 99, "system": "Be brief.", "tools": tools}
    body |= {"messages": [{"role": "user", "content": "Hi"}]}
    choice = {"tool_choice": {"type": "tool", "name": "Write"}}
    request = decode_request({**body, **choice})
    words = replace(GPT_5, tool_choices=("auto", "none", "required"))
    sent = encode_request(request, profile=words)
    assert ([tool["name"] for tool in sent["tools"]], sent["tool_choice"]) == (
        ["Write"],
        "required",
    )
    sent = encode_request(request, profile=replace(GPT_5, tool_choices=("auto",)))
    assert (len(sent["tools"]), sent["tool_choice"]) == (2, "auto")
    assert sent["instructions"].startswith("Be brief.\n\nIn this turn you must call the tool `Wri")


def test_another_languages_word_for_a_required_call_is_not_sent() -> None:
    profile = replace(GPT_5, required_word="any")
    request: Any = {
        "model": "m",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "A", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "any"},
    }
    assert encode_request(request, profile=profile)["tool_choice"] == "required"


def test_threads_are_refused() -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}
    request = decode_request({**body, "thread": {"type": "create"}})
    with pytest.raises(RequestError, match="thread"):
        encode_request(request, profile=GPT_5)


def test_counting_requests_have_no_limit() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    request = decode_request(body, require_max_tokens=False)
    assert "max_output_tokens" not in encode_request(request, profile=GPT_5)


def test_tools_that_many_requests_share_are_written_once() -> None:
    tool = {"name": "a.b", "description": "ü" * 9000, "input_schema": {"type": "object"}}
    body = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "Hi"}]}
    raw = dumps({**body, "tools": [tool]})
    plain = encode_request(decode_request(loads(raw)), profile=GPT_5)
    first, second = (
        encode_request(decode_request(loads_body(raw)), profile=GPT_5) for _ in range(2)
    )
    assert first == second == plain
    assert isinstance(first["tools"], Shared) and first["tools"] is second["tools"]
    assert dumps_body(first) == dumps(plain)


def test_the_two_languages_share_parts_without_mixing_them_up() -> None:
    from claude_proxy import openai_chat

    tools = Shared([{"name": "A", "input_schema": {}, "cache_control": {"type": "ephemeral"}}])
    body = {"model": "m", "max_tokens": 20, "tools": tools, "messages": []}
    notes: list[str] = []
    for language in (openai_chat, openai_responses, openai_chat):
        notes.clear()
        sent = language.encode_request(
            {**body, "messages": [{"role": "user", "content": "Hi"}]},
            profile=GPT_5,
            on_drop=lambda _, why: notes.append(why),
        )
        assert ("function" in sent["tools"][0]) == (language is openai_chat)
        chat = language is openai_chat
        assert notes == [f"not part of {'Chat Completions' if chat else 'the Responses API'}"]


def _signed(body: dict[str, Any]) -> dict[str, Any]:
    """The same conversation with reasoning items in its thinking blocks."""
    signature = wrap(Reasoning("ENC", []), Seal.plain(GPT_5.name))
    for message in body["messages"]:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "thinking":
                block["signature"] = signature
    return body


@settings(max_examples=400, deadline=None)
@given(bodies | bodies.map(_signed))
def test_any_conversation_keeps_the_rules(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    request = decode_request(body)
    for profile in PROFILES:
        sent = encode_request(request, profile=profile)
        assert broken_rules(sent) == []
        restored = tool_names(request, profile=profile)
        calls = [item["name"] for item in sent["input"] if item["type"] == "function_call"]
        assert [restored.get(name, name) for name in calls] == _asked(body)
    assert body == before


def _asked(body: dict[str, Any]) -> list[str]:
    contents = [message["content"] for message in body["messages"]]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return [block["name"] for block in blocks if block["type"] == "tool_use"]


def test_what_is_never_sent_is_left_out_with_a_note() -> None:
    body = {
        "model": "m",
        "max_tokens": 20,
        "temperature": 0.5,
        "messages": [{"role": "user", "content": "Hi"}],
    }
    profile = replace(NAMED["openai/gpt-4o"], without=frozenset({"temperature"}))
    dropped: list[tuple[str, str]] = []
    sent = encode_request(
        decode_request(body), profile=profile, on_drop=lambda *note: dropped.append(note)
    )
    assert "temperature" not in sent and sent["store"] is False
    assert dropped == [("temperature", "temperature is not accepted by this model")]
