"""Brave Search, with a key.

A query has at most 400 characters and 50 words, and may hold operators as `site:`. Pages stand in
`web.results`: `url`, `title`, `description`, and where the plan has them `extra_snippets`; the
date is `page_age`, for people `age`. A wrong key is 422 `SUBSCRIPTION_TOKEN_INVALID`.
Source: https://api-dashboard.search.brave.com/api-reference/web/search/get (seen 2026-11).
"""

from html import unescape
from typing import Any
from urllib.parse import urlencode

from claude_proxy.codecs.web_search.hits import MOST_HITS, Outcome, hit, pages
from claude_proxy.codecs.web_search.services import (
    UNREADABLE,
    Question,
    Service,
    country,
    found,
    with_sites,
)
from claude_proxy.codecs.web_search.tool import SearchTool
from claude_proxy.types import Json

_MOST_QUERY = 400
_COUNTRIES = frozenset(
    "AR AT AU BE BR CA CH CL CN DE DK ES FI FR GB HK ID IN IT JP KR MX MY NL NO NZ PH PL PT RU SA "
    "SE TR TW US ZA".split()
)
"""Those that it takes; any other is 422."""
_NOT_ACCEPTED = "The search service did not accept this query, or not the key of this proxy."


def ask(query: str, tool: SearchTool, key: str) -> Question:
    asked = {
        "q": with_sites(query, tool, _MOST_QUERY),
        "count": MOST_HITS,
        "result_filter": "web",
        # Else it marks words in its texts with tags.
        "text_decorations": "false",
    }
    if (place := country(tool)) in _COUNTRIES:
        asked["country"] = place
    headers = {"accept": "application/json", "x-subscription-token": key}
    return Question(f"/web/search?{urlencode(asked)}", headers=headers)


def read(answer: Json) -> Outcome:
    web = answer.get("web")
    if web is None and answer.get("type") == "search":
        return found(())  # Without any page the part is left out.
    if not isinstance(web, dict) or not isinstance(web.get("results"), list):
        return UNREADABLE
    return found(
        hit(each.get("url"), _plain(each.get("title")), _text(each), _age(each))
        for each in pages(web.get("results"))
    )


def _text(result: Json) -> str:
    more = result.get("extra_snippets")
    parts = [result.get("description"), *(more if isinstance(more, list) else ())]
    return " ".join(filter(None, map(_plain, parts)))


def _age(result: Json) -> Any:
    return result.get("page_age") or result.get("age")


def _plain(text: Any) -> str:
    return unescape(text) if isinstance(text, str) else ""


BRAVE = Service(
    "brave",
    ask,
    read,
    statuses={422: ("unavailable", _NOT_ACCEPTED)},
    most_query=_MOST_QUERY,
)
