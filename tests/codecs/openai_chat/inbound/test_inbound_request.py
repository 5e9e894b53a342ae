"""Chat → Messages requests: the golden tables, and laws over conversations of any kind."""

import copy
from typing import Any

import pytest
from hypothesis import strategies as st

from claude_proxy.codecs import anthropic_messages
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat import (
    decode_request,
    encode_request,
    include_usage,
    peek,
    wants_functions,
)
from claude_proxy.codecs.openai_chat.inbound.schema import closed
from claude_proxy.errors import RequestError, UnsupportedContentError
from claude_proxy.profiles import GENERIC
from tests.codecs.openai_chat.inbound.inbound_cases import (
    Case,
    Json,
    Refused,
    blocks,
    broken_rules,
    load_cases,
    load_refused,
    texts,
)
from tests.fuzz.law import law
from tests.request_cases import load_captures

CASES = load_cases()
HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
def test_golden(case: Case) -> None:
    dropped: list[list[str]] = []
    request = decode_request(case.chat, on_drop=lambda path, why: dropped.append([path, why]))
    assert request == case.messages
    assert dropped == case.dropped


@each_case
def test_golden_requests_are_legal(case: Case) -> None:
    assert broken_rules(case.messages) == []
    assert anthropic_messages.decode_request(case.messages) == case.messages


@each_case
def test_the_body_stays_as_it_is(case: Case) -> None:
    before = copy.deepcopy(case.chat)
    first = dumps(decode_request(case.chat))
    assert case.chat == before
    assert dumps(decode_request(before)) == first


@pytest.mark.parametrize("case", load_refused(), ids=lambda case: case.name)
def test_refused(case: Refused) -> None:
    with pytest.raises(RequestError) as caught:
        decode_request(case.chat)
    error = caught.value
    assert (error.status, error.message, error.param) == (400, case.error, case.param)
    assert error.message.startswith(f"{error.param}: ")


def test_what_cannot_be_sent_at_all_is_told_apart() -> None:
    with pytest.raises(UnsupportedContentError):
        decode_request({**HI, "n": 2})


def test_the_default_limit_is_an_argument() -> None:
    assert decode_request(HI, max_tokens=64)["max_tokens"] == 64


def test_peek() -> None:
    assert peek({"model": "gpt-4o"}) == anthropic_messages.peek({"model": "gpt-4o"})
    assert peek({"model": "gpt-4o", "stream": True}).stream
    with pytest.raises(RequestError, match="model: Field required"):
        peek({})


def test_what_the_answer_has_to_be_like() -> None:
    assert include_usage({"stream_options": {"include_usage": True}})
    assert not include_usage({"stream_options": {}})
    assert not include_usage({})
    assert wants_functions({"functions": [{"name": "f"}]})
    assert not wants_functions({"functions": [{"name": "f"}], "tools": [{}]})
    assert not wants_functions({})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [HI["messages"][0]] * 10_001}, "messages"),
        ({"messages": [{"role": "user", "content": ["x"] * 10_001}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": ["x"] * 9_000}] * 6}, "messages"),
        ({"messages": HI["messages"], "tools": [{}] * 10_001}, "tools"),
    ],
)
def test_lists_have_an_end(body: Json, param: str) -> None:
    with pytest.raises(RequestError, match="should have at most") as caught:
        decode_request({"model": "m", **body})
    assert (caught.value.limit, caught.value.param) == ("entries", param)


def nested(depth: int) -> Json:
    schema: Json = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "made"),
    [
        ({"type": "string"}, {"type": "string"}),
        ({"properties": {"a": True}}, {"properties": {"a": True}, "additionalProperties": False}),
        ({"type": ["object", "null"]}, None),
        ({"type": "object"}, None),
        (
            {"type": "object", "additionalProperties": None, "properties": {}},
            {"type": "object", "additionalProperties": False, "properties": {}},
        ),
        ({"properties": {}, "additionalProperties": True}, None),
        ({"anyOf": [{"type": "object"}, {"type": "null"}]}, None),
        ({"type": "array", "items": {"type": "object"}}, None),
        ({"allOf": [{"properties": {"a": {}}}]}, None),
        ({"oneOf": []}, None),
        ({"properties": {"a": {"patternProperties": {}}}}, None),
        (nested(50), nested(50)),
        (nested(5_000), None),
    ],
)
def test_schemas_are_closed_where_that_keeps_their_meaning(schema: Json, made: Any) -> None:
    assert closed(schema) == made


# Conversations of random roles, contents, ids and orders, most of which no client would send.

words = st.sampled_from(["", " ", "one", "two ", "\n"])
ids = st.sampled_from(["", "a", "b", "call_0", "odd|id", "x" * 70])
names = st.sampled_from(["f", "g"])
parts = st.builds(lambda text: {"type": "text", "text": text}, words)
pictures = st.just({"type": "image_url", "image_url": {"url": "https://example.com/a"}})
contents = words | st.none() | st.lists(parts, max_size=3)
calls = st.builds(
    lambda id, name, raw: {
        "id": id,
        "type": "function",
        "function": {"name": name, "arguments": raw},
    },
    ids,
    names,
    st.sampled_from(["", "{}", '{"a":1}', "{", "null"]),
)


def conversations(seen: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Json]]:
    """`seen`: what stands in user messages and results."""
    users = st.builds(lambda content: {"role": "user", "content": content}, seen)
    systems = st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["system", "developer"]),
        contents,
    )
    callers = st.builds(
        lambda content, calls: {"role": "assistant", "content": content, "tool_calls": calls},
        contents,
        st.lists(calls, max_size=3),
    )
    older = st.builds(
        lambda name: {"role": "assistant", "function_call": {"name": name, "arguments": "{}"}},
        names,
    )
    results = st.builds(
        lambda id, content: {"role": "tool", "tool_call_id": id, "content": content}, ids, seen
    )
    functions = st.builds(
        lambda name, content: {"role": "function", "name": name, "content": content}, names, seen
    )
    messages = st.one_of(users, systems, callers, older, results, functions)
    return st.lists(messages, min_size=1, max_size=8)


@law(conversations(contents | st.lists(parts | pictures, max_size=3)), few=300)
def test_any_conversation_becomes_a_legal_one(conversation: list[Json]) -> None:
    body = {"model": "m", "messages": conversation}
    before = copy.deepcopy(body)
    request = decode_request(body)
    assert broken_rules({**request}) == []
    anthropic_messages.decode_request({**request})
    assert body == before


@law(conversations(contents), few=200)
def test_a_legal_conversation_keeps_its_texts_calls_and_results(conversation: list[Json]) -> None:
    """Messages → Chat → Messages is the same, as far as Chat can say it."""
    request = decode_request({"model": "m", "messages": conversation})
    chat = encode_request(request, profile=GENERIC)
    again = decode_request(chat)
    assert meaning({**again}) == meaning({**request})


def meaning(request: Json) -> Json:
    """The system prompt, and each message's text, calls and results. Chat joins texts, and says
    in words that a result is an error, or that there is none."""
    said: list[Any] = []
    for message in request["messages"]:
        calls = [(call["name"], call["input"]) for call in blocks(message, "tool_use")]
        results = [
            joined({"content": block["content"]})
            .removeprefix("[toolerror]")
            .replace("(nooutput)", "")
            for block in blocks(message, "tool_result")
        ]
        said.append((message["role"], joined(message), calls, results))
    return {"system": joined({"content": request.get("system", "")}), "said": said}


def joined(message: Json) -> str:
    return "".join("".join(texts(message)).split())


@pytest.mark.parametrize("name", load_captures())
def test_requests_of_the_real_client_survive_chat(name: str) -> None:
    request = anthropic_messages.decode_request(load_captures()[name])
    again = decode_request(encode_request(request, profile=GENERIC))
    assert broken_rules({**again}) == []
    calls = [len(blocks(message, "tool_use")) for message in request["messages"]]
    assert sum(len(blocks(message, "tool_use")) for message in again["messages"]) == sum(calls)


junk = st.sampled_from(
    [None, True, -1, 0, 1.5, 10**20, "", " ", "x", "none", "data:", [], [None], [[]], {}]
    + [{"type": "text"}, {"type": []}, {"name": "x"}, {"role": "user"}, ["x"], [{"x": 1}]]
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container in a value with each of its keys or indexes."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            inner += [(value, key), *places(value[key])]
    return inner


@law(st.sampled_from(CASES), st.integers(0, 10**6), junk, st.booleans(), few=600)
def test_a_broken_request_is_refused_or_becomes_a_legal_one(
    case: Case, at: int, value: Any, gone: bool
) -> None:
    body = copy.deepcopy(case.chat)
    spots = places(body)
    container, key = spots[at % len(spots)]
    if gone:
        del container[key]
    else:
        container[key] = value
    try:
        request = decode_request(body)
    except RequestError as error:
        assert error.param
        return
    assert broken_rules({**request}) == []
    anthropic_messages.decode_request({**request})
    dumps(encode_request(request, profile=GENERIC))
