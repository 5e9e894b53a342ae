"""The edge of the Messages language: what is refused, in which words, and what lives on."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_proxy.codecs import Peek, anthropic_messages
from claude_proxy.codecs.anthropic_messages import BLOCKS, decode_request, encode_error, peek
from claude_proxy.codecs.openai_chat.request import encode_request, tool_names
from claude_proxy.errors import RequestError, UpstreamError
from tests.request_cases import NAMED, load_captures, load_cases

GPT_4O = NAMED["openai/gpt-4o"]


def body(**fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hi"}]
    return {"model": "m", "max_tokens": 1, "messages": messages, **fields}


def one(block: Any, role: str = "user") -> dict[str, Any]:
    return body(messages=[{"role": role, "content": [block]}])


def refusal(request: dict[str, Any]) -> str:
    with pytest.raises(RequestError) as caught:
        decode_request(request)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    return caught.value.message


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in body().items() if key != name}


STRING = "Input should be a valid string"
LIST = "Input should be a valid list"
OBJECT = "Input should be a valid dictionary"
INTEGER = "Input should be a valid integer"
NUMBER = "Input should be a valid number"
BOOLEAN = "Input should be a valid boolean"
MISSING = "Field required"
MANY = "List should have at most 10000 items, not 10001"
MANY_INSIDE = f"messages.0.content.0.content: {MANY}"
TURN = {"role": "user", "content": "Hi"}
TEXT = {"type": "text", "text": "Hi"}

REFUSED: list[tuple[dict[str, Any], str]] = [
    (without("model"), f"model: {MISSING}"),
    (body(model=3), f"model: {STRING}"),
    (body(model=""), "model: String should have at least 1 character"),
    (without("max_tokens"), f"max_tokens: {MISSING}"),
    (body(max_tokens=None), f"max_tokens: {MISSING}"),
    (body(max_tokens=0), "max_tokens: Input should be greater than or equal to 1"),
    (body(max_tokens=True), f"max_tokens: {INTEGER}"),
    (body(max_tokens=1.5), f"max_tokens: {INTEGER}"),
    (body(max_tokens="1"), f"max_tokens: {INTEGER}"),
    (without("messages"), f"messages: {MISSING}"),
    (body(messages=None), f"messages: {LIST}"),
    (body(messages={}), f"messages: {LIST}"),
    (body(messages=[]), "messages: at least one message is required"),
    (body(messages=[TURN] * 10_001), f"messages: {MANY}"),
    (one({"type": "tool_result", "tool_use_id": "t", "content": [TEXT] * 10_001}), MANY_INSIDE),
    (body(system=[TEXT] * 10_001), f"system: {MANY}"),
    (body(tools=[{"name": "t"}] * 10_001), f"tools: {MANY}"),
    (body(messages=["Hi"]), f"messages.0: {OBJECT}"),
    (body(messages=[{"content": "Hi"}]), f"messages.0.role: {MISSING}"),
    (
        body(messages=[{"role": "tool", "content": "Hi"}]),
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ),
    (
        body(messages=[{"role": ["user"], "content": "Hi"}]),
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ),
    (body(messages=[{"role": "user"}]), f"messages.0.content: {MISSING}"),
    (body(messages=[{"role": "system"}]), f"messages.0.content: {MISSING}"),
    (
        body(messages=[{"role": "user", "content": 3}]),
        "messages.0.content: Input should be a valid string or a list of blocks",
    ),
    (
        body(messages=[{"role": "system", "output_config": 3}]),
        f"messages.0.output_config: {OBJECT}",
    ),
    (
        body(messages=[{"role": "system", "content": "", "output_config": {"effort": 3}}]),
        f"messages.0.output_config.effort: {STRING}",
    ),
    (one("text"), f"messages.0.content.0: {OBJECT}"),
    (one({"text": "Hi"}), f"messages.0.content.0.type: {MISSING}"),
    (one({"type": None}), f"messages.0.content.0.type: {STRING}"),
    (one({"type": "text"}), f"messages.0.content.0.text: {MISSING}"),
    (one({"type": "text", "text": None}), f"messages.0.content.0.text: {STRING}"),
    (one({"type": "image"}), f"messages.0.content.0.source: {MISSING}"),
    (one({"type": "image", "source": "x"}), f"messages.0.content.0.source: {OBJECT}"),
    (one({"type": "image", "source": {}}), f"messages.0.content.0.source.type: {MISSING}"),
    (
        one({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}),
        f"messages.0.content.0.source.data: {MISSING}",
    ),
    (
        one({"type": "image", "source": {"type": "url", "url": 3}}),
        f"messages.0.content.0.source.url: {STRING}",
    ),
    (
        one({"type": "document", "title": 3, "source": {"type": "text", "data": "x"}}),
        f"messages.0.content.0.title: {STRING}",
    ),
    (
        one({"type": "document", "source": {"type": "content", "content": [3]}}),
        f"messages.0.content.0.source.content.0: {OBJECT}",
    ),
    (
        one({"type": "tool_use", "id": 3, "name": "A"}, "assistant"),
        f"messages.0.content.0.id: {STRING}",
    ),
    (
        one({"type": "tool_use", "id": "a"}, "assistant"),
        f"messages.0.content.0.name: {MISSING}",
    ),
    (
        one({"type": "tool_use", "id": "a", "name": "A", "input": [1]}, "assistant"),
        f"messages.0.content.0.input: {OBJECT}",
    ),
    (one({"type": "tool_result"}), f"messages.0.content.0.tool_use_id: {MISSING}"),
    (
        one({"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}),
        f"messages.0.content.0.content.0.text: {MISSING}",
    ),
    (one({"type": "thinking", "thinking": 3}), f"messages.0.content.0.thinking: {STRING}"),
    (
        one({"type": "tool_addition", "tool": {"definition": {"input_schema": 3}}}),
        f"messages.0.content.0.tool.definition.input_schema: {OBJECT}",
    ),
    (
        one({"type": "compaction", "tool_changes": [{"tool": 3}]}),
        f"messages.0.content.0.tool_changes.0.tool: {OBJECT}",
    ),
    (body(system=3), "system: Input should be a valid string or a list of blocks"),
    (body(system=[{"type": "text", "text": 3}]), f"system.0.text: {STRING}"),
    (body(tools={}), f"tools: {LIST}"),
    (body(tools=["Read"]), f"tools.0: {OBJECT}"),
    (body(tools=[{"input_schema": {}}]), f"tools.0.name: {MISSING}"),
    (body(tools=[{"name": 3}]), f"tools.0.name: {STRING}"),
    (body(tools=[{"name": "A", "type": 3}]), f"tools.0.type: {STRING}"),
    (body(tools=[{"name": "A", "description": []}]), f"tools.0.description: {STRING}"),
    (body(tools=[{"name": "A", "input_schema": []}]), f"tools.0.input_schema: {OBJECT}"),
    (body(tools=[{"name": "A", "input_examples": [3]}]), f"tools.0.input_examples.0: {OBJECT}"),
    (body(tool_choice="auto"), f"tool_choice: {OBJECT}"),
    (body(tool_choice={}), f"tool_choice.type: {MISSING}"),
    (body(tool_choice={"type": "tool", "name": 3}), f"tool_choice.name: {STRING}"),
    (
        body(tool_choice={"type": "any", "disable_parallel_tool_use": 1}),
        f"tool_choice.disable_parallel_tool_use: {BOOLEAN}",
    ),
    (body(stop_sequences="END"), f"stop_sequences: {LIST}"),
    (body(stop_sequences=[3]), f"stop_sequences.0: {STRING}"),
    (body(stream="yes"), f"stream: {BOOLEAN}"),
    (body(temperature="hot"), f"temperature: {NUMBER}"),
    (body(top_p=True), f"top_p: {NUMBER}"),
    (body(top_k=1.5), f"top_k: {INTEGER}"),
    (body(metadata="x"), f"metadata: {OBJECT}"),
    (body(metadata={"user_id": 3}), f"metadata.user_id: {STRING}"),
    (body(thinking=True), f"thinking: {OBJECT}"),
    (
        body(thinking={"type": "enabled", "budget_tokens": "1"}),
        f"thinking.budget_tokens: {INTEGER}",
    ),
    (body(output_config=[]), f"output_config: {OBJECT}"),
    (body(output_config={"format": "json"}), f"output_config.format: {OBJECT}"),
    (body(output_format="json"), f"output_format: {OBJECT}"),
]


@pytest.mark.parametrize(("request_body", "message"), REFUSED, ids=[row[1] for row in REFUSED])
def test_wrong_fields_are_named_with_their_path(request_body: dict[str, Any], message: str) -> None:
    assert refusal(request_body) == message


ACCEPTED = [case.messages for case in load_cases()] + list(load_captures().values())


def test_good_requests_are_passed_on_as_they_are() -> None:
    for request_body in ACCEPTED:
        before = copy.deepcopy(request_body)
        assert decode_request(request_body) is request_body
        assert request_body == before


def test_as_many_as_allowed_are_allowed() -> None:
    turns = [{"role": "user", "content": [TEXT] * 10_000}, *[TURN] * 9_999]
    assert decode_request(body(messages=turns))["messages"] == turns


def test_what_is_unknown_lives_on() -> None:
    block = {"type": "novel", "x": [1]}
    source = {"type": "image", "source": {"type": "novel"}}
    messages = [{"role": "user", "content": [block, source], "odd": 1}]
    request_body = body(messages=messages, odd={"a": 1}, tools=[{"type": "novel_2030"}])
    assert decode_request(request_body) is request_body


def test_counting_needs_no_limit() -> None:
    assert decode_request(without("max_tokens"), require_max_tokens=False)["model"] == "m"


@pytest.mark.parametrize(("stream", "expected"), [(True, True), (False, False), (None, False)])
def test_peek_reads_what_routing_needs(stream: Any, expected: bool) -> None:
    assert peek(body(stream=stream)) == Peek(model="m", stream=expected)


def test_peek_needs_a_model() -> None:
    with pytest.raises(RequestError, match="model: Field required"):
        peek({"messages": []})


def test_errors_have_anthropics_envelope() -> None:
    error = UpstreamError("too many", status=429)
    assert encode_error(error, request_id="req_1") == (
        429,
        {
            "type": "error",
            "error": {"type": "rate_limit_error", "message": "too many"},
            "request_id": "req_1",
        },
    )


def test_details_are_part_of_the_error() -> None:
    error = RequestError("no", details={"error_code": "x"})
    assert encode_error(error) == (
        400,
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": "no",
                "details": {"error_code": "x"},
            },
        },
    )


# Whatever a field holds, the answer is a 400 or a translation, and never a crash.

junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 9), st.floats(0, 1), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "text", "name", "content", "source", "tool", "id", "effort"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=8,
)
FIELDS = sorted({name for request_body in ACCEPTED for name in request_body})
KEYS = [
    *("content", "source", "text", "id", "name", "input", "tool_use_id", "is_error", "citations"),
    *("title", "context", "cache_control", "tool", "tool_changes", "tools", "tabs", "from", "to"),
    *("thinking", "transformations", "encrypted_content", "server_name", "caller"),
]
kinds = [*BLOCKS, "server_tool_use", "web_search_tool_result", "web_fetch_tool_result"]
kinds += ["code_execution_tool_result", "mcp_tool_use", "mcp_tool_result", "browser_state"]
kinds += ["advisor_tool_result", "text_editor_code_execution_tool_result", "fallback"]
kinds += ["tool_search_tool_result", "mcp_tool_listing", "tool_removal", "container_upload"]
blocks = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(kinds),
    st.dictionaries(st.sampled_from(KEYS), junk, max_size=4),
)
tools = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(["custom", "bash_1", "web_search_1", "novel", None, 3]),
    st.dictionaries(
        st.sampled_from(["name", "input_schema", "strict", "input_examples", "description"]), junk
    ),
)


def never_crashes(request_body: dict[str, Any]) -> None:
    try:
        request = decode_request(request_body)
        encode_request(request, profile=GPT_4O)
        tool_names(request, profile=GPT_4O)
    except RequestError as error:
        assert error.status == 400


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), junk, max_size=3))
def test_any_value_in_any_field_is_handled(fields: dict[str, Any]) -> None:
    never_crashes(body(**fields))


@settings(max_examples=500, deadline=None)
@given(st.lists(blocks, max_size=3), st.sampled_from(["user", "assistant", "system"]))
def test_any_value_in_any_block_is_handled(content: list[Any], role: str) -> None:
    never_crashes(body(messages=[{"role": role, "content": content}]))


@settings(max_examples=300, deadline=None)
@given(st.lists(tools, max_size=3))
def test_any_value_in_any_tool_is_handled(declared: list[Any]) -> None:
    never_crashes(body(tools=declared))


TEXTS = [{"type": "text", "text": "a"}] * 99
HOLDERS = {
    "a message": TEXTS,
    "results": [{"type": "tool_result", "tool_use_id": "a", "content": TEXTS[:32]}] * 3,
    "search results": [
        {"type": "search_result", "source": "a", "title": "b", "content": TEXTS[:32]},
        *TEXTS[:66],
    ],
    "documents": [
        {"type": "document", "source": {"type": "content", "content": TEXTS[:48]}},
        {"type": "document", "source": {"type": "content", "content": TEXTS[:49]}},
    ],
}


@pytest.mark.parametrize("content", HOLDERS.values(), ids=HOLDERS.keys())
def test_blocks_are_counted_over_all_messages(monkeypatch, content) -> None:
    """99 in each message, those inside of others included."""
    monkeypatch.setattr(anthropic_messages, "MOST_BLOCKS", 300)
    body = {"model": "m", "max_tokens": 1}
    told = {"role": "user", "content": content}
    plain = {"role": "user", "content": "text"}
    decode_request({**body, "messages": [told, plain, told, told]})
    with pytest.raises(RequestError, match="at most 300 content blocks") as caught:
        decode_request({**body, "messages": [told, plain, told, told, told]})
    assert caught.value.limit == "entries"


ERRORS = [
    # status, body, our status, error type, message
    (529, b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', 529)
    + ("overloaded_error", "busy"),
    (400, b'{"type":"error","error":{"type":"new_error","message":"odd"}}', 400)
    + ("invalid_request_error", "odd"),
    (500, b'{"type":"error","error":{"message":""}}', 500)
    + ("api_error", "The upstream answered 500 Internal Server Error without a message"),
    (404, b'{"detail":"Not Found"}', 404)
    + ("not_found_error", "The upstream answered 404 Not Found without a message"),
    (599, b"no", 599) + ("api_error", "The upstream answered 599 (unknown status)"),
    (302, b"", 502) + ("api_error", "The upstream answered 302 Found"),
    (200, b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', 429)
    + ("rate_limit_error", "slow"),
    (200, b'{"type":"error","error":{"type":"api_error","message":"oops"}}', 502)
    + ("api_error", "oops"),
    (302, b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', 502)
    + ("api_error", "slow"),
    (503, b'{"type":"error","error":"busy"}', 503) + ("overloaded_error", "answered 503"),
    (503, b'{"type":"error","error":{"type":["a"],"message":7}}', 503)
    + ("overloaded_error", "answered 503"),
]


@pytest.mark.parametrize(("status", "body", "ours", "kind", "message"), ERRORS)
def test_decode_error(status, body, ours, kind, message):
    error = anthropic_messages.decode_error(status, body)
    assert (error.status, error.type) == (ours, kind)
    assert message in error.message


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        (b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}', True),
        (b'{"error":{"message":"no such path"}}', False),
        (b'{"type":"error"}', False),
        (b"[]", False),
        (b"<html>", False),
    ],
)
def test_the_words_of_this_language(body, is_one):
    assert anthropic_messages.is_error(body) is is_one
