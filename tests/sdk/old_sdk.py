"""Checks our server with an old official SDK; runs in a virtual environment of its own.

    python old_sdk.py BASE_URL KEY

Fails by an assertion; says "OLD-SDK-OK" and its version at the end.
"""

import asyncio
import sys
from typing import Any

import anthropic

MODEL = "claude-sonnet-4-5"
TOOL = {"name": "add", "description": "Adds", "input_schema": {"type": "object", "properties": {}}}


def ask(client: Any, prompt: str) -> Any:
    messages = [{"role": "user", "content": prompt}]
    return client.messages.create(model=MODEL, max_tokens=50, messages=messages)


def whole(client: Any) -> None:
    message = ask(client, "text")
    assert message.content[0].text == "one two", message
    assert message.usage.input_tokens == 21, message.usage


def stream(client: Any) -> None:
    messages = [{"role": "user", "content": "text"}]
    with client.messages.stream(model=MODEL, max_tokens=50, messages=messages) as events:
        assert list(events.text_stream) == ["one ", "two"]
        assert events.get_final_message().stop_reason == "end_turn"


def tools(client: Any) -> None:
    messages = [{"role": "user", "content": "tool"}]
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=messages, tools=[TOOL]
    ) as events:
        final = events.get_final_message()
    assert final.stop_reason == "tool_use", final
    assert final.content[-1].input == {"a": 2, "b": 3}, final


def runner(client: Any) -> None:
    @anthropic.beta_tool
    def add(a: int, b: int) -> str:
        """Adds two numbers."""
        return str(a + b)

    messages = [{"role": "user", "content": "tool"}]
    final = client.beta.messages.tool_runner(
        model=MODEL, max_tokens=50, tools=[add], messages=messages
    ).until_done()
    assert final.content[0].text == "result 5", final


def counts(client: Any) -> None:
    messages = [{"role": "user", "content": "text"}]
    assert client.messages.count_tokens(model=MODEL, messages=messages).input_tokens > 0
    assert client.beta.messages.count_tokens(model=MODEL, messages=messages).input_tokens > 0


def models(client: Any) -> None:
    ids = [model.id for model in client.models.list(limit=2)]
    assert "scripted-large" in ids, ids
    assert client.models.retrieve("scripted-large").id == "scripted-large"


def errors(client: Any) -> None:
    try:
        ask(client, "limit")
    except anthropic.RateLimitError as error:
        assert str(error.request_id).startswith("req_"), error.request_id
    else:
        raise AssertionError("no RateLimitError")


async def many(url: str, key: str) -> None:
    async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as client:
        answers = await asyncio.gather(*(ask(client, "text") for _ in range(10)))
    assert {answer.content[0].text for answer in answers} == {"one two"}


def main(url: str, key: str) -> None:
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        for check in (whole, stream, tools, runner, counts, models, errors):
            check(client)
    asyncio.run(many(url, key))
    sys.stdout.write(f"OLD-SDK-OK {anthropic.__version__}\n")


main(*sys.argv[1:])
