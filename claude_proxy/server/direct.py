"""The direct pass: an upstream that speaks the client's language gets and gives it as it is.

The request is retargeted, never rebuilt; status, body and the headers that mean something to
clients come back unchanged, and so do errors, whose wording clients look at. Bytes leave in whole
events. Ours are only a comment in silence, and one error event where an answer is cut.
"""

import asyncio
import math
import re
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import NamedTuple

from starlette.types import Receive, Scope, Send

from claude_proxy.backends import WireRequest, WireResponse
from claude_proxy.codecs.jsonio import Body, loads
from claude_proxy.codecs.passing import (
    Opening,
    Usage,
    WholeEvents,
    until_end,
)
from claude_proxy.errors import (
    ClaudeProxyError,
    ProtocolError,
    UpstreamError,
    forget_frames,
)
from claude_proxy.routing import Route
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.demoted import whole_answer
from claude_proxy.server.failures import note_failure
from claude_proxy.server.notes import Notes
from claude_proxy.server.passages import ANTHROPIC
from claude_proxy.server.passed_errors import NotSpoken, check_status
from claude_proxy.server.passed_requests import (
    MESSAGES_PATH,
    Pass,
    demoted,
    messages_pass,
    messages_wire,
    openai_pass,
)
from claude_proxy.server.reading import (
    called_what_it_is,
    in_time,
    is_event_stream,
)
from claude_proxy.server.responses import PassedStream, clean_error, send_bytes
from claude_proxy.server.services import Services
from claude_proxy.server.surface import MESSAGES
from claude_proxy.server.verbatim import passed_headers, passed_type
from claude_proxy.server.watch import ClientGone, SilenceAfterFinish, Watch
from claude_proxy.types import Json

_MODELS_PATH = "/v1/models"
_MODELS_SECONDS = 2.0
_MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}")
_ERROR = b'"error"'
"""Stands in every error, as its type or its field; in a text its quotes are escaped."""


class Plan(NamedTuple):
    """A request for a message."""

    route: Route
    passing: Pass
    left_out: str = ""
    """Of a second attempt: the field that it is without, or "signatures" for earlier thinking."""

    @property
    def headers(self) -> Mapping[str, str]:
        return self.passing.headers

    @property
    def wire(self) -> WireRequest:
        return self.passing.wire

    async def reply(
        self, services: Services, context: Context, receive: Receive, send: Send
    ) -> None:
        await reply(services, context, self.passing, receive, send)

    async def usage(self, services: Services, receive: Receive) -> Json:
        """What a whole answer cost. Raises `UpstreamError`."""
        response: WireResponse | None = None
        try:
            async with services.watch(receive, self.route.profile) as watch:
                response = await services.backend.send(self.passing.wire)
                watch.accepted()
                await check_status(response, watch, services.redactor, self.passing)
                raw = await whole_answer(response, self.passing, watch)
        finally:
            if response is not None:
                await response.aclose()
        try:
            usage = loads(raw)["usage"]
        except (ValueError, KeyError, TypeError):
            raise ProtocolError("The upstream's answer is not a message.") from None
        return usage if isinstance(usage, dict) else {}


def make_plan(
    services: Services, context: Context, call: Call, route: Route, *, without: str = ""
) -> Plan:
    """Retargets. Raises what is wrong with the key."""
    if call.surface is not MESSAGES:
        return Plan(route, openai_pass(services, context, call, route))
    optional = not services.upstreams[route.upstream].only_messages
    passing = _passing(services, context, call, route, optional=optional, without=without)
    return Plan(route, passing, without)


def _passing(
    services: Services,
    context: Context,
    call: Call,
    route: Route,
    *,
    optional: bool,
    without: str = "",
) -> Pass:
    passing = messages_pass(services, context, call, route, optional=optional, without=without)
    if passing.stream or not services.upstreams[route.upstream].demotes:
        return passing
    context.facts["demoted"] = True
    return demoted(passing)


async def reply(
    services: Services, context: Context, passing: Pass, receive: Receive, send: Send
) -> None:
    """Passes one answer on. Raises what went wrong, as long as no byte has left."""
    stream = PassedStream(send, context.send, passing.headers, context.surface)
    relay = Relay(services, context, passing, stream, send)
    silence, profile = services.settings.idle, passing.profile
    services.streams += passing.stream
    try:
        async with AsyncExitStack() as stack, services.watch(receive, profile) as watch:
            await relay.run(watch, stack)
    except ClientGone as gone:
        relay.note(gone)
        raise
    except SilenceAfterFinish as silent:
        forget_frames(silent)
        await in_time(relay.finish(), silence)
    except ClaudeProxyError as error:
        if relay.complete and stream.started:
            forget_frames(error)
            await in_time(relay.finish(), silence)
            return
        if not stream.started:
            relay.note(error)
            # Whoever answers now, it is not the one whose head has come.
            context.shown_id = ""
            raise
        forget_frames(error)
        await in_time(relay.fail(error), silence)
    finally:
        services.streams -= passing.stream
        context.first_at = stream.first_at
        await stream.aclose()


class Relay:
    """Moves one answer from the upstream to the client. Mutable; used once."""

    def __init__(
        self, services: Services, context: Context, passing: Pass, stream: PassedStream, send: Send
    ) -> None:
        self._services = services
        self._context = context
        self._passing = passing
        self._stream = stream
        self._send = send
        self._events = WholeEvents()
        self._opening = Opening()
        self._keys = context.keys()
        self._passage = passing.passage
        self._tap = self._passage.tap()
        self._calls = services.people.passed_calls(context)

    @property
    def complete(self) -> bool:
        """Whether the upstream has said all that belongs to the answer."""
        return self._tap.complete

    async def run(self, watch: Watch, stack: AsyncExitStack) -> None:
        if self._passing.stream:
            self._beat(watch, first=self._services.settings.hold_seconds)
        response = await self._services.backend.send(self._passing.wire)
        stack.push_async_callback(response.aclose)
        watch.accepted()
        await check_status(response, watch, self._services.redactor, self._passing, self._keys)
        if mislabeled := not is_event_stream(response):
            watch.beat_every(math.inf)
            response = await called_what_it_is(response, watch)
        if is_event_stream(response) and not self._passing.gathered:
            if not self._passing.stream or mislabeled:
                self._beat(watch, first=self._services.settings.ping_seconds)
            self._note_head(response)
            await self._pump(response, watch)
            await self.finish()
        else:
            watch.beat_every(math.inf)
            await self._pass_whole(response, watch)

    def _beat(self, watch: Watch, *, first: float) -> None:
        def beat() -> None:
            if self.complete:
                watch.interrupt(SilenceAfterFinish())
                return
            self._stream.beat()
            watch.beat_every(self._services.settings.ping_seconds)

        watch.beat(beat, first=first, blocked=lambda: self._stream.writing)

    def _note_head(self, response: WireResponse) -> dict[str, str]:
        """What the client gets to see of the answer's headers."""
        passed = passed_headers(response, self._passage, self._services.redactor, self._keys)
        if not self._stream.started:
            self._context.keep_id(passed.pop(self._passage.id_header, ""))
        self._stream.headers.update(passed)
        return self._stream.headers

    async def _pump(self, response: WireResponse, watch: Watch) -> None:
        tap, stream = self._tap, self._stream
        paced = False
        async for data in response:
            watch.heard()
            whole = self._opening.feed(self._masked(self._events.feed(data)))
            if not whole:
                continue
            tap.read(whole)
            if tap.started and not stream.first_at:
                stream.first_at = time.monotonic()
            if tap.finished:
                # Whatever comes behind its end, and however the connection ends.
                self._events = WholeEvents()
                whole = self._ending(until_end(whole, self._passage.tap))
            if self._calls is not None:
                self._calls.read(whole)
            await stream.write(whole)
            watch.spoke()
            if tap.finished:
                return
            if not paced:
                watch.beat_every(self._services.settings.ping_seconds)
                paced = True

    def _ending(self, events: bytes) -> bytes:
        """The last events, as their client can read them. Raises the error that they are, if no
        content has come before it."""
        if not (failure := self._tap.failure):
            return events
        error = self._passage.failed(failure)
        if not (self._stream.started or self._tap.started):
            raise self._headed(error)
        self._context.note_error(error, self._services.redactor)
        return self._masked(self._passage.ending_in(failure, events))

    def _headed(self, error: UpstreamError) -> UpstreamError:
        """The error of an answer whose head, but for its status, counts all the same."""
        error.headers = {**self._stream.headers, **error.headers}
        if error.answer is not None:
            error.answer = error.answer._replace(request_id=self._context.shown_id)
        return error

    def _masked(self, events: bytes) -> bytes:
        """Errors without a key, whoever's: they may quote what the upstream was sent."""
        if _ERROR not in events:
            return events
        return self._services.redactor.mask(events, *self._keys)

    async def finish(self) -> None:
        """The end: what is left as it is, or the error that a cut is."""
        rest, tap = self._masked(self._events.close()), self._tap
        was_complete = tap.complete
        if rest:
            tap.read(rest)  # Some servers end without the blank line.
            rest = self._ending(rest)
        if tap.complete:
            _note_usage(self._context, tap.usage)
            # Half an event behind the end is none.
            await self._stream.write(rest if tap.finished or not was_complete else b"", last=True)
            return
        error = ProtocolError("The upstream ended its answer before it was complete.")
        if not self._stream.started:
            raise error
        await self.fail(error)

    async def fail(self, error: ClaudeProxyError) -> None:
        """An error event after whole events; half of one, which was not sent, is forgotten."""
        _note_usage(self._context, self._tap.usage)
        self.note(error)
        self._context.note_error(error, self._services.redactor)
        clean = clean_error(error, self._services.redactor, self._context)
        await self._stream.fail(clean, request_id=self._context.shown_id or self._context.id)

    def note(self, error: Exception) -> None:
        """For the log: why the answer did not come to its end."""
        wire, redactor = self._passing.wire, self._services.redactor
        if not self.complete:
            note_failure(self._context, wire, error, redactor, stream=self._passing.stream)

    async def _pass_whole(self, response: WireResponse, watch: Watch) -> None:
        raw = await whole_answer(response, self._passing, watch)
        headers = self._note_head(response)
        try:
            self._passage.check(raw, response.status)
        except UpstreamError as error:
            raise self._headed(error) from error.__cause__
        events = self._passage.in_events(raw, self._passing.usage) if self._passing.stream else b""
        if self._stream.started and not events:
            raise ProtocolError("The upstream answered in one piece where a stream was asked for.")
        _note_usage(self._context, self._passage.usage_of(raw))
        if events:
            await self._stream.write(events, last=True)
            return
        self._services.people.note_passed(self._context, raw)
        kind = passed_type(response, self._services.redactor, self._keys)
        await send_bytes(self._send, raw, kind, status=response.status, headers=headers)


def _note_usage(context: Context, usage: Usage) -> None:
    # Only messages cost; a count or a list that reports usage has no model to count it for.
    if usage and "upstream_model" in context.facts:
        names = ("input_tokens", "cached_tokens", "output_tokens")
        context.facts.update({name: usage.get(name, 0) for name in names})


async def count_tokens(
    services: Services, context: Context, call: Call, receive: Receive, send: Send
) -> bool:
    """Passes a token count on; False where the upstream has none, so that ours must do."""
    asked = services.settings.token_counting == "auto"  # noqa: S105  # nosec B105
    if not (asked and services.may_pass_messages):
        return False
    route = services.route(call.peek())
    upstream = services.upstreams[route.upstream]
    if route.dialect != "messages" or upstream.without_counts:
        return False
    path = f"{MESSAGES_PATH}/count_tokens"
    passing = messages_pass(services, context, call, route, path, optional=True)
    try:
        await reply(services, context, passing._replace(stream=False), receive, send)
    except NotSpoken as error:
        forget_frames(error)
        upstream.without_counts = True
        return False
    context.facts["counted_by"] = "upstream"
    return True


async def models(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> bool:
    """Passes Anthropic's list of models on, or one of its models; False where ours must do."""
    upstream, id = services.upstream, scope["path_params"].get("id")
    if not (upstream.native.lists and upstream.may_pass):
        return False
    if id is not None and not _MODEL_ID.fullmatch(id):
        return False  # It must not lead elsewhere.
    path = _MODELS_PATH if id is None else f"{_MODELS_PATH}/{id}"
    call = Call(Body(b"{}"), scope.get("query_string", b""), scope["headers"])
    native, notes = upstream.native, Notes()
    wire = messages_wire(upstream, native, context, call, path, b"", stream=False, notes=notes)
    try:
        async with asyncio.timeout(_MODELS_SECONDS):
            await reply(
                services, context, Pass(wire, {}, False, True, passage=ANTHROPIC), receive, send
            )
    except (UpstreamError, TimeoutError) as error:
        if context.status and isinstance(error, TimeoutError):
            raise ClientGone from None  # It does not read.
        if context.status or (isinstance(error, UpstreamError) and error.answer):
            raise
        forget_frames(error)
        return False
    return True
