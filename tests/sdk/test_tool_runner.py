"""The SDK's tool runner: it asks for a server-side thread, is told that there is none, and goes on.

It must fall back to the whole history by itself; anything else would lose the conversation.
"""

import asyncio

from anthropic import Anthropic, AsyncAnthropic, beta_async_tool, beta_tool

from tests.conftest import LiveServer
from tests.sdk.conftest import KEY, MODEL
from tests.upstream import Reply, Upstream, call, call_stream, completion, text_stream

QUESTION = "What is 2 + 3?"


@beta_tool
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


@beta_async_tool
async def add_later(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


def roles(upstream: Upstream) -> list[str]:
    return [message["role"] for message in upstream.last.json["messages"]]


def test_runner_ends_with_the_whole_history(client: Anthropic, upstream: Upstream) -> None:
    asked = Reply(completion(None, calls=[call("add", {"a": 2, "b": 3})]))
    upstream.play(asked, Reply(completion("It is 5.")))
    runner = client.beta.messages.tool_runner(
        model=MODEL,
        max_tokens=100,
        tools=[add],
        messages=[{"role": "user", "content": QUESTION}],
    )
    final = runner.until_done()
    assert [block.text for block in final.content if block.type == "text"] == ["It is 5."]
    assert roles(upstream)[-3:] == ["user", "assistant", "tool"]
    assert upstream.last.json["messages"][-1]["content"] == "5"
    assert upstream.last.json["tools"][0]["function"]["name"] == "add"


def test_streaming_runner_ends_with_the_whole_history(
    client: Anthropic, upstream: Upstream
) -> None:
    asked = Reply(stream=call_stream(call("add", {"a": 2, "b": 3})))
    upstream.play(asked, Reply(stream=text_stream("It is ", "5.")))
    runner = client.beta.messages.tool_runner(
        model=MODEL,
        max_tokens=100,
        tools=[add],
        messages=[{"role": "user", "content": QUESTION}],
        stream=True,
    )
    said = [
        stream.get_final_text()
        for stream in runner
        if not stream.get_final_message().stop_reason == "tool_use"
    ]
    assert said == ["It is 5."]
    assert roles(upstream)[-3:] == ["user", "assistant", "tool"]


def test_async_runner_ends_with_the_whole_history(live: LiveServer, upstream: Upstream) -> None:
    asked = Reply(completion(None, calls=[call("add_later", {"a": 2, "b": 3})]))
    upstream.play(asked, Reply(completion("It is 5.")))

    async def run() -> str:
        async with AsyncAnthropic(base_url=live.url, api_key=KEY, max_retries=0) as client:
            runner = client.beta.messages.tool_runner(
                model=MODEL,
                max_tokens=100,
                tools=[add_later],
                messages=[{"role": "user", "content": QUESTION}],
            )
            final = await runner.until_done()
        return "".join(block.text for block in final.content if block.type == "text")

    assert asyncio.run(run()) == "It is 5."
    assert roles(upstream)[-3:] == ["user", "assistant", "tool"]
