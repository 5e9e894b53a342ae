"""The way back: one upstream's answer, whole or streamed, to the client that asked for it."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, NamedTuple

from starlette.types import Receive, Send

from claude_proxy.backends import WireResponse
from claude_proxy.codecs import Decoder, anthropic_messages
from claude_proxy.codecs.fold import MessageFold, unfold
from claude_proxy.codecs.json_values import MOST_VALUES, too_many_values
from claude_proxy.codecs.jsonio import loads
from claude_proxy.codecs.openai_chat.stream import salvage
from claude_proxy.codecs.sse import LIMIT
from claude_proxy.codecs.thoughts import ThoughtTap, thoughts_of
from claude_proxy.errors import ClaudeProxyError, ProtocolError, UpstreamError, forget_frames
from claude_proxy.server.context import Context
from claude_proxy.server.dialects import TRANSLATIONS
from claude_proxy.server.mending import mended_whole, mending, note_faults
from claude_proxy.server.notes import Notes, count_late, more_noted
from claude_proxy.server.passed_errors import NO_SUCH_ENDPOINT, NotSpoken
from claude_proxy.server.rate_headers import anthropic_limits, openai_limits
from claude_proxy.server.reading import (
    EVENT_STARTS,
    MAX_ANSWER_BYTES,
    MAX_ERROR_BYTES,
    in_time,
    is_event_stream,
    is_json,
    is_page,
    read_all,
    read_some,
)
from claude_proxy.server.responses import EventStream, clean_error, send_json, worth_showing
from claude_proxy.server.services import Services
from claude_proxy.server.surface import MESSAGES
from claude_proxy.server.watch import SilenceAfterFinish, Watch
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, StreamEvent, Usage

if TYPE_CHECKING:
    from claude_proxy.server.pipeline import Plan

_PASSED_ERROR_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry")
_LIMITS, _LIMIT = ("x-ratelimit-", "anthropic-ratelimit-"), "-ratelimit-"
_MAX_PASSED, _MAX_PASSED_VALUE = 32, 256
_UPSTREAM_ID = "request-id"
_UPSTREAM_IDS = (f"x-{_UPSTREAM_ID}", _UPSTREAM_ID, f"apim-{_UPSTREAM_ID}")


async def reply_whole(
    services: Services, context: Context, plan: "Plan", receive: Receive, send: Send
) -> None:
    message, headers = await ask(services, plan, receive, keys=context.keys())
    late = Notes()
    message = mended_whole(context, plan, message, late)
    services.reasoning.keep(thoughts_of(message["content"]), plan.route, plan.seal)
    services.people.note(context, message["content"])
    note_usage(services, context, plan, message["usage"])
    message["usage"] = told(services, plan, message["usage"], streamed=False)
    own = own_answer(context, plan, late, message)
    await send_json(send, 200, own.body, {**own.headers, **headers})


class OwnAnswer(NamedTuple):
    """A message as the client reads it, and our own headers for it."""

    body: Json
    headers: Mapping[str, str]


def own_answer(context: Context, plan: "Plan", late: Notes, message: Message) -> OwnAnswer:
    """`late`: what was dropped of the answer so far."""
    body = context.surface.whole(message, plan.call.body.whole, late)
    own = plan.headers if not late.items else more_noted(plan.headers, late, context.facts)
    return OwnAnswer(body, own)


async def ask(
    services: Services,
    plan: "Plan",
    receive: Receive,
    *,
    keys: Sequence[str] = (),
    limit: int = MAX_ANSWER_BYTES,
) -> tuple[Message, dict[str, str]]:
    """The whole answer, of at most `limit` bytes, and the upstream's headers for a client with
    these `keys`. Raises `UpstreamError`."""
    response: WireResponse | None = None
    try:
        async with services.watch(receive, plan.route.profile) as watch:
            response = await services.backend.send(plan.wire)
            watch.accepted()
            await check_status(plan, response, watch)
            raw = await read_all(response, watch, limit)
        return whole(plan, response, raw), own_headers(services, response, keys)
    finally:
        if response is not None:
            await response.aclose()


def whole(plan: "Plan", response: WireResponse, raw: bytes) -> Message:
    if is_event_stream(response) or raw.lstrip().startswith(EVENT_STARTS):
        # Some models only stream, whatever was asked, and some servers call that JSON.
        return _folded(plan, raw)
    if too_many_values(raw):
        raise ProtocolError(f"The upstream's answer holds more than {MOST_VALUES:,} JSON values.")
    try:
        body = loads(raw)
    except ValueError:
        # As in streams: half an emoji, or a broken byte, is no reason to lose the rest.
        body = salvage(raw) if len(raw) <= LIMIT else None
        if not isinstance(body, dict):
            raise plan.codec.decode_error(response.status, raw) from None
    return plan.decode(body)


def _folded(plan: "Plan", raw: bytes) -> Message:
    decoder, fold = plan.decoder(), MessageFold()
    for event in [*decoder.feed(raw), *decoder.close()]:
        fold.feed(event)
    if decoder.error is not None:
        raise decoder.error
    return fold.message


async def reply_stream(
    services: Services, context: Context, plan: "Plan", receive: Receive, send: Send
) -> None:
    decoder = mending(plan)
    stream = stream_for(context, plan, decoder, send)
    await run_relay(Relay(services, context, plan, decoder, stream), stream, receive)


def stream_for(context: Context, plan: "Plan", decoder: Decoder, send: Send) -> EventStream:
    surface, body = context.surface, plan.call.body.whole
    encode = surface.encoder(body, count_late(context.facts))
    return EventStream(send, context.send, decoder, plan.headers, surface, encode)


async def run_relay(relay: "Relay", stream: EventStream, receive: Receive) -> None:
    relay.services.streams += 1
    try:
        await relay.run(receive)
    finally:
        relay.services.streams -= 1
        relay.context.first_at = stream.first_at
        await stream.aclose()


class Relay:
    """Moves one upstream answer into one `EventStream`. Mutable; used once."""

    def __init__(
        self,
        services: Services,
        context: Context,
        plan: "Plan",
        decoder: Decoder,
        stream: EventStream,
    ) -> None:
        self.services = services
        self.context = context
        self._plan = plan
        self._decoder = decoder
        self._stream = stream
        self._last: Sequence[StreamEvent] = ()
        self._tap = ThoughtTap() if services.reasoning.wanted(plan.route) else None
        self._taps = [tap for tap in (self._tap, services.people.calls(context)) if tap]

    async def run(self, receive: Receive) -> None:
        await self._watched(receive, self._answer)

    async def _watched(
        self, receive: Receive, work: Callable[[Watch, AsyncExitStack], Awaitable[None]]
    ) -> None:
        """Does the work; what ends it early ends the answer as well as that is still possible."""
        silence, profile = self.services.settings.idle, self._plan.route.profile
        try:
            async with AsyncExitStack() as stack, self.services.watch(receive, profile) as watch:
                await work(watch, stack)
        except SilenceAfterFinish as silent:
            forget_frames(silent)
            await in_time(self.finish(), silence)
        except ClaudeProxyError as error:
            if self._is_complete():
                # Silence after the finish as well: its timeout is shorter than the time to a ping.
                forget_frames(error)
                await in_time(self.finish(), silence)
                return
            if not self._stream.started:
                raise
            forget_frames(error)
            await in_time(self.fail(error), silence)

    def _is_complete(self) -> bool:
        """Whether all of the answer is there, but for its end."""
        return self._decoder.finished and self._decoder.error is None

    def _pace(self, watch: Watch, over: Callable[[], bool]) -> None:
        """Breaks the client's silence; what is `over`, but does not end, is ended."""
        settings, stream = self.services.settings, self._stream

        def beat() -> None:
            if over():
                watch.interrupt(SilenceAfterFinish())
            else:
                stream.beat()
                watch.beat_every(settings.ping_seconds)

        first = settings.ping_seconds if stream.started else settings.hold_seconds + self._queue
        watch.beat(beat, first=first, blocked=lambda: stream.writing)

    @property
    def _queue(self) -> float:
        return TRANSLATIONS[self._plan.route.dialect].queue

    async def _answer(self, watch: Watch, stack: AsyncExitStack) -> None:
        self._pace(watch, lambda: self._decoder.finished)
        response = await self.services.backend.send(self._plan.wire)
        if self._queue and not self._stream.started:
            watch.beat_every(self.services.settings.hold_seconds)
        stack.push_async_callback(response.aclose)
        watch.accepted()
        await check_status(self._plan, response, watch)
        keys = self.context.keys()
        self._stream.headers.update(own_headers(self.services, response, keys))
        if is_json(response):
            # The upstream did not stream; the client gets its stream all the same.
            raw = await read_all(response, watch, MAX_ANSWER_BYTES)
            late = count_late(self.context.facts)
            message = whole(self._plan, response, raw)
            message = mended_whole(self.context, self._plan, message, late)
            await self._end(self._unfolded(message))
            return
        await self._pump(response, watch)
        await self.finish()

    def _unfolded(self, message: Message) -> Sequence[StreamEvent]:
        return unfold(message)

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
                for tap in self._taps:
                    tap.feed(events)
                await stream.write(events)
                if not stream.started:
                    continue  # Held back: the client has heard nothing yet.
                watch.spoke()
                if not paced:
                    watch.beat_every(self.services.settings.ping_seconds)
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
        self.context.note_error(error, self.services.redactor)
        clean = clean_error(error, self.services.redactor, self.context)
        await self._stream.fail(clean, request_id=self.context.id)

    async def _end(self, events: Sequence[StreamEvent]) -> None:
        for tap in self._taps:
            tap.feed(events)
        if self._tap is not None:
            self.services.reasoning.keep(self._tap.thoughts(), self._plan.route, self._plan.seal)
        note_faults(self.context, self._plan.route, self._decoder.faults)
        for event in events:
            if event["type"] == "message_delta":
                note_usage(self.services, self.context, self._plan, event["usage"])
                event["usage"] = told(self.services, self._plan, event["usage"], streamed=True)
        await self._stream.write(events, last=True)


async def check_status(plan: "Plan", response: WireResponse, watch: Watch) -> None:
    """Raises what the upstream answered, unless it is a success that is not a web page."""
    status = response.status
    if 200 <= status < 300 and not is_page(response):
        return
    body = await read_some(response, watch, MAX_ERROR_BYTES)
    if plan.optional and status in NO_SUCH_ENDPOINT and not anthropic_messages.is_error(body):
        raise NotSpoken("messages", status=status)
    error = plan.codec.decode_error(status, body)
    passed = {
        name: response.headers[name]
        for name in _PASSED_ERROR_HEADERS
        if 0 < len(response.headers.get(name, "")) <= _MAX_PASSED_VALUE
    }
    error.headers = {**error.headers, **passed, **_passed_headers(response)}
    raise error


def _passed_headers(response: WireResponse) -> dict[str, str]:
    """What the client may know of the upstream's answer: its id and its rate limits."""
    headers = response.headers
    passed: dict[str, str] = {}
    names = "\n".join(headers).lower()
    if _UPSTREAM_ID in names:
        for name in _UPSTREAM_IDS:
            if name in headers:
                passed["x-upstream-request-id"] = headers[name]
                break
    if _LIMIT in names:
        for name, value in headers.items():
            lower = name.lower()
            if lower.startswith(_LIMITS) and len(passed) < _MAX_PASSED:
                passed[lower] = value
    if not passed:
        return passed
    passed = {name: value for name, value in passed.items() if len(value) <= _MAX_PASSED_VALUE}
    now = time.time()
    return {**anthropic_limits(passed, now), **openai_limits(passed, now), **passed}


def own_headers(services: Services, response: WireResponse, keys: Sequence[str]) -> dict[str, str]:
    """Those of a good answer; none at all from an upstream that repeats a key in one, ours or one
    of the client's `keys`."""
    passed = _passed_headers(response)
    if not passed:
        return passed
    return {} if services.redactor.knows(" ".join(passed.values()), *keys) else passed


def told(services: Services, plan: "Plan", usage: Usage, *, streamed: bool) -> Usage:
    """The counts as the client is to see them. Raises `RequestError`: see `Windows.told`."""
    size = len(plan.wire.body)
    seen = services.windows.told(usage, plan.request, plan.route, size=size, streamed=streamed)
    # Only clients of Messages believe in a window of their own.
    return seen if plan.call.surface is MESSAGES else usage


def note_usage(services: Services, context: Context, plan: "Plan", usage: Usage) -> None:
    context.facts.update(
        input_tokens=usage["input_tokens"],
        cached_tokens=usage["cache_read_input_tokens"],
        output_tokens=usage["output_tokens"],
    )
    services.counting.learn(context, plan.request, plan.route, usage)
    services.loaded.answered(context, plan.route)
