"""SearXNG, which asks other engines and can be run by anybody.

An instance answers in JSON only if `json` is among `search.formats` of its settings; else with
403. `q` is passed to the engines as it is. What an engine finds has `url`, `title`, `content` and,
rarely, `publishedDate`; engines that did not answer stand in `unresponsive_engines`.
Source: https://docs.searxng.org/dev/search_api.html (seen 2026-11).
"""

from urllib.parse import urlencode

from claude_proxy.codecs.web_search.hits import Failure, Outcome, hit, pages
from claude_proxy.codecs.web_search.services import UNREADABLE, Question, Service, found, with_sites
from claude_proxy.codecs.web_search.tool import SearchTool
from claude_proxy.types import Json

_MOST_QUERY = 1_000
_NO_JSON = (
    "The SearXNG instance does not answer in JSON: `json` has to be among `search.formats` in its "
    "settings.yml, and its limiter has to let this proxy pass."
)
_NO_ENGINE = Failure(
    "unavailable", "None of the engines that the SearXNG instance asks has answered."
)


def ask(query: str, tool: SearchTool, key: str) -> Question:
    asked = {"q": with_sites(query, tool, 2 * _MOST_QUERY), "format": "json"}
    return Question(f"/search?{urlencode(asked)}", headers={"accept": "application/json"})


def read(answer: Json) -> Outcome:
    if not isinstance(answer.get("results"), list):
        return UNREADABLE
    results = list(pages(answer["results"]))
    if not results and answer.get("unresponsive_engines"):
        return _NO_ENGINE
    return found(
        hit(each.get("url"), each.get("title"), each.get("content"), each.get("publishedDate"))
        for each in results
    )


SEARXNG = Service(
    "searxng", ask, read, statuses={403: ("unavailable", _NO_JSON)}, most_query=_MOST_QUERY
)
