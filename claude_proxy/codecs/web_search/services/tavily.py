"""Tavily, with a key.

A query has at most 400 characters; domains are fields of their own, of which it takes 300 wanted
and 150 unwanted ones. `results` have `url`, `title`, `content` (an extract that answers the query)
and, for news, `published_date`. 432 and 433 say that the plan's searches are used up.
Source: https://docs.tavily.com/documentation/api-reference/endpoint/search (seen 2026-11).
"""

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.web_search.hits import MOST_HITS, Outcome, hit, pages
from claude_proxy.codecs.web_search.services import UNREADABLE, Question, Service, found
from claude_proxy.codecs.web_search.tool import SearchTool
from claude_proxy.types import Json

_USED_UP = "The searches that this proxy may make at its search service are used up."


def ask(query: str, tool: SearchTool, key: str) -> Question:
    asked: Json = {"query": query, "max_results": MOST_HITS, "search_depth": "basic"}
    if tool.allowed:
        asked["include_domains"] = list(tool.allowed)
    if tool.blocked:
        asked["exclude_domains"] = list(tool.blocked)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    return Question("/search", "POST", headers, dumps(asked))


def read(answer: Json) -> Outcome:
    if not isinstance(answer.get("results"), list):
        return UNREADABLE
    return found(
        hit(each.get("url"), each.get("title"), each.get("content"), each.get("published_date"))
        for each in pages(answer["results"])
    )


TAVILY = Service(
    "tavily",
    ask,
    read,
    statuses={432: ("too_many_requests", _USED_UP), 433: ("too_many_requests", _USED_UP)},
    most_query=400,
)
