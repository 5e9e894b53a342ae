"""One exchange with the upstream, as the server would have it, with all of it kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from claude_proxy.backends import Backend, WireRequest
from claude_proxy.codecs import openai_chat
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.jsonio import dumps_body, loads
from claude_proxy.doctor.findings import Heard, parts_of
from claude_proxy.errors import ClaudeProxyError, ProtocolError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.server.dialects import TRANSLATIONS
from claude_proxy.server.upstream import Upstream
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest

_MOST_BYTES = 16 << 20
_PATIENT = frozenset({429, 503, 529})
_TRIES = 3
_LONGEST_WAIT = 20.0  # seconds
_EVENT_STARTS = (b"data:", b"event:", b":")


@dataclass(slots=True)
class Exchange:
    """Bytes and times of one request and its answer. Mutable: grows as the answer comes."""

    request: WireRequest
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reads: list[tuple[float, bytes]] = field(default_factory=list)
    """Seconds since the request was sent, and what came then."""
    seconds: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.reads)


Keep = Callable[[str, Exchange], None]
"""Is told each exchange, with the name of what it is for."""


class Talk:
    """Asks one upstream with one key. Mutable: counts its calls."""

    def __init__(
        self,
        backend: Backend,
        upstream: Upstream,
        key: str,
        *,
        timeout: float,
        keep: Keep,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._backend = backend
        self._upstream = upstream
        self._key = key
        self._timeout = timeout
        self._keep = keep
        self._sleep = sleep
        self.calls = 0

    async def models(self) -> Exchange:
        """The upstream's list of models. Raises `UpstreamError` when there is no answer."""
        exchange = Exchange(self._upstream.models(key=self._key))
        await self._exchange("models", exchange)
        return exchange

    def encoded(self, request: MessagesRequest, profile: Profile) -> Json:
        """What would be sent; nothing where the request cannot be."""
        try:
            found: Json = loads(dumps_body(openai_chat.encode_request(request, profile=profile)))
        except ClaudeProxyError:
            return {}
        return found

    async def ask(self, name: str, request: MessagesRequest, profile: Profile) -> Heard:
        """What the upstream answers to a request, by way of the codec, patient with its limits."""
        dropped: list[tuple[str, str]] = []
        names = openai_chat.tool_names(request, profile=profile)
        try:
            sent = openai_chat.encode_request(
                request,
                profile=profile,
                on_drop=lambda path, why: dropped.append((path, why)),
                renamed=names,
            )
        except ClaudeProxyError as error:
            return Heard(request, {}, error=error)
        raw = dumps_body(sent)
        stream = bool(sent.get("stream"))
        path = TRANSLATIONS["chat"].path
        wire = self._upstream.call(path, raw, model=request["model"], key=self._key, stream=stream)
        heard = Heard(request, loads(raw), dropped=tuple(dropped))
        return await self._patiently(name, wire, heard, profile, names)

    async def _patiently(
        self, name: str, wire: WireRequest, heard: Heard, profile: Profile, names: Json
    ) -> Heard:
        for left in range(_TRIES - 1, -1, -1):
            exchange = Exchange(wire)
            found = await self._once(name, exchange, heard, profile, names)
            if found.status not in _PATIENT or not left:
                break
            await self._sleep(min(_retry_after(exchange), _LONGEST_WAIT))
        return found

    async def _once(
        self, name: str, exchange: Exchange, heard: Heard, profile: Profile, names: Json
    ) -> Heard:
        self.calls += 1
        message: Message | None = None
        failure: ClaudeProxyError | None = None
        try:
            await self._exchange(name, exchange)
            message = _message(exchange, heard.request, profile, names)
        except ClaudeProxyError as error:
            failure = error
        streamed = _is_stream(exchange)
        return Heard(
            request=heard.request,
            sent=heard.sent,
            status=exchange.status,
            raw=exchange.body,
            streamed=streamed,
            message=message,
            error=failure,
            dropped=heard.dropped,
            parts=parts_of(exchange.body, streamed=streamed),
        )

    async def _exchange(self, name: str, exchange: Exchange) -> None:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                await self._read(exchange, started)
        except TimeoutError:
            said = f"No whole answer within {self._timeout:g} seconds."
            raise UpstreamError(said, status=504) from None
        finally:
            exchange.seconds = time.monotonic() - started
            self._keep(name, exchange)

    async def _read(self, exchange: Exchange, started: float) -> None:
        response = await self._backend.send(exchange.request)
        exchange.status, exchange.headers = response.status, response.headers
        size = 0
        try:
            async for data in response:
                exchange.reads.append((time.monotonic() - started, data))
                size += len(data)
                if size > _MOST_BYTES:
                    raise ProtocolError("The upstream's answer is larger than 16 MiB.")
        finally:
            await response.aclose()


def _message(
    exchange: Exchange, request: MessagesRequest, profile: Profile, names: Json
) -> Message:
    """The answer in Messages. Raises what the upstream said in place of one."""
    status, body = exchange.status or 0, exchange.body
    if not 200 <= status < 300 or "html" in exchange.headers.get("content-type", ""):
        raise openai_chat.decode_error(status, body)
    more: dict[str, Any] = {
        "profile": profile,
        "id": "msg_doctor",
        "model": request["model"],
        "tool_names": names,
        "stop_sequences": request.get("stop_sequences") or (),
    }
    if not _is_stream(exchange):
        try:
            answer = loads(body)
        except ValueError:
            raise openai_chat.decode_error(status, body) from None
        return openai_chat.decode_response(answer, **more)
    decoder, fold = openai_chat.StreamDecoder(**more), MessageFold()
    for event in [*decoder.feed(body), *decoder.close()]:
        fold.feed(event)
    if decoder.error is not None:
        raise decoder.error
    return fold.message


def _is_stream(exchange: Exchange) -> bool:
    kind = exchange.headers.get("content-type", "")
    return "event-stream" in kind or exchange.body.lstrip().startswith(_EVENT_STARTS)


def _retry_after(exchange: Exchange) -> float:
    text = exchange.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 5.0
