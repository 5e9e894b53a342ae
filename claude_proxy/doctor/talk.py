"""One exchange with the upstream, as the server would have it, with all of it kept."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from claude_proxy.backends import Backend
from claude_proxy.codecs import anthropic_messages, ignore_drop
from claude_proxy.doctor.exchange import Exchange, Keep
from claude_proxy.doctor.findings import Heard, parts_of
from claude_proxy.doctor.languages import Asked, asked
from claude_proxy.errors import ClaudeProxyError, ProtocolError, UpstreamError
from claude_proxy.native import Dialect
from claude_proxy.profiles import Profile
from claude_proxy.server.passed_errors import NO_SUCH_ENDPOINT
from claude_proxy.server.upstream import Upstream
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest

_MOST_BYTES = 16 << 20
_PATIENT = frozenset({429, 503, 529})
_TRIES = 3
_LONGEST_WAIT = 20.0  # seconds


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

    def dialect(self, model: str, profile: Profile) -> Dialect:
        """The language in which the model is asked, as far as is known."""
        return self._upstream.dialect(model, profile)

    @property
    def anthropics(self) -> bool:
        """Whether it is Anthropic's own API."""
        return self._upstream.native.claude

    def encoded(self, request: MessagesRequest, profile: Profile) -> Json:
        """What would be sent; nothing where the request cannot be."""
        try:
            return asked(self._upstream, self._key, request, profile, ignore_drop).sent
        except ClaudeProxyError:
            return {}

    async def ask(self, name: str, request: MessagesRequest, profile: Profile) -> Heard:
        """What the upstream answers to a request, by way of the codec, patient with its limits."""
        dropped: list[tuple[str, str]] = []
        dialect = self.dialect(request["model"], profile)

        def drop(path: str, why: str) -> None:
            dropped.append((path, why))

        try:
            question = asked(self._upstream, self._key, request, profile, drop)
        except ClaudeProxyError as error:
            return Heard(request, {}, error=error, dialect=dialect)
        heard = Heard(request, question.sent, dropped=tuple(dropped), dialect=dialect)
        found = await self._patiently(name, question, heard)
        if self._not_spoken(found):
            # As the server: from now on it is asked in the other language.
            self._upstream.unlearn("messages")
            return await self.ask(name, request, profile)
        return found

    def _not_spoken(self, heard: Heard) -> bool:
        """Whether an upstream that was only thought to speak Messages does not."""
        return (
            heard.dialect == "messages"
            and heard.status in NO_SUCH_ENDPOINT
            and not self._upstream.only_messages
            and not anthropic_messages.is_error(heard.raw)
        )

    async def _patiently(self, name: str, question: Asked, heard: Heard) -> Heard:
        for left in range(_TRIES - 1, -1, -1):
            exchange = Exchange(question.wire)
            found = await self._once(name, exchange, question, heard)
            if found.status not in _PATIENT or not left:
                break
            await self._sleep(min(_retry_after(exchange), _LONGEST_WAIT))
        return found

    async def _once(self, name: str, exchange: Exchange, question: Asked, heard: Heard) -> Heard:
        self.calls += 1
        message: Message | None = None
        failure: ClaudeProxyError | None = None
        try:
            await self._exchange(name, exchange)
            message = question.read(exchange)
        except ClaudeProxyError as error:
            failure = error
        return replace(
            heard,
            status=exchange.status,
            raw=exchange.body,
            streamed=exchange.is_stream,
            message=message,
            error=failure,
            parts=parts_of(exchange.body, streamed=exchange.is_stream),
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


def _retry_after(exchange: Exchange) -> float:
    text = exchange.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 5.0
