"""The kinds of requests of a mixed load, each of which knows what its answer must be.

A kind is a coroutine function of a `Client`; it returns when the answer was right and raises
`Unexpected` when it was not. Answers come from `mock_upstream`, told by `[[mock …]]` what to do.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import bodies

Json = dict[str, Any]
KEY = "sk-soak-0123456789abcdef"
PATIENCE = 30.0  # seconds for any one answer
SILENCE = 4.0  # seconds: what CLAUDE_PROXY_REQUEST_TIMEOUT of the server must be


class Unexpected(Exception):
    """An answer other than the one that is right; the text says what came."""


@dataclass(frozen=True)
class Client:
    """One session of the load, and where it leads."""

    session: aiohttp.ClientSession
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


Kind = Callable[[Client], Awaitable[None]]


def check(fact: bool, what: object) -> None:
    if not fact:
        raise Unexpected(str(what)[:300])


def body(directive: str, *, stream: bool = False, kind: str = "small") -> Json:
    return bodies.anthropic_body(kind, stream=stream, directive=directive)


LARGE = json.dumps(body("bytes=400", kind="cc")).encode()


async def post(client: Client, sent: Json | bytes, path: str = "") -> tuple[int, bytes]:
    raw = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    headers = {"content-type": "application/json", "x-api-key": KEY}
    url = f"{client.url}/v1/messages{path}"
    async with client.session.post(url, data=raw, headers=headers) as answer:
        return answer.status, await answer.read()


async def small(client: Client) -> None:
    status, raw = await post(client, body("bytes=400"))
    check(status == 200, raw)
    message = json.loads(raw)
    check(message["stop_reason"] == "end_turn", raw)
    check(len(message["content"][0]["text"]) > 400, raw)


async def large(client: Client) -> None:
    status, raw = await post(client, LARGE)
    check(status == 200 and json.loads(raw)["type"] == "message", raw)


async def count_tokens(client: Client) -> None:
    status, raw = await post(client, body(""), "/count_tokens")
    check(status == 200 and json.loads(raw)["input_tokens"] > 3, raw)


def types_of(raw: bytes) -> list[str]:
    lines = raw.decode().splitlines()
    return [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]


async def finished(client: Client, directive: str, chunks: int) -> bytes:
    """A stream that ends well, with all its chunks; each of those is marked with `@T`."""
    status, raw = await post(client, body(directive, stream=True))
    check(status == 200, raw)
    types = types_of(raw)
    check(types[0] == "message_start" and types[-1] == "message_stop", types[-3:])
    check("error" not in types and types.count("message_stop") == 1, types[-3:])
    check(raw.count(b"@T") == chunks, f"{raw.count(b'@T')} of {chunks} chunks")
    return raw


async def stream(client: Client) -> None:
    await finished(client, "chunks=80 reasoning=1", 80)


async def paced(client: Client) -> None:
    await finished(client, "chunks=30 rate=40", 30)


async def tools(client: Client) -> None:
    raw = await finished(client, "chunks=60 tools=1 burst=1", 60)
    check(b'"stop_reason":"tool_use"' in raw and raw.count(b'"tool_use","id"') == 1, raw[-300:])
    pieces = [json.loads(line[6:]) for line in raw.splitlines() if b"input_json_delta" in line]
    json.loads("".join(piece["delta"]["partial_json"] for piece in pieces))


async def cut(client: Client) -> None:
    status, raw = await post(client, body("chunks=20 cut=1", stream=True))
    check(status == 200, raw)
    types = types_of(raw)
    check(types[-1] == "error" and "message_stop" not in types, types[-3:])


ERRORS = {400: 400, 401: 401, 404: 404, 429: 429, 500: 502, 503: 503, 529: 529}


async def refused(client: Client) -> None:
    status, expected = random.choice(list(ERRORS.items()))
    answered, raw = await post(client, body(f"status={status}", stream=random.random() < 0.5))
    check(answered == expected and json.loads(raw)["type"] == "error", raw)


async def hang(client: Client) -> None:
    """No answer in time: the upstream thinks for longer than the server waits."""
    wait = int(SILENCE * 1000) + 2500
    status, raw = await post(client, body(f"delay={wait}", stream=random.random() < 0.5))
    check(status == 504 and json.loads(raw)["error"]["type"] == "timeout_error", raw)


BAD = (
    (b"{", 400),
    (b"[1]", 400),
    (b'{"model": "x", "max_tokens": NaN, "messages": []}', 400),
    (b'{"model": 5}', 400),
    (b"[" * 100_000, 400),
    (b'{"model": "claude-x", "max_tokens": 1, "messages": [{"role": "user"}]}', 400),
    (b"\xff\xfe\x00", 400),
)


async def bad_body(client: Client) -> None:
    raw, expected = random.choice(BAD)
    status, answer = await post(client, raw)
    check(status == expected and json.loads(answer)["type"] == "error", answer)


async def health(client: Client) -> None:
    async with client.session.get(f"{client.url}/health") as answer:
        check(answer.status == 200, await answer.read())


async def models(client: Client) -> None:
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    async with client.session.get(f"{client.url}/v1/models", headers=headers) as answer:
        check(answer.status == 200 and "data" in await answer.json(), answer.status)


def on_the_wire(sent: Json, key: str = KEY) -> bytes:
    raw = json.dumps(sent).encode()
    head = (
        "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"x-api-key: {key}\r\ncontent-length: {len(raw)}\r\n\r\n"
    )
    return head.encode() + raw


async def connected(
    client: Client, limit: int = 1 << 16
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", client.port, limit=limit)


async def cancel(client: Client) -> None:
    """Leaves before the headers, before the first event, or in the middle of the stream."""
    directive, streamed = random.choice(
        [("delay=3000", True), ("delay=3000", False), ("chunks=200 rate=10", True)]
    )
    reader, writer = await connected(client)
    writer.write(on_the_wire(body(directive, stream=streamed)))
    with suppress(TimeoutError):
        await asyncio.wait_for(reader.read(100), random.uniform(0.02, 0.6))
    writer.transport.abort()


GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: -5\r\n\r\n",
    b"NOT A REQUEST AT ALL\r\n\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
)


async def garbage(client: Client) -> None:
    """What is no HTTP; and a request that is given up half way."""
    whole = on_the_wire(body("bytes=10"))
    sent = random.choice([*GARBAGE, whole[: random.randrange(1, len(whole))]])
    reader, writer = await connected(client)
    answer = b""
    with suppress(ConnectionError, TimeoutError):
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(4096), 0.3)
    check(not answer or answer.startswith(b"HTTP/1.1 4"), answer)
    writer.transport.abort()


async def wrong_key(client: Client) -> None:
    reader, writer = await connected(client)
    writer.write(on_the_wire(body("bytes=10"), key="sk-other"))
    answer = await reader.read(4096)
    check(answer.startswith(b"HTTP/1.1 401"), answer)
    writer.close()


async def slow_reader(client: Client) -> None:
    """Half a megabyte that is read in sips; every chunk arrives all the same."""
    reader, writer = await connected(client, limit=2048)
    writer.write(on_the_wire(body("chunks=2000 pad=200 burst=20", stream=True)))
    parts = [await reader.read(1024)]
    for _ in range(10):
        await asyncio.sleep(0.1)
        parts.append(await reader.read(4096))
    while not parts[-1].endswith(b"0\r\n\r\n"):
        part = await reader.read(65536)
        check(bool(part), "the connection broke off")
        parts.append(part if len(part) > 5 else parts.pop() + part)
    raw = b"".join(parts)
    check(raw.count(b"@T") == 2000 and b"event: message_stop" in raw, raw[-300:])
    writer.close()


WEIGHTS: dict[Kind, int] = {
    small: 20,
    large: 4,
    count_tokens: 8,
    stream: 20,
    paced: 8,
    tools: 8,
    cut: 4,
    refused: 8,
    hang: 1,
    bad_body: 6,
    health: 2,
    models: 2,
    cancel: 8,
    garbage: 6,
    wrong_key: 2,
    slow_reader: 3,
}
"""Every kind, and how often it comes."""


async def attempt(kind: Kind, client: Client) -> str | None:
    """Runs one request; what was wrong with its answer, if anything was."""
    try:
        async with asyncio.timeout(PATIENCE):
            await kind(client)
    except (Unexpected, OSError, TimeoutError, ValueError, KeyError, aiohttp.ClientError) as error:
        return f"{kind.__name__}: {type(error).__name__}: {str(error)[:300]}"
    return None
