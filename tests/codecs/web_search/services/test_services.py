"""How each service is asked, and what its answers mean.

The answers have the shapes of the services' own documents: docs.searxng.org/dev/search_api.html,
api-dashboard.search.brave.com/api-reference/web/search/get,
docs.tavily.com/documentation/api-reference/endpoint/search.
"""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.web_search import Failure, Found, Hit, SearchTool
from claude_proxy.codecs.web_search.services import UNREADABLE, wanted
from claude_proxy.codecs.web_search.services.table import SERVICES
from claude_proxy.codecs.web_search.tool import Place

SEARXNG, BRAVE, TAVILY = (SERVICES[name] for name in ("searxng", "brave", "tavily"))
ANY = SearchTool()
SOME = SearchTool(
    allowed=("a.example", "b.example/blog"),
    blocked=("x.example",),
    place=Place("Bern", "", "CH", "Europe/Zurich"),
)


def query_of(question):
    return {name: value for name, [value] in parse_qs(urlsplit(question.path).query).items()}


def answered(service, body, status=200):
    return service.outcome(status, json.dumps(body).encode())


def test_searxng_is_asked_for_json_and_domains_are_words_of_the_query():
    assert query_of(SEARXNG.ask("cats & dogs", ANY, "")) == {"q": "cats & dogs", "format": "json"}
    assert query_of(SEARXNG.ask("cats", SOME, ""))["q"] == (
        "cats (site:a.example OR site:b.example/blog) -site:x.example"
    )


def test_one_wanted_domain_needs_no_brackets():
    one = SearchTool(allowed=("a.example",))
    assert query_of(SEARXNG.ask("cats", one, ""))["q"] == "cats site:a.example"


def test_brave_is_asked_with_its_key_and_the_country():
    question = BRAVE.ask("cats", SOME, "BSA-1")
    assert question.path.startswith("/web/search?") and question.method == "GET"
    assert question.headers["x-subscription-token"] == "BSA-1"
    asked = query_of(question)
    assert (asked["country"], asked["count"], asked["text_decorations"]) == ("CH", "10", "false")
    assert "BSA-1" not in question.path


@pytest.mark.parametrize("place", ["", "XX", "Switzerland", "C"])
def test_brave_is_not_told_a_country_that_it_refuses(place):
    tool = SearchTool(place=Place(country=place))
    assert "country" not in query_of(BRAVE.ask("cats", tool, "k"))


def test_a_query_has_no_room_for_many_domains():
    many = SearchTool(allowed=tuple(f"{n}.example" for n in range(9)))
    assert query_of(BRAVE.ask("cats", many, "k"))["q"] == "cats"
    long = "x" * 395
    assert query_of(BRAVE.ask(long, SOME, "k"))["q"] == long


def test_tavily_has_fields_for_domains():
    question = TAVILY.ask("cats", SOME, "tvly-1")
    assert (question.path, question.method) == ("/search", "POST")
    assert question.headers["authorization"] == "Bearer tvly-1"
    assert json.loads(question.body) == {
        "query": "cats",
        "max_results": 10,
        "search_depth": "basic",
        "include_domains": ["a.example", "b.example/blog"],
        "exclude_domains": ["x.example"],
    }
    assert "include_domains" not in json.loads(TAVILY.ask("cats", ANY, "tvly-1").body)


ANSWERS = {
    "searxng": {
        "query": "cats",
        "number_of_results": 0,
        "results": [
            {
                **{"url": "https://cats.example/", "title": "Cats", "content": "They purr."},
                **{"publishedDate": "2026-01-02T00:00:00", "engine": "duckduckgo", "score": 1.0},
            },
            {"url": "ftp://cats.example/", "title": "old"},
            "odd",
        ],
        **{"answers": [], "corrections": [], "infoboxes": [], "suggestions": []},
        "unresponsive_engines": [["google", "timeout"]],
    },
    "brave": {
        "type": "search",
        "query": {"original": "cats", "more_results_available": True},
        "web": {
            "type": "search",
            "results": [
                {
                    **{"type": "search_result", "url": "https://cats.example/"},
                    **{"title": "Cats", "description": "They", "extra_snippets": ["purr."]},
                    **{"page_age": "2026-01-02T00:00:00", "age": "January 2, 2026"},
                }
            ],
        },
    },
    "tavily": {
        **{"query": "cats", "follow_up_questions": None, "answer": None, "images": []},
        "results": [
            {
                **{"url": "https://cats.example/", "title": "Cats", "content": "They purr."},
                **{"score": 0.9, "raw_content": None, "published_date": "2026-01-02T00:00:00"},
            }
        ],
        "response_time": 0.5,
    },
}


@pytest.mark.parametrize("name", ANSWERS)
def test_pages_are_read(name):
    page = Hit("https://cats.example/", "Cats", "They purr.", "2026-01-02T00:00:00")
    assert answered(SERVICES[name], ANSWERS[name]) == Found((page,))


def test_signs_in_braves_texts_are_signs():
    page = {"url": "https://a.example/", "title": "A &amp; B", "description": "it&#x27;s"}
    answer = {"type": "search", "web": {"results": [page]}}
    assert answered(BRAVE, answer) == Found((Hit("https://a.example/", "A & B", "it's"),))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("searxng", {"results": []}),
        ("brave", {"type": "search", "query": {}}),
        ("tavily", {"results": []}),
    ],
)
def test_no_pages_are_found_where_there_are_none(name, answer):
    assert answered(SERVICES[name], answer) == Found(())


def test_no_answer_of_any_engine_is_a_failure():
    answer = {"results": [], "unresponsive_engines": [["google", "timeout"]]}
    assert answered(SEARXNG, answer).code == "unavailable"


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"\xff"])
def test_what_is_no_answer_is_a_failure(name, body):
    assert SERVICES[name].outcome(200, body) == UNREADABLE


@pytest.mark.parametrize(
    ("name", "body"),
    [("brave", {"web": 3}), ("brave", {"web": {"results": None}}), ("tavily", {"results": {}}),
     ("searxng", {"results": None}), ("searxng", {"error": "x"})],
)  # fmt: skip
def test_an_answer_of_another_shape_is_a_failure(name, body):
    assert answered(SERVICES[name], body) == UNREADABLE


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        *((name, 401, "unavailable") for name in SERVICES),
        *((name, 429, "too_many_requests") for name in SERVICES),
        *((name, 302, "unavailable") for name in SERVICES),
        *((name, 500, "unavailable") for name in SERVICES),
        ("searxng", 403, "unavailable"),
        ("brave", 422, "unavailable"),
        ("tavily", 400, "invalid_tool_input"),
        ("tavily", 432, "too_many_requests"),
        ("tavily", 433, "too_many_requests"),
    ],
)
def test_a_status_says_why_there_is_nothing(name, status, code):
    outcome = SERVICES[name].outcome(status, b'{"error": "sk-secret"}')
    assert isinstance(outcome, Failure) and outcome.code == code
    assert "secret" not in outcome.why


def test_searxng_says_what_has_to_be_set():
    assert "search.formats" in SEARXNG.outcome(403, b"").why


@pytest.mark.parametrize("query", [None, "", " \n"])
def test_a_query_is_a_text(query):
    assert BRAVE.prepared(query).code == "invalid_tool_input"


def test_a_query_is_not_longer_than_the_service_takes():
    assert BRAVE.prepared(" a\nb ") == "a b"
    assert BRAVE.prepared("x" * 401).code == "query_too_long"
    assert SEARXNG.prepared("x" * 401) == "x" * 401


def pages(*urls):
    return Found(tuple(Hit(url, url) for url in urls))


def test_only_wanted_pages_are_shown_whatever_the_service_finds():
    good = ("https://A.example/x", "https://www.a.example/", "https://b.example/blog/1")
    bad = (
        "https://aa.example/",
        "https://b.example/blogs",
        "https://x.example/",
        "https://c.example",
        "https://c.example.",
    )
    assert wanted(pages(*good, *bad), SOME) == pages(*good)


def test_a_blocked_domain_below_a_wanted_one_is_blocked():
    tool = SearchTool(allowed=("a.example",), blocked=("x.a.example",))
    assert wanted(pages("https://x.a.example/", "https://a.example/"), tool) == pages(
        "https://a.example/"
    )


def test_pages_are_few_and_different():
    many = pages(*[f"https://a.example/{n // 2}" for n in range(60)])
    shown = wanted(many, ANY)
    assert shown == pages(*[f"https://a.example/{n}" for n in range(10)])


def test_a_failure_stays_one():
    assert wanted(UNREADABLE, SOME) == UNREADABLE


def test_half_an_emoji_is_no_reason_to_have_no_pages():
    body = b'{"results": [{"url": "https://a.example/", "title": "T\\ud83d"}]}'
    assert SEARXNG.outcome(200, body) == Found((Hit("https://a.example/", "T\ufffd"),))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["web", "results", "url", "title", "content", "description", "extra_snippets"]
            ),
            inner,
        )
    ),
)


@given(st.sampled_from(sorted(SERVICES)), values)
def test_whatever_comes_is_read_without_an_error(name, value):
    outcome = wanted(answered(SERVICES[name], value), SOME)
    assert isinstance(outcome, Found | Failure)
