"""A real HTTP upstream that plays what a test tells it to, and remembers what it was sent.

It speaks no protocol of its own: a `Reply` is a status, headers and a body, or a play of chunks
and pauses, so a test can be as wrong on the wire as any upstream in the world. Builders for
correct Chat Completions answers are at the end.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

Json = dict[str, Any]
Play = Sequence[bytes | str | Json | float]
"""What a stream is made of: bytes go out as they are, text and dicts as one `data:` event each
(`"[DONE]"` too), a number is a pause in seconds."""

DONE = "[DONE]"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `delay` (seconds) passes before the status line.

    `end="cut"` drops the connection after the last chunk, `"hang"` keeps it open and silent.
    `raw` replaces everything: these bytes, which need not be HTTP, and then a close.
    """

    body: bytes | Json | list[Any] | None = None
    stream: Play | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    end: Literal["complete", "cut", "hang"] = "complete"
    raw: bytes | None = None


@dataclass(slots=True)
class Received:
    """One request as it came. `left`: when the client hung up before its answer was complete."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Lower-case names."""
    body: bytes
    at: float = field(default_factory=time.monotonic)
    left: float | None = None

    @property
    def json(self) -> Json:
        parsed: Json = json.loads(self.body)
        return parsed

    def wait_left(self, timeout: float = 5.0) -> bool:
        """True as soon as the client has hung up; False when it has not within `timeout` s."""
        return eventually(lambda: self.left is not None, timeout)


def eventually(fact: Callable[[], bool], timeout: float = 5.0) -> bool:
    """True as soon as `fact()` is; False when it has not become so within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Upstream:
    """The server. `url` is its root; an OpenAI-compatible base URL is `url + "/v1"`.

    Mutable: `requests` grows, and `play` and `answer` change what comes next.
    """

    def __init__(self, models: Sequence[str] = ("scripted-large", "scripted-small")) -> None:
        self.url = ""
        self.models: list[str | Json] = list(models)
        self.requests: list[Received] = []
        self._replies: list[Reply] = [Reply(completion("ok"))]
        self._answer: Callable[[Received], Reply] = self._next

    def play(self, *replies: Reply) -> None:
        """Answers in this order; the last one is repeated for ever."""
        self._replies, self._answer = list(replies), self._next

    def answer(self, decide: Callable[[Received], Reply]) -> None:
        """Lets a function choose each answer by its request."""
        self._answer = decide

    @property
    def posts(self) -> list[Received]:
        """The calls of a model, without the questions for the list of models."""
        return [request for request in self.requests if request.method == "POST"]

    @property
    def last(self) -> Received:
        return self.posts[-1]

    def wait_posts(self, count: int, timeout: float = 5.0) -> bool:
        """True as soon as `count` calls have arrived."""
        return eventually(lambda: len(self.posts) >= count, timeout)

    def _next(self, _: Received) -> Reply:
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.path_qs, headers, await request.read())
        self.requests.append(received)
        is_list = request.path.endswith("/models") and not request.path.startswith("/api/v0")
        if request.method == "GET" and is_list:
            return web.json_response({"object": "list", "data": [_model(m) for m in self.models]})
        try:
            return await perform(self._answer(received), request)
        except (asyncio.CancelledError, ConnectionError):
            received.left = time.monotonic()
            raise


def _model(name: str | Json) -> Json:
    """A list entry of a name, or of a name with what else the list says of it."""
    said = {"id": name} if isinstance(name, str) else name
    return {"object": "model", "created": 0, "owned_by": "scripted", **said}


async def perform(reply: Reply, request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(reply.delay)
    if reply.raw is not None:
        return _hang_up(request, reply.raw)
    if reply.stream is None:
        return await _whole(reply, request)
    return await _streamed(reply, reply.stream, request)


async def _whole(reply: Reply, request: web.Request) -> web.StreamResponse:
    body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
    headers = {"content-type": "application/json", **reply.headers}
    if reply.end == "complete":
        return web.Response(status=reply.status, headers=headers, body=body)
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_length = len(body) + 1  # a byte that never comes
    await response.prepare(request)
    await response.write(body)
    return await _end(reply, request, response)


async def _streamed(reply: Reply, play: Play, request: web.Request) -> web.StreamResponse:
    headers = {"content-type": "text/event-stream", **reply.headers}
    response = web.StreamResponse(status=reply.status, headers=headers)
    await response.prepare(request)
    for item in play:
        if isinstance(item, int | float):
            await asyncio.sleep(item)
        else:
            await response.write(framed(item))
    return await _end(reply, request, response)


async def _end(
    reply: Reply, request: web.Request, response: web.StreamResponse
) -> web.StreamResponse:
    if reply.end == "hang":
        await asyncio.Event().wait()
    if reply.end == "cut":
        return _hang_up(request, b"", response)
    await response.write_eof()
    return response


def _hang_up(
    request: web.Request, last_words: bytes, response: web.StreamResponse | None = None
) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.write(last_words)
        request.transport.close()
    return response or web.Response()


def framed(item: bytes | str | Json) -> bytes:
    """One play item as bytes on the wire."""
    if isinstance(item, bytes):
        return item
    payload = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return b"data: " + payload.encode() + b"\n\n"


@contextmanager
def serving(upstream: Upstream) -> Iterator[Upstream]:
    """The upstream on a free loopback port, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    runner: web.AppRunner | None = None

    async def start() -> None:
        nonlocal runner
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", upstream.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        host, port = runner.addresses[0][:2]
        upstream.url = f"http://{host}:{port}"

    async def stop() -> None:
        if runner is not None:
            await runner.cleanup()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, name="upstream", daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield upstream
    finally:
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def usage(prompt: int = 21, answer: int = 7, cached: int = 0) -> Json:
    """Token counts as Chat Completions gives them."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": answer,
        "total_tokens": prompt + answer,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def call(name: str, arguments: Json | str, id: str | None = "call_1", index: int = 0) -> Json:
    """A whole tool call, for a completion or for one chunk; `id=None` leaves the id out."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    found: Json = {"index": index, "type": "function"}
    if id is not None:
        found["id"] = id
    return {**found, "function": {"name": name, "arguments": text}}


def completion(text: str | None = None, *, calls: Sequence[Json] = (), **message: Any) -> Json:
    """A whole Chat Completions answer; further arguments go into its message."""
    said: Json = {"role": "assistant", "content": text, **message}
    if calls:
        said["tool_calls"] = list(calls)
    choice = {"index": 0, "message": said, "finish_reason": "tool_calls" if calls else "stop"}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": "scripted-large",
        "choices": [choice],
        "usage": usage(),
    }


def chunk(delta: Json, finish: str | None = None, **more: Any) -> Json:
    """One chunk of a Chat Completions stream."""
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": "scripted-large",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def text_stream(*texts: str, finish: str = "stop") -> list[Json | str | bytes | float]:
    """A correct stream that says these texts, one chunk each."""
    said = [chunk({"content": text}) for text in texts]
    return [chunk({"role": "assistant", "content": ""}), *said, *ending(finish)]


def call_stream(*calls: Json) -> list[Json | str | bytes | float]:
    """A correct stream of tool calls, each in one chunk."""
    asked = [chunk({"tool_calls": [each]}) for each in calls]
    return [chunk({"role": "assistant", "content": None}), *asked, *ending("tool_calls")]


def ending(finish: str) -> list[Json | str | bytes | float]:
    """How a correct stream ends: finish reason, usage, `[DONE]`."""
    return [chunk({}, finish), {**chunk({}), "choices": [], "usage": usage()}, DONE]


def refusal(status: int, message: str, *, code: str | None = None, **headers: str) -> Reply:
    """An error answer in OpenAI's envelope; headers are given with underscores."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply({"error": error}, status=status, headers=named)
