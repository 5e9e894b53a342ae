"""Twenty streams at once through one server do not meet."""

import asyncio

from anthropic import AsyncAnthropic

from tests.conftest import LiveServer
from tests.sdk.conftest import KEY, MODEL
from tests.upstream import Received, Reply, Upstream, text_stream

COUNT = 20


def echo(request: Received) -> Reply:
    """Says the user's own word in ten pieces, slowly enough for all the streams to overlap."""
    word = request.json["messages"][-1]["content"]
    role, *rest = text_stream(*[f"{word} "] * 10)
    return Reply(stream=[role, *(item for chunk in rest for item in (0.02, chunk))])


def test_twenty_parallel_streams_keep_apart(live: LiveServer, upstream: Upstream) -> None:
    upstream.answer(echo)

    async def say(client: AsyncAnthropic, word: str) -> str:
        async with client.messages.stream(
            model=MODEL, max_tokens=50, messages=[{"role": "user", "content": word}]
        ) as stream:
            return await stream.get_final_text()

    async def run() -> list[str]:
        async with AsyncAnthropic(base_url=live.url, api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(say(client, f"w{n}") for n in range(COUNT)))

    assert asyncio.run(run()) == [f"w{n} " * 10 for n in range(COUNT)]


def test_client_that_leaves_a_stream_ends_it_upstream(live: LiveServer, upstream: Upstream) -> None:
    upstream.play(Reply(stream=text_stream("half")[:2], end="hang"))

    async def run() -> None:
        async with AsyncAnthropic(base_url=live.url, api_key=KEY, max_retries=0) as client:
            async with client.messages.stream(
                model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "hello"}]
            ) as stream:
                assert await anext(aiter(stream.text_stream)) == "half"

    asyncio.run(run())
    assert upstream.last.wait_left(2)
