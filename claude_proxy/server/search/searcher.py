"""Asks the search service that the settings name.

A request says what is looked for, and nothing else: neither where it is asked, nor with which key.
Pages themselves are never fetched.
"""

import asyncio

import structlog

from claude_proxy.backends import Backend, WireRequest
from claude_proxy.codecs.web_search import Failure, SearchTool
from claude_proxy.codecs.web_search.hits import Outcome
from claude_proxy.codecs.web_search.services import Question, wanted
from claude_proxy.codecs.web_search.services.table import SERVICES
from claude_proxy.errors import UpstreamError
from claude_proxy.server.metrics import Metrics
from claude_proxy.settings import Settings
from claude_proxy.settings.search import NEEDS

SECONDS = 15.0
"""For one search, from asking to the last byte."""
_MOST_BYTES = 4 << 20

_NOBODY = Failure(
    "unavailable",
    "Nobody searches the web for this proxy. Tell the user: whoever runs claude-proxy can set one "
    f"of {', '.join(NEEDS.values())}, and until then answers rest on what you know.",
)
_NOT_WANTED = Failure(
    "unavailable", "Searches of the web are turned off in this proxy (CLAUDE_PROXY_SEARCH=none)."
)
_TOO_SLOW = Failure("unavailable", "The search service did not answer in time.")
_NOT_REACHED = Failure("unavailable", "The search service could not be reached.")
_TOO_LARGE = Failure("unavailable", "The answer of the search service is too large.")

log = structlog.get_logger("claude_proxy.search")


class Searcher:
    """One for each app."""

    def __init__(self, settings: Settings, backend: Backend, metrics: Metrics) -> None:
        self._chosen = settings.search_service()
        self._backend = backend
        self._metrics = metrics
        self._without = _NOT_WANTED if settings.search == "none" else _NOBODY

    async def search(self, query: str | None, tool: SearchTool, request_id: str) -> Outcome:
        """What is found, or why nothing is. Never raises but for being interrupted."""
        if self._chosen is None:
            return self._counted("none", self._without)
        service = SERVICES[self._chosen.name]
        text = service.prepared(query)
        if isinstance(text, Failure):
            return self._counted(service.name, text)
        question = service.ask(text, tool, self._chosen.key)
        status, answer = await self._ask(question)
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

    async def _ask(self, question: Question) -> tuple[int, bytes | Failure]:
        """Status and body; 0 where there is no answer."""
        base = self._chosen.url if self._chosen else ""
        wire = WireRequest(
            f"{base}{question.path}", question.body, question.method, question.headers
        )
        try:
            async with asyncio.timeout(SECONDS):
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


def _result(outcome: Outcome) -> str:
    if isinstance(outcome, Failure):
        return outcome.code
    return "found" if outcome.hits else "nothing"
