"""Which tool is a web search, what it asks for, and what the model is offered in its place."""

import json

import pytest

from claude_proxy.codecs.jsonio import Body
from claude_proxy.codecs.web_search import SearchTool, find_tool, offer, wants_search
from claude_proxy.codecs.web_search.tool import MOST_USES, Place
from claude_proxy.errors import RequestError

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
OWN = {"name": "web_search", "input_schema": {"type": "object"}}


def request(*tools, **more):
    hi = {"role": "user", "content": "Hi"}
    return {"model": "m", "max_tokens": 9, "messages": [hi], "tools": list(tools), **more}


def found(**fields):
    return find_tool(request({**SEARCH, **fields}))


@pytest.mark.parametrize("kind", ["web_search_20250305", "web_search_20260209", "web_search_2030"])
def test_every_version_is_a_search(kind):
    assert find_tool(request({"type": kind, "name": "web_search"})) == SearchTool()


@pytest.mark.parametrize("tools", [[], [OWN], [{"type": "web_fetch_20250910", "name": "w"}]])
def test_other_tools_are_none(tools):
    assert find_tool(request(*tools)) is None


def test_the_first_tool_of_a_name_counts():
    assert find_tool(request(OWN, SEARCH)) is None


def test_a_request_without_tools_has_none():
    assert find_tool({"model": "m", "messages": []}) is None


def test_what_the_client_asks_for_is_read():
    place = {"type": "approximate", "city": "Bern", "country": "ch", "timezone": "Europe/Zurich"}
    tool = found(
        max_uses=3,
        allowed_domains=["https://A.example/Blog/", "*.b.example"],
        blocked_domains=["c.example"],
        user_location=place,
    )
    assert tool == SearchTool(
        "web_search",
        3,
        ("a.example/blog", "b.example"),
        ("c.example",),
        Place("Bern", "", "CH", "Europe/Zurich"),
    )


def test_null_is_as_good_as_nothing():
    empty = dict.fromkeys(("max_uses", "allowed_domains", "blocked_domains", "user_location"))
    assert found(**empty) == SearchTool()


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("max_uses", 0, "tools.0.max_uses"),
        ("max_uses", True, "tools.0.max_uses"),
        ("max_uses", "3", "tools.0.max_uses"),
        ("allowed_domains", "a.example", "tools.0.allowed_domains"),
        ("allowed_domains", ["a.example", 3], "tools.0.allowed_domains.1"),
        ("blocked_domains", ["a b"], "tools.0.blocked_domains.0"),
        ("blocked_domains", ["x"] * 101, "tools.0.blocked_domains"),
        ("user_location", "Bern", "tools.0.user_location"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_path(field, value, path):
    with pytest.raises(RequestError, match=rf"^{path}: "):
        found(**{field: value})


def test_more_searches_than_are_made_are_noted():
    notes = []
    tool = {**SEARCH, "max_uses": 500, "allowed_callers": ["code_execution_20260120"], "new": 1}
    search = find_tool(request(tool), lambda path, why: notes.append(path))
    assert search is not None and search.max_uses == MOST_USES
    assert notes == ["tools.0.new", "tools.0.allowed_callers", "tools.0.max_uses"]


def test_the_model_is_offered_a_function_in_its_place():
    read = {"name": "Read", "input_schema": {"type": "object"}}
    mark = {"cache_control": {"type": "ephemeral"}}
    asked = request(read, {**SEARCH, **mark})
    function = offer(asked, SearchTool())["tools"][1]
    assert (function["name"], function["cache_control"]) == ("web_search", mark["cache_control"])
    assert function["input_schema"]["required"] == ["query"]
    assert "type" not in function and offer(asked, SearchTool())["tools"][0] is read
    assert asked["tools"][1]["type"] == "web_search_20250305"  # its argument stays as it was


def test_what_services_do_not_know_the_model_is_told():
    place = Place("Bern", "Bern", "CH", "Europe/Zurich")
    tool = SearchTool(allowed=("a.example",), blocked=("b.example",), place=place)
    told = offer(request(SEARCH), tool)["tools"][0]["description"]
    for words in ("sites are found: a.example.", "never found: b.example.", "Bern, Bern, CH"):
        assert words in told
    assert "Europe/Zurich" in told


def test_a_request_without_a_search_stays_as_it_is():
    asked = request(OWN)
    assert offer(asked, SearchTool()) is asked


@pytest.mark.parametrize(
    ("tools", "wanted"),
    [
        ([{"type": "web_search_20250305", "name": "web_search"}], True),
        ([3, None, {"type": 5}, {"type": "web_search_20991231"}], True),
        ([{"type": "custom", "name": "web_search_x"}], False),
        ([{"type": ["web_search_x"]}], False),
        ({"type": "web_search_20250305"}, False),
        ("web_search_20250305", False),
        ([{"name": "Read"}], False),
    ],
)
def test_a_search_is_seen_in_whatever_clients_send(tools, wanted):
    assert wants_search(Body(json.dumps({"tools": tools}).encode())) is wanted
