"""The newest official SDK: all that it can put into a request is known; it reads our answers."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import APIError, OpenAI
from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    ChatCompletionToolUnionParam,
    completion_create_params,
)
from typing_extensions import get_type_hints

from claude_proxy.codecs.fold import unfold
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat import StreamEncoder, decode_request
from claude_proxy.codecs.openai_chat.inbound.options import (
    CARRIED_FIELDS,
    DROPPED_FIELDS,
    REFUSED_FIELDS,
)
from claude_proxy.codecs.openai_chat.inbound.parts import PARTS
from claude_proxy.errors import RequestError, UnsupportedContentError
from claude_proxy.types.anthropic import Message, StreamEvent
from tests.codecs.openai_chat.inbound.inbound_cases import broken_rules
from tests.sdk_samples import Sampler, type_names, typed_dicts

PAGE = Path(__file__).parents[4] / "docs" / "openai-clients.md"


def documented(title: str) -> dict[str, str]:
    """A table of the page: what stands first in each row → its fate."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[1].strip().strip("`"): row[2].strip() for row in rows}


def test_every_field_of_the_sdk_is_known() -> None:
    fields = get_type_hints(completion_create_params.CompletionCreateParamsStreaming)
    assert len(fields) > 30
    assert fields.keys() <= {*CARRIED_FIELDS, *DROPPED_FIELDS, *REFUSED_FIELDS}


MESSAGES = typed_dicts(ChatCompletionMessageParam)
TOOLS = typed_dicts(ChatCompletionToolUnionParam)
OPTIONAL = {"content", "refusal", "name", "tool_calls", "function_call", "detail", "file_data"}
"""Of earlier answers all but audio, which is refused."""


def decoded(**more: Any) -> str:
    """The Messages request as JSON text, for a legal one."""
    hi: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    request = decode_request({**hi, **more})
    assert broken_rules({**request}) == []
    return dumps_text(request)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_every_variant_of_every_message_is_read_or_refused_by_path(kind: Any) -> None:
    read = 0
    for sample in Sampler(OPTIONAL).samples(kind):
        try:
            told = decoded(messages=[sample])
        except RequestError as error:
            # Strings of samples are no addresses, and nobody speaks or sends IDs here.
            assert str(error.param).startswith("messages.0.")
            continue
        read += 1
        said = [text for text in _strings(sample) if text.startswith(("content-", "text-"))]
        assert [text for text in said if text not in told] == []
    assert read


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return [text for each in inner for text in _strings(each)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.__name__)
def test_every_tool_is_carried_or_refused(kind: Any) -> None:
    for sample in Sampler().samples(kind):
        if sample["type"] == "function":
            assert dumps_text(sample["function"]["name"]) in decoded(tools=[sample])
        else:
            with pytest.raises(UnsupportedContentError, match="tools.0.type"):
                decoded(tools=[sample])


def test_every_part_is_known() -> None:
    kinds = typed_dicts(ChatCompletionContentPartParam)
    assert len(kinds) > 3
    assert {name for kind in kinds for name in type_names(kind)} <= PARTS.keys()


def test_the_page_has_every_field() -> None:
    rows = documented("Chat fields")
    fates = {fate: {name for name in rows if rows[name] == fate} for fate in rows.values()}
    assert fates["dropped"] == set(DROPPED_FIELDS)
    assert fates["refused"] == set(REFUSED_FIELDS)
    assert fates["carried"] | fates["translated"] == CARRIED_FIELDS


def test_the_page_has_every_part() -> None:
    assert documented("Parts of a content").keys() == PARTS.keys()


def client(answer: bytes) -> OpenAI:
    """The official client, whose server sends these bytes as a stream."""

    def respond(request: httpx.Request) -> httpx.Response:
        kind = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=kind, content=answer)

    http = httpx.Client(transport=httpx.MockTransport(respond))
    return OpenAI(api_key="k", base_url="http://server.test/v1", http_client=http, max_retries=0)


def message(content: list[Any], reason: Any) -> Message:
    counts = {"input_tokens": 4, "output_tokens": 2}
    usage: Any = {**counts, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 3}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": content,
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": usage,
    }


def streamed(events: list[StreamEvent]) -> bytes:
    encoder = StreamEncoder(created=1, include_usage=True)
    return b"".join(encoder.feed(event) for event in events) + encoder.close()


def test_the_official_client_adds_up_a_stream() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "ü"}}
    events = unfold(message([{"type": "text", "text": "Wait."}, call], "tool_use"))
    hi: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    ping: StreamEvent = {"type": "ping"}
    sdk = client(streamed([events[0], ping, *events[1:]]))
    with sdk.chat.completions.stream(**hi) as stream:
        answer = stream.get_final_completion()
    said = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert said.content == "Wait."
    assert said.tool_calls is not None
    function = said.tool_calls[0].function
    assert (said.tool_calls[0].id, function.name) == ("toolu_1", "f")
    assert json.loads(function.arguments) == {"a": "ü"}
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (7, 2)


def test_the_official_client_raises_an_error_in_the_middle() -> None:
    error: StreamEvent = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}
    events = unfold(message([{"type": "text", "text": "Hel"}], "end_turn"))[:3]
    hi: Any = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    texts: list[str | None] = []
    with pytest.raises(APIError, match="Busy"):
        for chunk in client(streamed([*events, error])).chat.completions.create(**hi):
            texts.append(chunk.choices[0].delta.content)
    assert texts == ["", "Hel"]
