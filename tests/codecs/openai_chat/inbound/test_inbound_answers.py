"""Messages → Chat answers, whole and streamed: golden cases, the SDK's types, and laws."""

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.openai_chat import (
    StreamDecoder,
    StreamEncoder,
    decode_request,
    decode_response,
    encode_response,
)
from claude_proxy.codecs.openai_chat.inbound.wire import FINISH_REASONS
from claude_proxy.profiles import GENERIC
from claude_proxy.types.anthropic import Message, StreamEvent
from tests.codecs.openai_chat.grammar import assert_legal, cut, fold
from tests.codecs.openai_chat.inbound.inbound_cases import (
    Json,
    as_whole,
    fold_chunks,
    load_answers,
    load_streams,
)
from tests.codecs.openai_chat.plays import PLAYS, decode, play_bytes
from tests.fuzz.law import law

NOW = 1_700_000_000
ANSWERS = load_answers()
STREAMS = load_streams()


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["why"])
def test_golden_answer(case: Json) -> None:
    dropped: list[list[str]] = []
    before = copy.deepcopy(case["message"])
    chat = encode_response(
        case["message"],
        created=NOW,
        on_drop=lambda path, why: dropped.append([path, why]),
        **case["options"],
    )
    assert chat == case["chat"]
    assert dropped == case["dropped"]
    assert case["message"] == before
    assert ChatCompletion.model_validate(chat, strict=True).choices[0].index == 0


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case["why"])
def test_golden_stream(case: Json) -> None:
    dropped: list[list[str]] = []
    encoder = StreamEncoder(
        created=NOW, on_drop=lambda path, why: dropped.append([path, why]), **case["options"]
    )
    raw = b"".join(encoder.feed(event) for event in case["events"]) + encoder.close()
    assert raw.decode().removesuffix("\n\n").split("\n\n") == case["sent"]
    assert dropped == case["dropped"]
    assert encoder.ended
    for line in case["sent"]:
        if line.startswith('data: {"id"'):
            ChatCompletionChunk.model_validate_json(line.removeprefix("data: "), strict=True)


texts = st.sampled_from(["", "a", "Hello, ", "wörld\u2028", '"\n'])
inputs = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=2)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(
        lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
        texts,
        st.sampled_from(["", "sig"]),
    ),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, st.just("abc")),
    st.builds(
        lambda name, input: {"type": "tool_use", "id": "", "name": name, "input": input},
        st.sampled_from(["f", "g"]),
        inputs,
    ),
)
counts = st.integers(0, 99)
usages = st.fixed_dictionaries(
    {
        "input_tokens": counts,
        "output_tokens": counts,
        "cache_creation_input_tokens": counts,
        "cache_read_input_tokens": counts,
    },
    optional={"output_tokens_details": st.fixed_dictionaries({"thinking_tokens": counts})},
)
reasons = st.sampled_from(["end_turn", "max_tokens", "stop_sequence", "refusal"])


def message_of(content: list[Json], reason: Any, usage: Any) -> Message:
    named: Any = [
        {**block, "id": f"toolu_{at}"} if block["type"] == "tool_use" else block
        for at, block in enumerate(content)
    ]
    called = any(block["type"] == "tool_use" for block in named)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": named,
        "stop_reason": "tool_use" if called and reason == "end_turn" else reason,
        "stop_sequence": None,
        "usage": usage,
    }


messages = st.builds(message_of, st.lists(blocks, max_size=6), reasons, usages)


def scattered(message: Message, seed: int) -> list[StreamEvent]:
    """The events of a message with its deltas in random pieces."""
    rng, events = random.Random(seed), []
    for event in unfold(message):
        if event["type"] != "content_block_delta" or event["delta"]["type"] == "signature_delta":
            events.append(event)
            continue
        kind, text = event["delta"].values()
        name = list(event["delta"])[1]
        while text:
            size = rng.randint(1, 5)
            piece: Any = {**event, "delta": {"type": kind, name: text[:size]}}
            events.append(piece)
            text = text[size:]
    return events


def streamed(events: list[StreamEvent], **options: Any) -> bytes:
    encoder = StreamEncoder(created=NOW, include_usage=True, **options)
    return b"".join(encoder.feed(event) for event in events) + encoder.close()


@law(messages, st.integers(0, 2**32), st.booleans(), few=150)
def test_the_fold_of_the_stream_is_the_whole_answer(
    message: Message, seed: int, functions: bool
) -> None:
    whole = encode_response(message, created=NOW, functions=functions)
    folded = fold_chunks(streamed(scattered(message, seed), functions=functions))
    assert as_whole(folded) == whole


@law(messages, st.integers(0, 2**32), few=150)
def test_an_answer_read_again_is_the_same(message: Message, seed: int) -> None:
    again = decode_response(
        encode_response(message, created=NOW), profile=GENERIC, id="msg_1", model="claude-x"
    )
    assert meaning(again) == meaning(message)
    data = streamed(scattered(message, seed))
    decoder = StreamDecoder(profile=GENERIC, id="msg_1", model="claude-x")
    events = [event for piece in cut(data, seed) for event in decoder.feed(piece)]
    events += decoder.close()
    assert_legal(events)
    assert meaning(fold(events)) == meaning(message)


def meaning(message: Message) -> Json:
    """Texts and calls, the end, and the counts. A refusal without a word gets some; who reads a
    Chat answer gives its calls IDs of their own."""
    content: list[Any] = list(message["content"])
    text = "".join(block["text"] for block in content if block["type"] == "text")
    thoughts = [block["thinking"] for block in content if block["type"] == "thinking"]
    reason = message["stop_reason"] or "end_turn"
    said = "" if text == "The model refused to answer." else text
    usage = {name: count for name, count in message["usage"].items() if count}
    return {
        "text": said,
        "thinking": "".join(thoughts).replace("\n", ""),
        "calls": [
            (block["name"], block["input"]) for block in content if block["type"] == "tool_use"
        ],
        "end": FINISH_REASONS[reason].replace("tool_calls", "stop"),
        "usage": usage,
    }


@pytest.mark.parametrize("path", PLAYS, ids=lambda path: path.stem)
def test_a_chat_stream_decoded_and_encoded_again_is_the_same(path: Any) -> None:
    """And one that fails fails again, after the same content."""
    first = decode([play_bytes(path)])
    again = decode([streamed(first)])
    if first[-1]["type"] == "error":
        assert again[-1]["type"] == "error"
        assert again[-1]["error"]["message"] == first[-1]["error"]["message"]
    else:
        assert meaning(fold(again)) == meaning(fold(first))


@law(messages, few=100)
def test_thinking_comes_back_with_its_signature(message: Message) -> None:
    """What a client got, sent back in the next turn, is what the model thought and signed."""
    chat = encode_response(message, created=NOW)["choices"][0]["message"]
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, chat]}
    request = decode_request({**body})
    back = [message["content"] for message in request["messages"] if message["role"] == "assistant"]
    kept = [
        block
        for content in back
        for block in (content if isinstance(content, list) else [])
        if block["type"] in ("thinking", "redacted_thinking")
    ]
    content: list[Any] = list(message["content"])
    signed = [
        block
        for block in content
        if block["type"] == "redacted_thinking"
        or (block["type"] == "thinking" and block["signature"])
    ]
    assert kept == (signed if back else [])


def test_ids_are_chat_s() -> None:
    message = message_of([], "end_turn", {"input_tokens": 0, "output_tokens": 0})
    assert encode_response(message, created=NOW)["id"] == "chatcmpl-1"


def test_chunks_of_a_hot_stream_are_valid_json() -> None:
    data = streamed(unfold(message_of([{"type": "text", "text": "ü\u2028"}], "end_turn", {})))
    lines = data.decode().split("\n\n")
    assert json.loads(lines[1].removeprefix("data: "))["choices"][0]["delta"] == {
        "content": "ü\u2028"
    }
