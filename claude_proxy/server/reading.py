"""Reading an upstream's answer: whole, within bounds, and what its headers tell."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Mapping
from contextlib import suppress

from claude_proxy.backends import WireResponse
from claude_proxy.errors import ProtocolError, UpstreamError
from claude_proxy.server.watch import ClientGone, Watch

EVENT_STARTS = (b"data:", b"event:", b":")
_BEFORE, _TELLING = b"\xef\xbb\xbf \t\r\n", len(b"event:")
_TYPE = "content-type"
MAX_ANSWER_BYTES = 64 << 20
MAX_ERROR_BYTES = 1 << 20


async def read_all(body: AsyncIterable[bytes], watch: Watch, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for data in body:
        watch.heard()
        size += len(data)
        if size > limit:
            raise ProtocolError(f"The upstream's answer is larger than {limit:,} bytes.")
        parts.append(data)
    return b"".join(parts)


async def read_some(body: AsyncIterable[bytes], watch: Watch, limit: int) -> bytes:
    """What there is of an error's text; its status counts even if the text breaks off."""
    parts = bytearray()
    with suppress(UpstreamError):
        async for data in body:
            watch.heard()
            parts += data
            if len(parts) >= limit:
                break
    return bytes(parts[:limit])


async def in_time(last_words: Awaitable[None], seconds: float) -> None:
    """The upstream is closed by now; a client that does not read must not keep the rest."""
    try:
        async with asyncio.timeout(seconds):
            await last_words
    except TimeoutError:
        raise ClientGone from None


def is_event_stream(response: WireResponse) -> bool:
    kind = _kind(response)
    return "event-stream" in kind or "ndjson" in kind


async def called_what_it_is(response: WireResponse, watch: Watch) -> WireResponse:
    """The same answer, with the content type of events if it is made of them: some servers call
    that JSON, or plain text."""
    if is_event_stream(response):
        return response
    read, body = b"", aiter(response)
    async for data in body:
        watch.heard()
        read += data
        if len(read.lstrip(_BEFORE)) >= _TELLING:
            break
    headers = response.headers
    if read.lstrip(_BEFORE).startswith(EVENT_STARTS):
        lower = {name.lower(): value for name, value in headers.items()}
        headers = {**lower, _TYPE: "text/event-stream"}
    return _Begun(response, headers, read, body)


class _Begun:
    """An answer of which the beginning was read already. Mutable."""

    def __init__(
        self,
        response: WireResponse,
        headers: Mapping[str, str],
        read: bytes,
        body: AsyncIterator[bytes],
    ) -> None:
        self.status = response.status
        self.headers = headers
        self._response = response
        self._read = read
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        read, self._read = self._read, b""
        return read or await anext(self._body)

    async def aclose(self) -> None:
        await self._response.aclose()


def is_json(response: WireResponse) -> bool:
    return "json" in _kind(response).partition(";")[0] and not is_event_stream(response)


def is_page(response: WireResponse) -> bool:
    """Whether it is a web page, which no client of an API can read."""
    return "html" in _kind(response)


def _kind(response: WireResponse) -> str:
    return response.headers.get("content-type", "").lower()
