"""The one flow: decode → route → encode → send → feed → reply.

`Plan` is everything that is known before the upstream is asked; a reply, whole or streamed,
only follows it.
"""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import NamedTuple

from starlette.types import Receive, Send

from claude_proxy.backends import WireRequest, WireResponse
from claude_proxy.codecs import anthropic_messages, openai_chat
from claude_proxy.codecs.fold import MessageFold, unfold
from claude_proxy.codecs.jsonio import dumps_body, loads
from claude_proxy.errors import ClaudeProxyError, ProtocolError, UpstreamError, forget_frames
from claude_proxy.routing import Route
from claude_proxy.server.context import Context
from claude_proxy.server.notes import Notes, route_header, shortened
from claude_proxy.server.responses import EventStream, clean_error, send_json, worth_showing
from claude_proxy.server.services import Services
from claude_proxy.server.watch import ClientGone, SilenceAfterFinish, Watch
from claude_proxy.tokens import estimate_tokens
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest, StreamEvent

MAX_ANSWER_BYTES = 64 << 20
_MAX_ERROR_BYTES = 1 << 20
_PASSED_ERROR_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry")
_EVENT_STARTS = (b"data:", b"event:", b":")
_MAX_PASSED, _MAX_PASSED_VALUE = 32, 256
_UPSTREAM_IDS = ("x-request-id", "request-id", "apim-request-id")


class Plan(NamedTuple):
    """One request, translated and routed, ready to be sent."""

    request: MessagesRequest
    wire: WireRequest
    route: Route
    message_id: str
    tool_names: Mapping[str, str]
    headers: Mapping[str, str]
    """For the answer: the route, and what was dropped."""

    def decoder(self) -> openai_chat.StreamDecoder:
        return openai_chat.StreamDecoder(**self._answer())

    def decode(self, body: Json) -> Message:
        return openai_chat.decode_response(body, **self._answer())

    def _answer(self) -> Json:
        """What decoding the answer needs to know of the request."""
        return {
            "profile": self.route.profile,
            "id": self.message_id,
            "model": self.request["model"],
            "tool_names": self.tool_names,
            "stop_sequences": self.request.get("stop_sequences") or (),
            "estimate": self._estimate,
        }

    def _estimate(self) -> int:
        """Input tokens, for upstreams that report no usage."""
        return estimate_tokens(self.request)


def make_plan(services: Services, context: Context, body: Json, route: Route | None = None) -> Plan:
    """Decodes, routes (unless `route` is given) and encodes.

    Raises what is wrong with the request, or its key.
    """
    notes = Notes()
    peek = anthropic_messages.peek(body)
    request = anthropic_messages.decode_request(body, on_drop=notes)
    route = route or services.route(peek)
    context.facts.update(
        model=shortened(peek.model), upstream_model=shortened(route.model), stream=peek.stream
    )
    outgoing: MessagesRequest = {**request, "model": route.model}
    names = openai_chat.tool_names(outgoing, profile=route.profile)
    chat = openai_chat.encode_request(outgoing, profile=route.profile, on_drop=notes, renamed=names)
    oauth = "oauth-" in context.header(b"anthropic-beta")
    upstream = services.upstreams[route.upstream]
    key = upstream.key(context.keys(), oauth=oauth)
    headers = {"x-claude-proxy-route": route_header(route.upstream, route.model, route.reason)}
    if notes.items:
        headers["x-claude-proxy-notes"] = notes.header()
        context.facts["notes"] = len(notes.items)
    return Plan(
        request=request,
        wire=upstream.chat(dumps_body(chat), model=route.model, key=key, stream=peek.stream),
        route=route,
        # As new as the request's own id, so one is found by the other.
        message_id=f"msg_{context.id[4:28]}",
        tool_names=names,
        headers=headers,
    )


async def reply_whole(
    services: Services, context: Context, plan: Plan, receive: Receive, send: Send
) -> None:
    message, headers = await ask(services, plan, receive)
    _note_usage(context, message["usage"])
    await send_json(send, 200, {**message}, {**plan.headers, **headers})


async def ask(services: Services, plan: Plan, receive: Receive) -> tuple[Message, dict[str, str]]:
    """The whole answer and the upstream's headers for the client. Raises `UpstreamError`."""
    response: WireResponse | None = None
    try:
        async with services.watch(receive) as watch:
            response = await services.backend.send(plan.wire)
            watch.heard()
            await _check_status(response, watch)
            raw = await _read_all(response, watch, MAX_ANSWER_BYTES)
        return _whole(plan, response, raw), _own_headers(services, response)
    finally:
        if response is not None:
            await response.aclose()


def _whole(plan: Plan, response: WireResponse, raw: bytes) -> Message:
    if _is_event_stream(response) or raw.lstrip().startswith(_EVENT_STARTS):
        # Some models only stream, whatever was asked, and some servers call that JSON.
        return _folded(plan, raw)
    try:
        body = loads(raw)
    except ValueError:
        raise openai_chat.decode_error(response.status, raw) from None
    return plan.decode(body)


def _folded(plan: Plan, raw: bytes) -> Message:
    decoder, fold = plan.decoder(), MessageFold()
    for event in [*decoder.feed(raw), *decoder.close()]:
        fold.feed(event)
    if decoder.error is not None:
        raise decoder.error
    return fold.message


async def reply_stream(
    services: Services, context: Context, plan: Plan, receive: Receive, send: Send
) -> None:
    decoder = plan.decoder()
    stream = EventStream(send, context.send, decoder, plan.headers)
    relay = Relay(services, context, plan, decoder, stream)
    silence = services.settings.request_timeout
    services.streams += 1
    try:
        async with AsyncExitStack() as stack, services.watch(receive) as watch:
            await relay.run(watch, stack)
    except SilenceAfterFinish as silent:
        forget_frames(silent)
        await _in_time(relay.finish(), silence)
    except ClaudeProxyError as error:
        if decoder.finished and decoder.error is None:
            # Silence after the finish as well: its timeout is shorter than the time to a ping.
            forget_frames(error)
            await _in_time(relay.finish(), silence)
            return
        if not stream.started:
            raise
        forget_frames(error)
        await _in_time(relay.fail(error), silence)
    finally:
        services.streams -= 1
        context.first_at = stream.first_at
        await stream.aclose()


async def _in_time(last_words: Awaitable[None], seconds: float) -> None:
    """The upstream is closed by now; a client that does not read must not keep the rest."""
    try:
        async with asyncio.timeout(seconds):
            await last_words
    except TimeoutError:
        raise ClientGone from None


class Relay:
    """Moves one upstream answer into one `EventStream`. Mutable; used once."""

    def __init__(
        self,
        services: Services,
        context: Context,
        plan: Plan,
        decoder: openai_chat.StreamDecoder,
        stream: EventStream,
    ) -> None:
        self._services = services
        self._context = context
        self._plan = plan
        self._decoder = decoder
        self._stream = stream
        self._last: Sequence[StreamEvent] = ()

    async def run(self, watch: Watch, stack: AsyncExitStack) -> None:
        settings = self._services.settings

        def beat() -> None:
            if self._decoder.finished:
                watch.interrupt(SilenceAfterFinish())
            else:
                self._stream.beat()
                watch.beat_every(settings.ping_seconds)

        watch.beat(beat, first=settings.hold_seconds, blocked=lambda: self._stream.writing)
        response = await self._services.backend.send(self._plan.wire)
        stack.push_async_callback(response.aclose)
        watch.heard()
        await _check_status(response, watch)
        self._stream.headers.update(_own_headers(self._services, response))
        if _is_json(response):
            # The upstream did not stream; the client gets its stream all the same.
            raw = await _read_all(response, watch, MAX_ANSWER_BYTES)
            await self._end(unfold(_whole(self._plan, response, raw)))
            return
        await self._pump(response, watch)
        await self.finish()

    async def _pump(self, response: WireResponse, watch: Watch) -> None:
        decoder, stream = self._decoder, self._stream
        paced = False
        try:
            async for data in response:
                watch.heard()
                events = decoder.feed(data)
                if decoder.done:
                    self._last = events
                    return
                if not events:
                    continue
                await stream.write(events)
                if not stream.started:
                    continue  # Held back: the client has heard nothing yet.
                watch.spoke()
                if not paced:
                    watch.beat_every(self._services.settings.ping_seconds)
                    paced = True
        except UpstreamError:
            # After its finish_reason an answer is complete, however its connection ends.
            if not decoder.finished:
                raise

    async def finish(self) -> None:
        """The end of the answer: `message_stop`, or the error that the decoder found."""
        events = [*self._last, *self._decoder.close()]
        error = self._decoder.error
        if error is None:
            await self._end(events)
            return
        before = [event for event in events if event["type"] != "error"]
        if not self._stream.started and not worth_showing(before):
            raise error
        await self._stream.write(before)
        await self.fail(error)

    async def fail(self, error: ClaudeProxyError) -> None:
        self._context.note_error(error, self._services.redactor)
        clean = clean_error(error, self._services.redactor, self._context)
        await self._stream.fail(clean, request_id=self._context.id)

    async def _end(self, events: Sequence[StreamEvent]) -> None:
        for event in events:
            if event["type"] == "message_delta":
                _note_usage(self._context, event["usage"])
        await self._stream.write(events, last=True)


async def _check_status(response: WireResponse, watch: Watch) -> None:
    """Raises what the upstream answered, unless it is a success that is not a web page."""
    status = response.status
    kind = response.headers.get("content-type", "")
    if 200 <= status < 300 and "html" not in kind:
        return
    error = openai_chat.decode_error(status, await _read_some(response, watch, _MAX_ERROR_BYTES))
    passed = {
        name: response.headers[name]
        for name in _PASSED_ERROR_HEADERS
        if 0 < len(response.headers.get(name, "")) <= _MAX_PASSED_VALUE
    }
    error.headers = {**error.headers, **passed, **_passed_headers(response)}
    raise error


async def _read_all(body: AsyncIterable[bytes], watch: Watch, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for data in body:
        watch.heard()
        size += len(data)
        if size > limit:
            raise ProtocolError(f"The upstream's answer is larger than {limit:,} bytes.")
        parts.append(data)
    return b"".join(parts)


async def _read_some(body: AsyncIterable[bytes], watch: Watch, limit: int) -> bytes:
    """What there is of an error's text; its status counts even if the text breaks off."""
    parts = bytearray()
    with suppress(UpstreamError):
        async for data in body:
            watch.heard()
            parts += data
            if len(parts) >= limit:
                break
    return bytes(parts[:limit])


def _passed_headers(response: WireResponse) -> dict[str, str]:
    """What the client may know of the upstream's answer: its id and its rate limits."""
    passed: dict[str, str] = {}
    for name in _UPSTREAM_IDS:
        if name in response.headers:
            passed["x-upstream-request-id"] = response.headers[name]
            break
    for name, value in response.headers.items():
        lower = name.lower()
        if lower.startswith("x-ratelimit-") and len(passed) < _MAX_PASSED:
            passed[lower] = value
    return {name: value for name, value in passed.items() if len(value) <= _MAX_PASSED_VALUE}


def _own_headers(services: Services, response: WireResponse) -> dict[str, str]:
    """Those of a good answer; none at all from an upstream that repeats our key in one."""
    passed = _passed_headers(response)
    return {} if services.redactor.knows(" ".join(passed.values())) else passed


def _is_event_stream(response: WireResponse) -> bool:
    return "event-stream" in response.headers.get("content-type", "")


def _is_json(response: WireResponse) -> bool:
    return "json" in response.headers.get("content-type", "").partition(";")[0]


def _note_usage(context: Context, usage: Mapping[str, object]) -> None:
    cached = usage["cache_read_input_tokens"]
    context.facts.update(
        input_tokens=usage["input_tokens"],
        cached_tokens=cached,
        output_tokens=usage["output_tokens"],
    )
