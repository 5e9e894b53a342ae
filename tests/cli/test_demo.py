"""The demo's scripted upstream, and how the demo fails."""

import urllib.error
import urllib.request
from typing import Any

import pytest

from claude_proxy.cli.common import url
from claude_proxy.cli.demo import DemoError, talk
from claude_proxy.cli.demo_upstream import create_upstream, script
from claude_proxy.cli.ports import listen
from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.server.runner import serving
from claude_proxy.settings import Settings
from tests.upstream import Reply, Upstream

WEATHER = {"type": "function", "function": {"name": "get_weather"}}
OTHER = {"type": "function", "function": {"name": "Bash"}}
USER = {"role": "user", "content": "x"}
TITLE = {
    "type": "json_schema",
    "json_schema": {
        "name": "response",
        "schema": {"properties": {"title": {"type": "string"}, "ok": {"type": "boolean"}}},
    },
}


def text_of(**body: Any) -> str:
    return "".join(delta.get("content", "") for delta in script({"messages": [USER], **body}))


def arguments_of(**body: Any) -> str:
    calls = [call for delta in script(body) for call in delta.get("tool_calls", ())]
    return "".join(call["function"]["arguments"] for call in calls)


@pytest.mark.parametrize("tools", [None, [], [OTHER]])
def test_it_says_what_it_is(tools: Any) -> None:
    assert text_of(tools=tools).startswith("I am the scripted model")


def test_it_calls_the_weather_tool() -> None:
    assert loads(arguments_of(messages=[USER], tools=[OTHER, WEATHER]))["city"] == "Paris"


def test_it_tells_a_tools_result() -> None:
    messages = [USER, {"role": "tool", "content": "sunny"}]
    assert text_of(messages=messages, tools=[WEATHER]) == "It is sunny in Paris now."


def test_it_follows_a_schema() -> None:
    assert loads(text_of(response_format=TITLE)) == {"title": "demo", "ok": True}


def post(base_url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(f"{base_url}/v1/chat/completions", data=dumps(body))
    with urllib.request.urlopen(request) as answer:
        return loads(answer.read())


def test_it_refuses_a_request_without_messages() -> None:
    settings = Settings(drain_seconds=0)
    with serving(create_upstream(pause=0), settings, listen("127.0.0.1", 0)) as base_url:
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(base_url, {"model": "x"})
        assert refused.value.code == 400
        assert loads(refused.value.read())["error"]["param"] == "messages"


def test_it_answers_whole_too() -> None:
    sock = listen("127.0.0.1", 0)
    settings = Settings(drain_seconds=0)
    with serving(create_upstream(pause=0), settings, sock) as base_url:
        called = post(base_url, {"messages": [USER], "tools": [WEATHER]})["choices"][0]
        plain = post(base_url, {"messages": [USER]})["choices"][0]
        with urllib.request.urlopen(f"{base_url}/v1/models") as answer:
            models = loads(answer.read())
    assert called["finish_reason"] == "tool_calls"
    assert called["message"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert plain["finish_reason"] == "stop"
    assert "tool_calls" not in plain["message"]
    assert [model["id"] for model in models["data"]] == ["scripted-model"]


def event(type: str, **fields: Any) -> bytes:
    return f"event: {type}\ndata: ".encode() + dumps({"type": type, **fields}) + b"\n\n"


TEXT_ONLY = [
    event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hi"}),
    event("content_block_stop", index=0),
    event("message_stop"),
]
FAILURES = [
    ("a status", Reply({"error": "broken"}, status=500), 'status 500: {"error": "broken"}'),
    ("an error event", Reply(stream=[event("error", error={"message": "bad"})]), "bad"),
    ("a cut stream", Reply(stream=TEXT_ONLY[:2]), "the stream ended before message_stop"),
    ("no tool call", Reply(stream=TEXT_ONLY), "the answer holds no tool call"),
    ("no HTTP", Reply(raw=b"nonsense\r\n\r\n"), "the proxy did not answer"),
]


@pytest.mark.parametrize(("why", "reply", "says"), FAILURES, ids=[row[0] for row in FAILURES])
def test_an_answer_that_does_not_come_is_status_1(
    upstream: Upstream, why: str, reply: Reply, says: str
) -> None:
    upstream.play(reply)
    with pytest.raises(DemoError) as caught:
        talk(upstream.url)
    assert says in caught.value.message
    assert caught.value.exit_code == 1


URLS = [
    ("127.0.0.1", "http://127.0.0.1:1"),
    ("0.0.0.0", "http://127.0.0.1:1"),
    ("::", "http://[::1]:1"),
    ("[::1]", "http://[::1]:1"),
    ("localhost", "http://localhost:1"),
]


@pytest.mark.parametrize(("host", "expected"), URLS)
def test_addresses_as_clients_write_them(host: str, expected: str) -> None:
    assert url(host, 1) == expected
