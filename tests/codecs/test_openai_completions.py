"""The legacy Completions: golden requests, and answers whole and streamed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from openai.types import Completion, completion_create_params
from typing_extensions import get_type_hints

from claude_proxy.codecs import anthropic_messages
from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.openai_completions import (
    CHAT_FIELDS,
    DROPPED_FIELDS,
    OWN_FIELDS,
    StreamEncoder,
    decode_request,
    echo_of,
    encode_response,
    include_usage,
    peek,
)
from claude_proxy.errors import RequestError
from claude_proxy.types.anthropic import Message, StreamEvent
from tests.fuzz.law import law

FOLDER = Path(__file__).parents[1] / "cases" / "openai_completions"
REQUESTS = json.loads((FOLDER / "requests.json").read_text("utf-8"))
REFUSED = json.loads((FOLDER / "refused.json").read_text("utf-8"))
NOW = 1_700_000_000
Json = dict[str, Any]


@pytest.mark.parametrize("case", REQUESTS, ids=lambda case: case["why"])
def test_golden(case: Json) -> None:
    before = copy.deepcopy(case["completions"])
    dropped: list[list[str]] = []
    request = decode_request(
        case["completions"], on_drop=lambda path, why: dropped.append([path, why])
    )
    assert request == case["messages"]
    assert dropped == case["dropped"]
    assert case["completions"] == before
    anthropic_messages.decode_request({**request})


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["why"])
def test_refused(case: Json) -> None:
    with pytest.raises(RequestError) as caught:
        decode_request(case["completions"])
    error = caught.value
    assert (error.status, error.message, error.param) == (400, case["error"], case["param"])


def test_every_field_of_the_sdk_is_known() -> None:
    fields = get_type_hints(completion_create_params.CompletionCreateParamsStreaming)
    assert fields.keys() <= {*CHAT_FIELDS, *OWN_FIELDS, *DROPPED_FIELDS}


def test_what_the_answer_has_to_be_like() -> None:
    body = {"model": "m", "prompt": ["Once"], "echo": True, "stream": True}
    assert echo_of(body) == "Once"
    assert echo_of({**body, "echo": None}) == ""
    assert peek(body).stream
    assert not include_usage(body)


def message(content: list[Any], reason: Any = "end_turn") -> Message:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 4,
            "output_tokens": 2,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 3,
        },
    }


TEXT = {"type": "text", "text": " upon"}
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}


def test_an_answer() -> None:
    dropped: list[tuple[str, str]] = []
    answer = encode_response(
        message([THOUGHT, TEXT, TEXT]),
        created=NOW,
        echo="Once",
        on_drop=lambda path, why: dropped.append((path, why)),
    )
    assert answer == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": NOW,
        "model": "claude-x",
        "choices": [
            {"text": "Once upon upon", "index": 0, "logprobs": None, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 2,
            "total_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 3},
        },
    }
    assert dropped == [("content.0", "an answer here is text only")]
    assert Completion.model_validate(answer, strict=True).choices[0].text == "Once upon upon"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "stop"),
        (None, "stop"),
    ],
)
def test_ends(reason: Any, finish: str) -> None:
    answer = encode_response(message([CALL], reason), created=NOW)
    assert answer["choices"][0]["finish_reason"] == finish


def streamed(events: list[StreamEvent], **options: Any) -> list[str]:
    encoder = StreamEncoder(created=NOW, **options)
    raw = b"".join(encoder.feed(event) for event in events) + encoder.close()
    assert encoder.ended
    return raw.decode().removesuffix("\n\n").split("\n\n")


def chunk(text: str, finish: str | None = None, **more: Any) -> Json:
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}
    head = {"id": "cmpl-1", "object": "text_completion", "created": NOW, "model": "claude-x"}
    return {**head, "choices": [choice], **more}


def test_a_stream() -> None:
    events = unfold(message([THOUGHT, TEXT, {**CALL}]))
    dropped: list[str] = []
    lines = streamed(events, echo="Once", on_drop=lambda path, why: dropped.append(path))
    assert [json.loads(line.removeprefix("data: ")) for line in lines[:-1]] == [
        chunk("Once"),
        chunk(" upon"),
        chunk("", "stop"),
    ]
    assert lines[-1] == "data: [DONE]"
    assert dropped == ["content.0", "content.2"]


def test_a_stream_with_usage_and_pings() -> None:
    ping: StreamEvent = {"type": "ping"}
    lines = streamed([*unfold(message([TEXT])), ping], include_usage=True)
    usage = encode_response(message([]), created=NOW)["usage"]
    assert [json.loads(line.removeprefix("data: ")) for line in lines[:-1]] == [
        chunk(" upon", usage=None),
        chunk("", "stop", usage=None),
        {**chunk(""), "choices": [], "usage": usage},
    ]
    assert streamed([ping])[0] == ": keep-alive"


def test_a_text_that_comes_with_the_start_of_its_block() -> None:
    start: Any = {"type": "content_block_start", "index": 0, "content_block": TEXT}
    lines = streamed([unfold(message([]))[0], start, *unfold(message([]))[1:]])
    assert json.loads(lines[0].removeprefix("data: ")) == chunk(" upon")


def test_errors_end_a_stream_without_done() -> None:
    error: StreamEvent = {"type": "error", "error": {"type": "rate_limit_error", "message": "no"}}
    body = {"message": "no", "type": "rate_limit_error", "param": None}
    [line] = streamed([error])
    assert json.loads(line.removeprefix("data: ")) == {
        "error": {**body, "code": "rate_limit_exceeded"}
    }
    [*_, line] = streamed(unfold(message([TEXT]))[:-1])
    assert "ended before it was complete" in line


def test_an_event_that_is_newer_than_we_are_says_nothing() -> None:
    novel: Any = {"type": "novel"}
    assert StreamEncoder(created=NOW).feed(novel) == b""


@law(
    st.lists(st.sampled_from(["", "a", "ü\u2028", '"\n']), max_size=5), st.text(max_size=3), few=100
)
def test_the_fold_of_the_stream_is_the_whole_answer(texts: list[str], echo: str) -> None:
    told = message([{"type": "text", "text": text} for text in texts])
    whole = encode_response(told, created=NOW, echo=echo)
    lines = streamed(unfold(told), echo=echo, include_usage=True)
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    text = "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])
    finish = chunks[-2]["choices"][0]["finish_reason"]
    assert {**chunk(text, finish), "usage": chunks[-1]["usage"]} == whole
