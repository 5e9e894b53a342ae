"""Asks the search service that the settings name, or the upstream itself where it searches.

A request says what is looked for, and nothing else: neither where it is asked, nor with which key.
Pages themselves are never fetched.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog

from claude_proxy.backends import Backend, WireRequest
from claude_proxy.codecs.web_search import Failure, SearchTool
from claude_proxy.codecs.web_search.hits import Outcome
from claude_proxy.codecs.web_search.services import Question, Service, wanted
from claude_proxy.codecs.web_search.services.provider import OWN
from claude_proxy.codecs.web_search.services.table import SERVICES
from claude_proxy.errors import UpstreamError
from claude_proxy.server.metrics import Metrics
from claude_proxy.server.upstream import Upstream
from claude_proxy.settings import Settings
from claude_proxy.settings.search import NEEDS

SECONDS = 15.0
"""For one search, from asking to the last byte."""
OWN_SECONDS = 90.0
"""The same where a model of the upstream searches."""
_MOST_BYTES = 4 << 20

_NOBODY = Failure(
    "unavailable",
    "Nobody searches the web for this proxy. Tell the user: whoever runs claude-proxy can set one "
    f"of {', '.join(NEEDS.values())}, and until then answers rest on what you know.",
)
_NO_OWN = Failure(
    "unavailable",
    "This upstream is not known to have a web search of its own (CLAUDE_PROXY_SEARCH=upstream).",
)
_NOT_WANTED = Failure(
    "unavailable", "Searches of the web are turned off in this proxy (CLAUDE_PROXY_SEARCH=none)."
)
_WITHOUT = {"none": _NOT_WANTED, "upstream": _NO_OWN}
_TOO_SLOW = Failure("unavailable", "The search service did not answer in time.")
_NOT_REACHED = Failure("unavailable", "The search service could not be reached.")
_TOO_LARGE = Failure("unavailable", "The answer of the search service is too large.")

log = structlog.get_logger("claude_proxy.search")


class OwnSearch(NamedTuple):
    """An upstream that searches by itself."""

    upstream: Upstream
    model: str
    key: str
    form: str
    """The type of its tool: `Profile.own_search`."""

    def wire(self, question: Question) -> WireRequest:
        path, model = question.path, self.model
        return self.upstream.call(path, question.body, model=model, key=self.key, stream=False)


class _Way(NamedTuple):
    """Who is asked, and how."""

    service: Service
    ask_with: str
    """The key, or for an upstream's own search the model."""
    wire: Callable[[Question], WireRequest]
    seconds: float


class Searcher:
    """One for each app."""

    def __init__(self, settings: Settings, backend: Backend, metrics: Metrics) -> None:
        self._chosen = settings.search_service()
        self._backend = backend
        self._metrics = metrics
        self._own = settings.search in ("auto", "upstream")
        self._without = _WITHOUT.get(settings.search, _NOBODY)
        # Else the client's request would be given up before its search is.
        self._most_seconds = settings.idle / 2

    @property
    def has_service(self) -> bool:
        """Whether the settings name a service."""
        return self._chosen is not None

    async def search(
        self, query: str | None, tool: SearchTool, request_id: str, own: OwnSearch | None = None
    ) -> Outcome:
        """What is found, or why nothing is; `own` is asked where the settings name no service.

        Never raises but for being interrupted.
        """
        way = self._way(own)
        if way is None:
            return self._counted("none", self._without)
        service = way.service
        text = service.prepared(query)
        if isinstance(text, Failure):
            return self._counted(service.name, text)
        wire = way.wire(service.ask(text, tool, way.ask_with))
        status, answer = await self._ask(wire, min(way.seconds, self._most_seconds))
        outcome = answer if isinstance(answer, Failure) else service.outcome(status, answer)
        if isinstance(outcome, Failure):
            log.warning(
                "search_failed",
                request_id=request_id,
                service=service.name,
                status=status,
                error=outcome.code,
                why=outcome.why,
            )
        return self._counted(service.name, wanted(outcome, tool))

    def _way(self, own: OwnSearch | None) -> _Way | None:
        if self._chosen is not None:
            name, url, key = self._chosen
            return _Way(SERVICES[name], key, lambda asked: _wire(url, asked), SECONDS)
        if own is not None and self._own:
            return _Way(OWN[own.form], own.model, own.wire, OWN_SECONDS)
        return None

    async def _ask(self, wire: WireRequest, seconds: float) -> tuple[int, bytes | Failure]:
        """Status and body; 0 where there is no answer."""
        try:
            async with asyncio.timeout(seconds):
                return await self._exchange(wire)
        except TimeoutError:
            return 0, _TOO_SLOW
        except UpstreamError as error:
            return 0, _TOO_SLOW if error.status == 504 else _NOT_REACHED

    async def _exchange(self, wire: WireRequest) -> tuple[int, bytes | Failure]:
        response = await self._backend.send(wire)
        try:
            parts = bytearray()
            async for data in response:
                parts += data
                if len(parts) > _MOST_BYTES:
                    return response.status, _TOO_LARGE
            return response.status, bytes(parts)
        finally:
            await response.aclose()

    def _counted(self, service: str, outcome: Outcome) -> Outcome:
        self._metrics.search(service, _result(outcome))
        return outcome


def _wire(base_url: str, asked: Question) -> WireRequest:
    return WireRequest(f"{base_url}{asked.path}", asked.body, asked.method, asked.headers)


def _result(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        return outcome.code
    return "found" if outcome.hits else "nothing"
