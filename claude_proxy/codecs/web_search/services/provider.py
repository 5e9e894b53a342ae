"""A provider's own search: a model of its, asked to look something up with the provider's tool.

Its answer names the pages that it rests on, and what they say stands in the text around that. The
forms are those of the providers' tools, by the type that a tool has there.

- `web_search`, in Responses. Pages are annotations of the text (`url_citation` with `start_index`
  and `end_index`), and with `include` also `sources` of each `web_search_call`.
  https://developers.openai.com/api/docs/guides/tools-web-search (seen 2026-11)
- `openrouter:web_search`, in Chat Completions. Annotations of the message have the `content` of
  their page. https://openrouter.ai/docs/guides/features/server-tools/web-search (seen 2026-11)
"""

from collections.abc import Iterator, Mapping
from typing import Any

from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat.usage import UsageMeter
from claude_proxy.codecs.openai_responses.answer import COUNTS
from claude_proxy.codecs.web_search.hits import MOST_HITS, Failure, Hit, Outcome, hit, pages
from claude_proxy.codecs.web_search.services import Question, Service, found
from claude_proxy.codecs.web_search.tool import SearchTool
from claude_proxy.types import Json

_MOST_TOKENS = 8_000
"""For what the model thinks and reports, per search."""
_NOT_SEARCHED = Failure("unavailable", "The upstream's own search of the web was not used.")
_JSON = {"content-type": "application/json"}


def _task(query: str, tool: SearchTool) -> str:
    """`tool` says which sites are wanted; not every provider has fields for that."""
    lines = [
        "Search the web and report what the pages say about the following, each statement with "
        "its source. Do not answer from memory.",
        query,
        f"Only pages of these sites: {', '.join(tool.allowed)}." if tool.allowed else "",
        f"No pages of these sites: {', '.join(tool.blocked)}." if tool.blocked else "",
    ]
    return "\n".join(filter(None, lines))


def ask_responses(query: str, tool: SearchTool, model: str) -> Question:
    search: Json = {"type": "web_search"}
    if tool.allowed:
        # Without paths, which are looked at afterwards.
        domains = dict.fromkeys(domain.partition("/")[0] for domain in tool.allowed)
        search["filters"] = {"allowed_domains": list(domains)}
    place = {name: part for name, part in tool.place._asdict().items() if part}
    if place:
        search["user_location"] = {"type": "approximate", **place}
    asked = {
        "model": model,
        "input": _task(query, tool),
        "tools": [search],
        "include": ["web_search_call.action.sources"],
        "max_output_tokens": _MOST_TOKENS,
        "store": False,
    }
    return Question("/responses", "POST", _JSON, dumps(asked))


def ask_chat(query: str, tool: SearchTool, model: str) -> Question:
    asked = {
        "model": model,
        "messages": [{"role": "user", "content": _task(query, tool)}],
        "tools": [{"type": "openrouter:web_search", "parameters": {"max_results": MOST_HITS}}],
        "max_tokens": _MOST_TOKENS,
    }
    return Question("/chat/completions", "POST", _JSON, dumps(asked))


def read_responses(answer: Json) -> Outcome:
    calls, parts = [], []
    for item in pages(answer.get("output")):
        calls += [item] if item.get("type") == "web_search_call" else []
        parts += list(pages(item.get("content"))) if item.get("type") == "message" else []
    cited = [each for part in parts for each in _cited(part.get("annotations"), part.get("text"))]
    sources = [source for call in calls for source in _sources(call.get("action"))]
    if not calls and not cited:
        return _NOT_SEARCHED
    meter = UsageMeter(COUNTS)
    meter.read(answer.get("usage"))
    return found([*_merged(cited), *sources])._replace(usage=meter.usage(None))


def read_chat(answer: Json) -> Outcome:
    choice = next(pages(answer.get("choices")), {})
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    cited = list(_cited(message.get("annotations"), message.get("content")))
    if not cited:
        return _NOT_SEARCHED
    meter = UsageMeter()
    meter.read(answer.get("usage"))
    return found(_merged(cited))._replace(usage=meter.usage(None))


def _sources(action: Any) -> Iterator[Hit | None]:
    for source in pages(action.get("sources") if isinstance(action, dict) else None):
        yield hit(source.get("url"), source.get("title"))


def _cited(annotations: Any, text: Any) -> Iterator[Hit | None]:
    """The pages that a text cites, with what it says of them."""
    for annotation in pages(annotations):
        if annotation.get("type") != "url_citation":
            continue
        inner = annotation.get("url_citation")
        citation = inner if isinstance(inner, dict) else annotation
        said = citation.get("content") or _passage(text, citation)
        yield hit(citation.get("url"), citation.get("title"), said)


def _passage(text: Any, citation: Json) -> str:
    """The line in which a citation stands."""
    start, end = citation.get("start_index"), citation.get("end_index")
    if not isinstance(text, str) or type(start) is not int or type(end) is not int:
        return ""
    first = text.rfind("\n", 0, max(0, start)) + 1
    last = text.find("\n", max(0, end))
    return text[first : last if last >= 0 else len(text)]


def _merged(hits: list[Hit | None]) -> list[Hit | None]:
    """One of each page, with all that is said of it; cut again to what one may have."""
    pages_of: dict[str, Hit] = {}
    texts: dict[str, dict[str, None]] = {}
    for each in filter(None, hits):
        pages_of.setdefault(each.url, each)
        texts.setdefault(each.url, {})[each.text] = None
    return [
        hit(each.url, each.title, " … ".join(filter(None, texts[each.url])))
        for each in pages_of.values()
    ]


OWN: Mapping[str, Service] = {
    "web_search": Service("upstream", ask_responses, read_responses),
    "openrouter:web_search": Service("upstream", ask_chat, read_chat),
}
"""By the type of the provider's tool. What stands for the key of other services is the model."""
