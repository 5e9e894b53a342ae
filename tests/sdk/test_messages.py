"""`client.messages` of the official Python SDK: whole answers, streams, tools, formats, counts."""

import json

import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam, ToolParam
from pydantic import BaseModel

from tests.sdk.conftest import MODEL
from tests.upstream import Reply, Upstream, call, call_stream, completion, text_stream

HELLO: list[MessageParam] = [{"role": "user", "content": "hello"}]
WEATHER: ToolParam = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


class Answer(BaseModel):
    number: int


def test_create_gives_a_message(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(completion("good day")))
    message = client.messages.create(model=MODEL, max_tokens=50, messages=HELLO)
    assert message.role == "assistant"
    assert message.stop_reason == "end_turn"
    assert [block.text for block in message.content if block.type == "text"] == ["good day"]
    assert (message.usage.input_tokens, message.usage.output_tokens) == (21, 7)


def test_every_answer_has_an_id_of_its_own(client: Anthropic) -> None:
    ask = client.messages.create
    ids = {ask(model=MODEL, max_tokens=50, messages=HELLO).id for _ in range(3)}
    assert len(ids) == 3
    assert all(id.startswith("msg_") for id in ids)


def test_raw_response_shows_our_headers(client: Anthropic) -> None:
    raw = client.messages.with_raw_response.create(model=MODEL, max_tokens=50, messages=HELLO)
    assert raw.headers["request-id"].startswith("req_")
    assert "model=scripted-large" in raw.headers["x-claude-proxy-route"]
    assert raw.parse()._request_id == raw.headers["request-id"]


def test_text_stream_gives_the_pieces(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(stream=text_stream("good ", "day ", "✓")))
    with client.messages.stream(model=MODEL, max_tokens=50, messages=HELLO) as stream:
        assert list(stream.text_stream) == ["good ", "day ", "✓"]


def test_final_message_of_a_stream_equals_a_whole_one(
    client: Anthropic, upstream: Upstream
) -> None:
    upstream.play(Reply(completion("good day")), Reply(stream=text_stream("good ", "day")))
    whole = client.messages.create(model=MODEL, max_tokens=50, messages=HELLO)
    with client.messages.stream(model=MODEL, max_tokens=50, messages=HELLO) as stream:
        folded = stream.get_final_message()
    assert folded.content[0].to_dict() == whole.content[0].to_dict()
    assert folded.stop_reason == whole.stop_reason
    assert folded.usage.input_tokens == whole.usage.input_tokens
    assert folded.usage.output_tokens == whole.usage.output_tokens


def test_events_of_a_stream_come_in_legal_order(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(stream=text_stream("good ", "day")))
    events = client.messages.create(model=MODEL, max_tokens=50, messages=HELLO, stream=True)
    assert [event.type for event in events if str(event.type) != "ping"] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_tool_calls_of_a_stream_are_parsed(client: Anthropic, upstream: Upstream) -> None:
    paris = call("weather", {"city": "Paris"}, id="call_1")
    rome = call("weather", {"city": "Rome"}, id="call_2", index=1)
    upstream.play(Reply(stream=call_stream(paris, rome)))
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=HELLO, tools=[WEATHER]
    ) as stream:
        message = stream.get_final_message()
    uses = [block for block in message.content if block.type == "tool_use"]
    assert [use.input for use in uses] == [{"city": "Paris"}, {"city": "Rome"}]
    assert message.stop_reason == "tool_use"


def test_tool_result_reaches_the_upstream_after_its_call(
    client: Anthropic, upstream: Upstream
) -> None:
    upstream.play(Reply(completion(None, calls=[call("weather", {"city": "Paris"})])))
    first = client.messages.create(model=MODEL, max_tokens=50, messages=HELLO, tools=[WEATHER])
    use = next(block for block in first.content if block.type == "tool_use")
    history: list[MessageParam] = [
        *HELLO,
        {"role": "assistant", "content": first.content},
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}],
        },
    ]
    upstream.play(Reply(completion("It is sunny.")))
    client.messages.create(model=MODEL, max_tokens=50, messages=history, tools=[WEATHER])
    asked, told = upstream.last.json["messages"][-2:]
    assert told["tool_call_id"] == asked["tool_calls"][0]["id"]
    assert (told["role"], told["content"]) == ("tool", "sunny")


def test_reasoning_becomes_a_thinking_block(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(completion("42", reasoning_content="six times seven")))
    message = client.messages.create(model=MODEL, max_tokens=50, messages=HELLO)
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.content[0].type == "thinking"
    assert message.content[0].thinking == "six times seven"


def test_parse_gives_the_model_of_the_format(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(completion(json.dumps({"number": 42}))))
    message = client.messages.parse(
        model=MODEL, max_tokens=50, messages=HELLO, output_format=Answer
    )
    assert message.parsed_output == Answer(number=42)
    format = upstream.last.json["response_format"]
    assert format["type"] == "json_schema"
    assert "number" in format["json_schema"]["schema"]["properties"]


def test_stream_with_a_format_is_parsed(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(stream=text_stream('{"num', 'ber": 42}')))
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=HELLO, output_format=Answer
    ) as stream:
        assert stream.get_final_message().parsed_output == Answer(number=42)


def test_count_tokens_grows_with_what_is_sent(client: Anthropic, upstream: Upstream) -> None:
    bare = client.messages.count_tokens(model=MODEL, messages=HELLO)
    tools = client.messages.count_tokens(model=MODEL, messages=HELLO, tools=[WEATHER])
    system = client.messages.count_tokens(model=MODEL, messages=HELLO, system="Be very brief.")
    assert 0 < bare.input_tokens < min(tools.input_tokens, system.input_tokens)
    assert upstream.posts == []


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_client_key_is_never_sent_upstream(
    client: Anthropic, upstream: Upstream, header: str
) -> None:
    client.messages.create(model=MODEL, max_tokens=50, messages=HELLO)
    assert "sdk-client-key" not in upstream.last.headers.get(header, "")
