"""An upstream that somebody else wrote: aimock from npm, with its faults switched on and off."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam, ToolParam

from claude_proxy import MessageFold, UpstreamError, openai_responses, profile_for
from claude_proxy.types.anthropic import Message
from tests.conftest import running
from tests.parts import CACHE, missing
from tests.upstream import eventually

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
CLI = CACHE / "js" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
MODEL = "claude-sonnet-5-5"
WEATHER: ToolParam = {
    "name": "weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def aimock() -> Iterator[str]:
    """The root URL of a running aimock."""
    node = shutil.which("node")
    if node is None or not CLI.exists():
        missing(f"no node, or no @copilotkit/aimock in {CACHE}: run .ci/parts")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    command = [node, str(CLI), "-p", port, "-f", str(HERE / "aimock"), "--strict"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as child:
        try:
            url = f"http://127.0.0.1:{port}"
            assert eventually(lambda: answers(url), 20), "aimock did not start"
            yield url
        finally:
            child.terminate()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/v1/models").is_success
    except httpx.ConnectError:
        return False


@pytest.fixture(scope="module")
def proxy(aimock: str) -> Iterator[str]:
    from claude_proxy.settings import load_settings

    environ = {
        "OPENAI_BASE_URL": f"{aimock}/v1",
        "OPENAI_API_KEY": "sk-aimock",
        # aimock lets only models that can reason do so.
        "CLAUDE_PROXY_BIG_MODEL": "o3",
    }
    with running(load_settings(environ=environ, trusted_folder=False)) as server:
        yield server.url


@pytest.fixture
def client(aimock: str, proxy: str) -> Iterator[Anthropic]:
    set_chaos(aimock)
    with Anthropic(base_url=proxy, api_key="any", max_retries=0) as client:
        yield client


def set_chaos(aimock: str, **rates: float) -> None:
    httpx.post(f"{aimock}/__aimock/chaos", json=rates).raise_for_status()


def asked(prompt: str) -> list[MessageParam]:
    return [{"role": "user", "content": prompt}]


def test_text_is_the_same_whole_and_streamed(client: Anthropic) -> None:
    whole = client.messages.create(model=MODEL, max_tokens=50, messages=asked("say hello"))
    with client.messages.stream(model=MODEL, max_tokens=50, messages=asked("say hello")) as stream:
        streamed = stream.get_final_message()
    assert whole.content[0].type == "text"
    assert whole.content[0].text == "Hello from somebody else's server! ünïcödé ✓"
    assert streamed.content[0].to_dict() == whole.content[0].to_dict()


def test_reasoning_arrives_as_thinking(client: Anthropic) -> None:
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=asked("think first")
    ) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]


def test_two_tool_calls_and_their_results_make_an_answer(client: Anthropic) -> None:
    history = asked("weather")
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=history, tools=[WEATHER]
    ) as stream:
        first = stream.get_final_message()
    uses = [block for block in first.content if block.type == "tool_use"]
    assert [use.input for use in uses] == [{"city": "Paris"}, {"city": "Rome"}]
    history.append({"role": "assistant", "content": first.content})
    history.append(
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
                for use in reversed(uses)
            ],
        }
    )
    last = client.messages.create(model=MODEL, max_tokens=50, messages=history, tools=[WEATHER])
    assert last.content[0].type == "text"
    assert last.content[0].text == "It is sunny in both."


def test_error_of_the_upstream_keeps_its_status_and_words(client: Anthropic) -> None:
    with pytest.raises(anthropic.RateLimitError, match="You exceeded your quota"):
        client.messages.create(model=MODEL, max_tokens=50, messages=asked("too much"))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("rateLimitRate", anthropic.RateLimitError),
        ("dropRate", anthropic.InternalServerError),
        ("malformedRate", anthropic.InternalServerError),
        ("disconnectRate", anthropic.InternalServerError),
    ],
)
def test_fault_is_an_error_and_its_end_is_the_end(
    client: Anthropic,
    aimock: str,
    fault: str,
    error: type[anthropic.APIStatusError],
    stream: bool,
) -> None:
    set_chaos(aimock, **{fault: 1.0})
    with pytest.raises(error) as raised:
        client.messages.create(
            model=MODEL, max_tokens=50, messages=asked("say hello"), stream=stream
        )
    if fault == "rateLimitRate":
        assert int(raised.value.response.headers["retry-after"]) > 0
    set_chaos(aimock)
    client.messages.create(model=MODEL, max_tokens=50, messages=asked("say hello"))


def test_late_upstream_is_waited_for(client: Anthropic, aimock: str) -> None:
    set_chaos(aimock, latencyMs=1500)
    message = client.messages.create(model=MODEL, max_tokens=50, messages=asked("say hello"))
    assert message.stop_reason == "end_turn"


# The Responses API, which the server does not speak yet: our codec and aimock's own.


def respond(aimock: str, messages: list[MessageParam], *, stream: bool) -> Message:
    """One answer by the Responses API, whole or streamed."""
    set_chaos(aimock)
    profile = profile_for(aimock, "o3")
    request: Any = {"model": "o3", "max_tokens": 99, "messages": messages, "stream": stream}
    body = openai_responses.encode_request({**request, "tools": [WEATHER]}, profile=profile)
    answer = httpx.post(f"{aimock}/v1/responses", json=body, headers={"authorization": "Bearer x"})
    if not answer.is_success:
        raise openai_responses.decode_error(answer.status_code, answer.content)
    if not stream:
        return openai_responses.decode_response(
            answer.json(), profile=profile, id="msg_0", model="m"
        )
    decoder = openai_responses.StreamDecoder(profile=profile, id="msg_0", model="m")
    fold = MessageFold()
    for event in [*decoder.feed(answer.content), *decoder.close()]:
        fold.feed(event)
    assert fold.complete and decoder.error is None
    return fold.message


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_responses(aimock: str, stream: bool) -> None:
    thought, text = respond(aimock, [{"role": "user", "content": "think first"}], stream=stream)[
        "content"
    ]
    assert thought["type"] == "thinking" and thought["thinking"] == "Six times seven is forty-two."
    assert text == {"type": "text", "text": "42"}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tools_in_responses(aimock: str, stream: bool) -> None:
    history: list[Any] = [{"role": "user", "content": "weather"}]
    first = respond(aimock, history, stream=stream)
    calls = [block for block in first["content"] if block["type"] == "tool_use"]
    assert [call["input"] for call in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert first["stop_reason"] == "tool_use"
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": "Sunny."} for call in calls
    ]
    history += [{"role": "assistant", "content": first["content"]}]
    history += [{"role": "user", "content": results}]
    second = respond(aimock, history, stream=stream)
    assert second["content"][-1] == {"type": "text", "text": "It is sunny in both."}
    assert second["stop_reason"] == "end_turn"


def test_errors_in_responses(aimock: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        respond(aimock, [{"role": "user", "content": "too much"}], stream=True)
    assert (caught.value.status, caught.value.message) == (429, "You exceeded your quota")
