"""The services that search the web: how each is asked, and what its answers mean.

A service is two pure functions: a question becomes a request, an answer becomes pages. What its
statuses mean is the same for nearly all, and stands here. The rest is the caller's: sending it,
how long that may take, and that only pages of wanted domains are shown (`wanted`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from claude_proxy.codecs.jsonio import loads, mended
from claude_proxy.codecs.web_search.hits import MOST_HITS, ErrorCode, Failure, Found, Hit, Outcome
from claude_proxy.codecs.web_search.tool import SearchTool
from claude_proxy.types import Json

_STATUSES: Mapping[int, tuple[ErrorCode, str]] = {
    400: ("invalid_tool_input", "The search service did not accept this query."),
    401: ("unavailable", "The search service refused the key of this proxy."),
    402: ("unavailable", "The search service wants to be paid before it searches again."),
    403: ("unavailable", "The search service refused the key of this proxy."),
    414: ("query_too_long", "The search service takes only shorter queries."),
    422: ("invalid_tool_input", "The search service did not accept this query."),
    429: ("too_many_requests", "The search service has been asked too often; wait a little."),
}
UNREADABLE = Failure("unavailable", "The answer of the search service could not be read.")
NO_QUERY = Failure("invalid_tool_input", "Call the search with a query that is a text.")

MOST_SITES = 8
"""Domains that are put into a query: each takes some of the few characters that there are. If
there are more, only the answer is looked at."""


class Question(NamedTuple):
    """One request to a service; the address is the service's base URL and `path`."""

    path: str
    method: str = "GET"
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Service:
    """How one kind of service is spoken to."""

    name: str
    ask: Callable[[str, SearchTool, str], Question]
    """Of the query, what the client wants, and the key (in `provider`, the model)."""
    read: Callable[[Json], Outcome]
    """Of an answer that is no error."""
    statuses: Mapping[int, tuple[ErrorCode, str]] = field(default_factory=dict)
    """What else its statuses mean than those of others."""
    most_query: int = 1_000
    """Characters of a query."""

    def prepared(self, query: str | None) -> str | Failure:
        """The query as it can be asked, or why it cannot."""
        text = " ".join((query or "").split())
        if not text:
            return NO_QUERY
        if len(text) > self.most_query:
            why = f"A query has at most {self.most_query} characters; ask for less at once."
            return Failure("query_too_long", why)
        return text

    def outcome(self, status: int, body: bytes) -> Outcome:
        """What an answer of the service means."""
        if not 200 <= status < 300:
            known = self.statuses.get(status) or _STATUSES.get(status)
            return Failure(*(known or _unknown(status)))
        try:
            # Half an emoji in one page's text is no reason to have none of them.
            answer = loads(mended(body))
        except ValueError:
            return UNREADABLE
        return self.read(answer) if isinstance(answer, dict) else UNREADABLE


def _unknown(status: int) -> tuple[ErrorCode, str]:
    return "unavailable", f"The search service answered with status {status}."


def sites(tool: SearchTool) -> str:
    """The wanted domains in the words that nearly all search engines know; empty for any."""
    wanted = [f"site:{domain}" for domain in tool.allowed]
    unwanted = [f"-site:{domain}" for domain in tool.blocked[:MOST_SITES]]
    if len(wanted) > 1:
        # Not all engines know brackets, so a single one has none.
        wanted = [f"({' OR '.join(wanted)})"] if len(wanted) <= MOST_SITES else []
    return " ".join([*wanted, *unwanted])


def with_sites(query: str, tool: SearchTool, most: int) -> str:
    """The query with the wanted domains in it, where there is room for them."""
    more = f"{query} {sites(tool)}".rstrip()
    return more if len(more) <= most else query


def country(tool: SearchTool) -> str:
    """The user's country in two letters, if the client says it so."""
    given = tool.place.country
    return given if len(given) == 2 and given.isascii() and given.isalpha() else ""


def found(hits: Iterable[Hit | None]) -> Found:
    return Found(tuple(hit for hit in hits if hit is not None))


def wanted(outcome: Outcome, tool: SearchTool) -> Outcome:
    """The outcome without pages that the client does not want, and not more than there may be.

    Services may read `site:` as they like, or not at all.
    """
    if isinstance(outcome, Failure):
        return outcome
    hits: dict[str, Hit] = {}
    for each in outcome.hits:
        if _is_wanted(each.url, tool):
            hits.setdefault(each.url, each)
    return outcome._replace(hits=tuple(hits.values())[:MOST_HITS])


def _is_wanted(url: str, tool: SearchTool) -> bool:
    if tool.allowed and not any(_is_of(url, domain) for domain in tool.allowed):
        return False
    return not any(_is_of(url, domain) for domain in tool.blocked)


def _is_of(url: str, domain: str) -> bool:
    """Whether a page is of a domain, or of one below it; a path is what its own begins with."""
    parts = urlsplit(url)
    host, _, path = domain.partition("/")
    own = (parts.hostname or "").lower().rstrip(".")
    under = f"{parts.path}/".lower().startswith(f"/{path}/") if path else True
    return under and (own == host or own.endswith(f".{host}"))
