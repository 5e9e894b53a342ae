"""Providers that search by themselves: how they are asked, and what their answers mean.

The answers have the shapes of the providers' own documents: the guide to OpenAI's web search
(developers.openai.com/api/docs/guides/tools-web-search) and OpenRouter's on its server tool.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.web_search import Failure, Found, Hit, SearchTool
from claude_proxy.codecs.web_search.services.provider import OWN
from claude_proxy.codecs.web_search.tool import Place

RESPONSES, CHAT = OWN["web_search"], OWN["openrouter:web_search"]
SOME = SearchTool(
    allowed=("a.example/blog", "a.example"),
    blocked=("x.example",),
    place=Place("Bern", "", "CH", ""),
)


def answered(service, body):
    return service.outcome(200, json.dumps(body).encode())


def test_responses_has_a_tool_for_it():
    question = RESPONSES.ask("cats", SOME, "gpt-5")
    asked = json.loads(question.body)
    assert (question.path, asked["model"], asked["store"]) == ("/responses", "gpt-5", False)
    assert asked["tools"] == [
        {
            "type": "web_search",
            "filters": {"allowed_domains": ["a.example"]},
            "user_location": {"type": "approximate", "city": "Bern", "country": "CH"},
        }
    ]
    assert "cats" in asked["input"] and "x.example" in asked["input"]


def test_nothing_is_said_that_the_client_has_not_said():
    asked = json.loads(RESPONSES.ask("cats", SearchTool(), "gpt-5").body)
    assert asked["tools"] == [{"type": "web_search"}] and "sites" not in asked["input"]


def test_openrouter_has_a_tool_in_chat():
    question = CHAT.ask("cats", SOME, "z-ai/glm-5")
    asked = json.loads(question.body)
    assert question.path == "/chat/completions"
    assert asked["tools"][0]["type"] == "openrouter:web_search"
    assert "a.example" in asked["messages"][0]["content"]


TEXT = "About cats.\nCats purr ([Cats](https://cats.example/)).\nDogs do not."


def cited(url, start, end, **more):
    return {"type": "url_citation", "url": url, "start_index": start, "end_index": end, **more}


def test_pages_of_responses_have_the_lines_that_cite_them():
    search = {
        "type": "search",
        "query": "cats",
        "sources": [
            {"type": "url", "url": "https://cats.example/"},
            {"type": "url", "url": "https://more.example/"},
        ],
    }
    part = {
        "type": "output_text",
        "text": TEXT,
        "annotations": [
            cited("https://cats.example/", 23, 54, title="Cats"),
            {"type": "file_citation"},
            cited("https://dogs.example/", 58, 62, title="Dogs"),
            cited("https://odd.example/", None, 62),
        ],
    }
    outcome = answered(
        RESPONSES,
        {
            "output": [
                {"type": "web_search_call", "status": "completed", "action": search},
                {"type": "message", "content": [part]},
            ],
            "usage": {"input_tokens": 90, "output_tokens": 30, "total_tokens": 120},
        },
    )
    assert isinstance(outcome, Found)
    assert outcome.hits[:3] == (
        Hit("https://cats.example/", "Cats", "Cats purr ([Cats](https://cats.example/))."),
        Hit("https://dogs.example/", "Dogs", "Dogs do not."),
        Hit("https://odd.example/", "https://odd.example/"),
    )
    assert outcome.hits[-1] == Hit("https://more.example/", "https://more.example/")
    assert outcome.usage is not None and outcome.usage["input_tokens"] == 90


def test_pages_of_openrouter_have_their_content():
    def annotation(content):
        page = {"url": "https://cats.example/", "title": "Cats", "content": content}
        return {"type": "url_citation", "url_citation": page}

    annotations = [annotation("They purr."), annotation("They sleep."), annotation("They purr.")]
    message = {"role": "assistant", "content": "x", "annotations": annotations}
    usage = {"prompt_tokens": 9, "completion_tokens": 3}
    outcome = answered(CHAT, {"choices": [{"message": message}], "usage": usage})
    assert isinstance(outcome, Found)
    assert [hit.text for hit in outcome.hits] == ["They purr. … They sleep."]
    assert outcome.usage is not None and outcome.usage["output_tokens"] == 3


@pytest.mark.parametrize("service", OWN.values(), ids=OWN)
@pytest.mark.parametrize(
    "answer", [{}, {"output": [], "choices": []}, {"choices": [{"message": {"content": "x"}}]}]
)
def test_an_answer_from_memory_is_no_search(service, answer):
    outcome = answered(service, answer)
    assert isinstance(outcome, Failure) and outcome.code == "unavailable"


def test_a_search_that_found_nothing_is_one():
    outcome = answered(RESPONSES, {"output": [{"type": "web_search_call"}]})
    assert isinstance(outcome, Found) and outcome.hits == ()


names = st.sampled_from(
    ["output", "choices", "message", "content", "annotations", "url_citation", "type", "action"]
    + ["sources", "url", "text", "start_index", "end_index", "usage"]
)
words = st.sampled_from(["url_citation", "message", "web_search_call", "https://a.example/"])
values = st.recursive(
    st.none() | st.integers(-2, 9) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=20,
)


@given(st.sampled_from(sorted(OWN)), st.dictionaries(names, values, max_size=4))
def test_whatever_comes_is_read_without_an_error(form, answer):
    assert isinstance(answered(OWN[form], answer), Found | Failure)
