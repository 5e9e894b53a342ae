"""The upstream's own token counters: which are asked, in whose words, and who has none.

`Profile.token_counters` names them. Each is asked when somebody wants a count; one that fails is
left alone for a while, so a server without any costs one round of questions an hour and model.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from claude_proxy.backends import Backend, WireRequest
from claude_proxy.codecs import openai_chat
from claude_proxy.codecs.jsonio import dumps_body
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.profiles import TokenCounter
from claude_proxy.routing import Route
from claude_proxy.server.upstream import Upstream
from claude_proxy.tokens import estimate_tokens
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest

WAIT_SECONDS = 2.0
"""For all counters together: a client waits for this answer before it sends its request."""

_MISSING_SECONDS = 3600.0
_FAILED_SECONDS = 60.0
_MISSING = frozenset({404, 405, 410, 501})
"""The endpoint is not there. LM Studio says 200 and an error: what has no count is missing too."""
_NOT_ITS_FAULT = frozenset({401, 403, 413})
"""Of this client's key, or of this request alone; the next one may be counted."""

_MAX_ANSWER_BYTES = 16 << 20
"""vLLM sends the tokens themselves along: some seven bytes each."""
_MAX_REMEMBERED = 512
_MOST_TOKENS = 1 << 32
"""No prompt has as many."""


class _Total(msgspec.Struct):
    total_tokens: int


class _Answer(msgspec.Struct):
    """What any of them says; everything else in an answer is skipped unread."""

    input_tokens: int | None = None
    count: int | None = None
    data: _Total | None = None


class Counter(NamedTuple):
    """One kind of counter: where it is, what it is sent, and what it leaves out."""

    path: str
    fields: tuple[str, ...]
    """Those of the Chat request that change the prompt; none: it takes the Messages request."""
    fixed: Mapping[str, Any] = {}
    beside: bool = False
    """Whether it stands beside `/v1`, not below."""
    headers: Mapping[str, str] = {}
    uncounted: tuple[str, ...] = ()
    """Fields of the Messages request that it does not count; they are estimated."""


_CHAT = ("model", "messages", "tools", "chat_template_kwargs")

COUNTERS: Mapping[TokenCounter, Counter] = {
    # llama-server (tools/server/README.md). Who takes it for a completion makes one token.
    "input_tokens": Counter("/chat/completions/input_tokens", _CHAT, {"max_tokens": 1}),
    # vLLM (vllm/entrypoints/serve/tokenize/protocol.py).
    "tokenize": Counter("/tokenize", _CHAT, beside=True),
    # Anthropic's own; llama-server, vLLM and SGLang have it too.
    "count_tokens": Counter(
        "/messages/count_tokens", (), headers={"anthropic-version": "2023-06-01"}
    ),
    # Moonshot (platform.kimi.ai/docs/api/estimate), where no tools are mentioned.
    "estimate_token_count": Counter(
        "/tokenizers/estimate-token-count", ("model", "messages"), uncounted=("tools",)
    ),
}

_MESSAGES_FIELDS = ("messages", "system", "tools", "tool_choice", "thinking")


class UpstreamCounters:
    """Asks them. Mutable: remembers until when which one is left alone, by upstream and model."""

    def __init__(self, backend: Backend, upstreams: Mapping[str, Upstream]) -> None:
        self._backend = backend
        self._upstreams = upstreams
        self._silent: dict[tuple[str, str, TokenCounter], float] = {}

    async def count(
        self, request: MessagesRequest, route: Route, key: Callable[[Upstream], str]
    ) -> int | None:
        """Input tokens as the first counter that answers has them; None when none does.

        Raises nothing that an upstream, a key or a request could cause.
        """
        names = [name for name in route.profile.token_counters if not self._is_silent(route, name)]
        if not names:
            return None
        upstream = self._upstreams[route.upstream]
        asked = names[0]
        try:
            credential = key(upstream)
            bodies = _Bodies(request, route)
            async with asyncio.timeout(WAIT_SECONDS):
                for asked in names:
                    count = await self._ask(upstream, route, asked, bodies, credential)
                    if count is not None:
                        return count
        except TimeoutError:
            self._silence(route, asked, _FAILED_SECONDS)
        except ClaudeProxyError:
            # No key for it, or a request that it cannot have: told when that is sent.
            pass
        return None

    def _is_silent(self, route: Route, name: TokenCounter) -> bool:
        until = self._silent.get((route.upstream, route.model, name))
        return until is not None and time.monotonic() < until

    def _silence(self, route: Route, name: TokenCounter, seconds: float) -> None:
        if len(self._silent) >= _MAX_REMEMBERED:
            self._silent.pop(next(iter(self._silent)))
        self._silent[route.upstream, route.model, name] = time.monotonic() + seconds

    async def _ask(
        self, upstream: Upstream, route: Route, name: TokenCounter, bodies: "_Bodies", key: str
    ) -> int | None:
        counter = COUNTERS[name]
        wire = upstream.counter(
            counter.path,
            bodies.of(counter),
            key=key,
            beside=counter.beside,
            headers=counter.headers,
        )
        status, raw = (404, b"") if wire is None else await self._fetch(wire)
        if status == 200:
            count = _read(raw)
            if count is not None:
                return count + bodies.uncounted(counter)
            status = 404
        if status not in _NOT_ITS_FAULT:
            self._silence(route, name, _MISSING_SECONDS if status in _MISSING else _FAILED_SECONDS)
        return None

    async def _fetch(self, wire: WireRequest) -> tuple[int, bytes]:
        """Status and body; 502 for whatever breaks on the way."""
        try:
            response = await self._backend.send(wire)
        except ClaudeProxyError as error:
            return error.status, b""
        try:
            parts = bytearray()
            if response.status == 200:
                async for data in response:
                    parts += data
                    if len(parts) > _MAX_ANSWER_BYTES:
                        return 502, b""
            return response.status, bytes(parts)
        except ClaudeProxyError:
            return 502, b""
        finally:
            await response.aclose()


class _Bodies:
    """One request in the words of any counter; the Chat translation is made once, if at all."""

    def __init__(self, request: MessagesRequest, route: Route) -> None:
        self._request: MessagesRequest = {**request, "model": route.model}
        self._profile = route.profile
        self._chat: Json | None = None

    def of(self, counter: Counter) -> bytes:
        if not counter.fields:
            given: Json = {**self._request}
            kept = {name: given[name] for name in _MESSAGES_FIELDS if name in given}
            return dumps_body({"model": given["model"], **kept})
        if self._chat is None:
            whole: MessagesRequest = {**self._request, "max_tokens": 1}
            self._chat = openai_chat.encode_request(whole, profile=self._profile)
        chat = self._chat
        kept = {name: chat[name] for name in counter.fields if name in chat}
        return dumps_body({**kept, **counter.fixed})

    def uncounted(self, counter: Counter) -> int:
        given: Json = {**self._request}
        rest = {name: given[name] for name in counter.uncounted if name in given}
        return estimate_tokens(rest, profile=self._profile) if rest else 0


def _read(raw: bytes) -> int | None:
    try:
        answer = msgspec.json.decode(raw, type=_Answer)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    total = None if answer.data is None else answer.data.total_tokens
    for count in (answer.input_tokens, answer.count, total):
        if count is not None and 0 < count < _MOST_TOKENS:
            return count
    return None
