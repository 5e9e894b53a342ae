"""Web searches that we make: through a real server, against a model and a search service that are
played over real sockets. What the services answer is shaped as in their own documents; see
tests/codecs/web_search/services."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import anthropic
import httpx
import pytest
from structlog.testing import capture_logs

from claude_proxy.codecs.fold import unfold
from claude_proxy.server.search import searcher
from tests.codecs.openai_chat.grammar import assert_legal, fold
from tests.conftest import running, settings_for
from tests.messages_upstream import message
from tests.upstream import (
    Reply,
    Upstream,
    call,
    call_stream,
    completion,
    eventually,
    refusal,
    serving,
    text_stream,
)

SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
READ = {"name": "Read", "input_schema": {"type": "object", "properties": {}}}
ASKED = {"role": "user", "content": "Do cats purr?"}
PAGE = {"url": "https://cats.example/", "title": "Cats", "content": "They purr."}
ANSWERS = {
    "searxng": {"query": "cats", "results": [PAGE], "unresponsive_engines": []},
    "brave": {
        "type": "search",
        "web": {"results": [{**PAGE, "description": "They purr.", "page_age": "2026-01-02"}]},
    },
    "tavily": {"query": "cats", "results": [{**PAGE, "score": 0.9}], "response_time": 0.1},
}
CATS = call("web_search", {"query": "cats"})
SAYS = "They do: https://cats.example/."


@pytest.fixture
def service():
    """What is searched with: SearXNG, unless a test plays something else."""
    with serving(Upstream()) as started:
        started.play(Reply(ANSWERS["searxng"]))
        yield started


@pytest.fixture
def searching(server, service):
    """A server that searches with `service`."""

    def start(**environ):
        return server(CLAUDE_PROXY_SEARXNG_URL=service.url, **environ)

    return start


def body(**more):
    hello = {"model": "claude-haiku-5-5", "max_tokens": 90, "messages": [ASKED], "tools": [SEARCH]}
    return {**hello, **more}


def ask(live, **more):
    response = httpx.post(f"{live.url}/v1/messages", json=body(**more), timeout=30)
    assert response.status_code == 200, response.text
    return response.json()


def events(live, **more):
    """The events of a stream, pings left out; their order is looked at."""
    response = httpx.post(f"{live.url}/v1/messages", json=body(stream=True, **more), timeout=30)
    assert response.status_code == 200, response.text
    lines = [line[6:] for line in response.text.splitlines() if line.startswith("data: ")]
    found = [event for event in map(json.loads, lines) if event["type"] != "ping"]
    assert_legal(found)
    return found


def kinds(message):
    return [block["type"] for block in message["content"]]


def plays(upstream, *turns):
    """Whole answers of the model: a list of calls, or a text."""
    upstream.play(
        *[
            Reply(completion(turn if isinstance(turn, str) else None, calls=_calls(turn)))
            for turn in turns
        ]
    )


def _calls(turn):
    return () if isinstance(turn, str) else turn


def streams(upstream, *turns):
    made = [text_stream(turn) if isinstance(turn, str) else call_stream(*turn) for turn in turns]
    upstream.play(*[Reply(stream=each) for each in made])


FOUND = ["server_tool_use", "web_search_tool_result", "text"]


@pytest.mark.pitfall(37)
def test_a_model_searches_and_the_client_gets_one_answer(searching, upstream):
    plays(upstream, [CATS], SAYS)
    message = ask(searching())
    assert kinds(message) == FOUND
    use, result, text = message["content"]
    assert use["input"] == {"query": "cats"} and use["id"].startswith("srvtoolu_")
    assert result["tool_use_id"] == use["id"]
    assert result["content"][0]["url"] == "https://cats.example/"
    assert text["text"] == SAYS and text["citations"][0]["cited_text"] == "They purr."
    assert message["stop_reason"] == "end_turn"
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 1
    assert message["usage"]["input_tokens"] == 42 and message["usage"]["output_tokens"] == 14


@pytest.mark.pitfall(37)
def test_a_stream_has_one_start_and_one_end(searching, upstream):
    streams(upstream, [CATS], SAYS)
    found = events(searching())
    blocks = [e["content_block"]["type"] for e in found if e["type"] == "content_block_start"]
    assert blocks == FOUND
    assert found[-2]["usage"]["server_tool_use"]["web_search_requests"] == 1
    assert found[-2]["usage"]["input_tokens"] == 42


def test_the_model_reads_what_was_found(searching, upstream, service):
    plays(upstream, [CATS], SAYS)
    ask(searching())
    assert service.requests[0].path == "/search?q=cats&format=json"
    offered = upstream.posts[0].json["tools"][0]["function"]
    assert (offered["name"], offered["parameters"]["required"]) == ("web_search", ["query"])
    asked, told = upstream.posts[1].json["messages"][-2:]
    assert asked["tool_calls"][0]["id"] == told["tool_call_id"]
    assert told["content"] == "Cats\nhttps://cats.example/\nThey purr."


KEYS = {
    "brave": ("x-subscription-token", "BSA-secret"),
    "tavily": ("authorization", "Bearer tvly-secret"),
}


@pytest.mark.parametrize("name", KEYS)
def test_services_with_a_key_get_it_and_nobody_else(name, server, upstream, service, capsys):
    header, value = KEYS[name]
    service.play(Reply(ANSWERS[name]), refusal(401, f"no {value}"))
    key = value.removeprefix("Bearer ")
    upper = name.upper()
    environ = {f"{upper}_API_KEY": key, f"CLAUDE_PROXY_{upper}_URL": service.url}
    live = server(**environ)
    plays(upstream, [CATS], SAYS, [CATS], SAYS)
    first, second = ask(live), ask(live)
    assert first["content"][1]["content"][0]["title"] == "Cats"
    assert second["content"][1]["content"]["error_code"] == "unavailable"
    assert service.requests[0].headers[header] == value
    assert "sk-upstream" not in str(service.requests)
    seen = [str(first), str(second), str(upstream.requests), capsys.readouterr().out]
    assert not any(key in text for text in seen)


def test_a_model_may_search_again_and_twice_at_once(searching, upstream, service):
    both = [CATS, call("web_search", {"query": "dogs"}, id="call_2", index=1)]
    streams(upstream, both, [CATS], SAYS)
    found = events(searching())
    uses = [e["content_block"] for e in found if e["type"] == "content_block_start"]
    ids = [block["id"] for block in uses if block["type"] == "server_tool_use"]
    assert len(set(ids)) == 3
    assert found[-2]["usage"]["server_tool_use"]["web_search_requests"] == 3
    assert [request.path for request in service.requests][1] == "/search?q=dogs&format=json"


def test_no_more_searches_are_made_than_the_client_allows(searching, upstream, service):
    both = [CATS, call("web_search", {"query": "dogs"}, id="call_2", index=1)]
    plays(upstream, both, SAYS)
    message = ask(searching(), tools=[{**SEARCH, "max_uses": 1}])
    refused = message["content"][3]["content"]
    assert refused["error_code"] == "max_uses_exceeded"
    assert len(service.requests) == 1
    assert "answer with what you have" in upstream.last.json["messages"][-1]["content"]


def test_a_model_that_only_searches_comes_to_its_end(searching, upstream, service):
    plays(upstream, [CATS])
    message = ask(searching(), tools=[{**SEARCH, "max_uses": 2}])
    assert message["stop_reason"] == "end_turn"
    assert len(service.requests) == 2 and len(upstream.posts) == 5
    assert upstream.last.json["tool_choice"] == "none"
    assert kinds(message)[-1] == "web_search_tool_result"


@pytest.mark.pitfall(15)
def test_a_search_is_demanded_only_once(searching, upstream):
    plays(upstream, [CATS], SAYS)
    ask(searching(), tool_choice={"type": "tool", "name": "web_search"})
    named = {"type": "function", "function": {"name": "web_search"}}
    assert [post.json["tool_choice"] for post in upstream.posts] == [named, "auto"]


@pytest.mark.pitfall(37)
@pytest.mark.parametrize("choice", ["auto", "any"])
def test_without_a_service_the_model_can_say_what_to_set(server, upstream, choice):
    plays(upstream, [CATS], "Nobody searches here.")
    message = ask(server(), tool_choice={"type": choice})
    error = message["content"][1]["content"]
    assert (error["type"], error["error_code"]) == ("web_search_tool_result_error", "unavailable")
    told = upstream.last.json["messages"][-1]["content"]
    for name in ("CLAUDE_PROXY_SEARXNG_URL", "CLAUDE_PROXY_BRAVE_API_KEY"):
        assert name in told
    assert message["usage"]["server_tool_use"]["web_search_requests"] == 0


def test_searching_can_be_turned_off(searching, upstream, service):
    plays(upstream, [CATS], "No.")
    message = ask(searching(CLAUDE_PROXY_SEARCH="none"))
    assert message["content"][1]["content"]["error_code"] == "unavailable"
    assert service.requests == []


FAULTS = {
    "an error": (Reply({}, status=500), "unavailable"),
    "too often": (Reply({}, status=429), "too_many_requests"),
    "no JSON": (Reply(b"<html>", headers={"content-type": "text/html"}), "unavailable"),
    "cut": (Reply({"results": []}, end="cut"), "unavailable"),
    "no HTTP": (Reply(raw=b"\x16\x03\x01\r\n\r\n"), "unavailable"),
    "too large": (Reply(b" " * (5 << 20)), "unavailable"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_service_that_fails_is_no_empty_success(searching, upstream, service, fault):
    reply, code = FAULTS[fault]
    service.play(reply)
    streams(upstream, [CATS], SAYS)
    found = events(searching())
    [result] = [
        event["content_block"]["content"]
        for event in found
        if event["type"] == "content_block_start"
        and event["content_block"]["type"] == "web_search_tool_result"
    ]
    assert result["error_code"] == code
    assert upstream.last.json["messages"][-1]["content"].startswith("[tool error]")


def test_a_service_that_nobody_runs(server, upstream):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    plays(upstream, [CATS], SAYS)
    error = ask(server(CLAUDE_PROXY_SEARXNG_URL=url))["content"][1]["content"]
    assert "could not be reached" in error["error_message"]


def test_a_slow_service_is_given_up_and_pings_go_on(searching, upstream, service, monkeypatch):
    monkeypatch.setattr(searcher, "SECONDS", 1.0)
    service.play(Reply(delay=30))
    streams(upstream, [CATS], SAYS)
    live = searching(CLAUDE_PROXY_PING_SECONDS="0.2")
    text = httpx.post(f"{live.url}/v1/messages", json=body(stream=True), timeout=30).text
    assert 2 <= text.count("event: ping") <= 6
    assert "did not answer in time" in text and "message_stop" in text
    assert service.requests[0].wait_left(3)


def test_no_redirect_is_followed(searching, upstream, service):
    with serving(Upstream()) as other:
        service.play(Reply({}, status=302, headers={"location": f"{other.url}/search"}))
        plays(upstream, [CATS], SAYS)
        assert ask(searching())["content"][1]["content"]["error_code"] == "unavailable"
        assert other.requests == []


def test_only_pages_that_the_client_wants_are_shown(searching, upstream, service):
    pages = [{"url": f"https://{name}.example/", "title": name} for name in "abc"]
    service.play(Reply({"results": pages}))
    plays(upstream, [CATS], SAYS)
    tool = {**SEARCH, "allowed_domains": ["a.example", "b.example"]}
    message = ask(searching(), tools=[{**tool, "blocked_domains": ["b.example"]}])
    assert [page["title"] for page in message["content"][1]["content"]] == ["a"]


def test_a_query_that_is_none_is_told_to_the_model(searching, upstream, service):
    streams(upstream, [call("web_search", '{"query": 7')], [call("web_search", {})], SAYS)
    found = events(searching())
    assert json.dumps(found).count("invalid_tool_input") == 2
    assert service.requests == []


def test_calls_of_the_client_go_out_beside_the_results(searching, upstream):
    live = searching()
    tools = [READ, SEARCH]
    plays(upstream, [CATS, call("Read", {"path": "x"}, id="call_2", index=1)])
    message = ask(live, tools=tools)
    assert kinds(message) == ["server_tool_use", "tool_use", "web_search_tool_result"]
    assert message["stop_reason"] == "tool_use" and len(upstream.posts) == 1
    plays(upstream, SAYS)
    result = {"type": "tool_result", "tool_use_id": message["content"][1]["id"], "content": "fine"}
    later = [ASKED, {"role": "assistant", "content": message["content"]}]
    ask(live, tools=tools, messages=[*later, {"role": "user", "content": [result]}])
    asked, *told = upstream.last.json["messages"][1:]
    assert [each["function"]["name"] for each in asked["tool_calls"]] == ["web_search", "Read"]
    assert [each["content"] for each in told] == [
        "Cats\nhttps://cats.example/\nThey purr.",
        "fine",
    ]


def test_a_later_request_repeats_what_the_model_has_seen(searching, upstream):
    live = searching()
    streams(upstream, [CATS], SAYS)
    with anthropic.Anthropic(base_url=live.url, api_key="x") as client:
        with client.messages.stream(**body()) as stream:
            said = stream.get_final_message()
        content = [block.model_dump(exclude_none=True) for block in said.content]
        streams(upstream, "Yes.")
        later = [ASKED, {"role": "assistant", "content": content}, ASKED]
        with client.messages.stream(**body(messages=later)) as stream:
            stream.get_final_message()
    before, after = (post.json["messages"] for post in upstream.posts[1:])
    assert after[: len(before)] == before
    assert after[len(before)]["content"] == SAYS


def test_the_sdk_reads_a_search(searching, upstream):
    plays(upstream, [CATS], SAYS)
    with anthropic.Anthropic(base_url=searching().url, api_key="x") as client:
        message = client.messages.create(**body())
    use, result, text = message.content
    assert use.type == "server_tool_use" and use.name == "web_search"
    assert result.type == "web_search_tool_result" and isinstance(result.content, list)
    assert result.content[0].title == "Cats"
    assert text.type == "text" and text.citations is not None
    assert message.usage.server_tool_use is not None
    assert message.usage.server_tool_use.web_search_requests == 1


def test_an_error_of_a_later_turn_is_an_error(searching, upstream):
    live = searching()
    upstream.play(Reply(completion(calls=[CATS])), refusal(429, "slow down", retry_after="7"))
    response = httpx.post(f"{live.url}/v1/messages", json=body(), timeout=30)
    assert response.status_code == 429 and response.headers["retry-after"] == "7"
    upstream.play(Reply(stream=call_stream(CATS)), refusal(429, "slow down"))
    found = events(live)
    assert found[-1]["error"]["type"] == "rate_limit_error"
    assert [event["type"] for event in found].count("message_start") == 1


def test_a_cut_of_a_later_turn_is_an_error(searching, upstream):
    half = text_stream("They")[:2]
    upstream.play(Reply(stream=call_stream(CATS)), Reply(stream=half, end="cut"))
    assert events(searching())[-1]["type"] == "error"


def test_an_error_of_the_first_turn_has_its_status(searching, upstream):
    upstream.play(refusal(400, "no"))
    response = httpx.post(f"{searching().url}/v1/messages", json=body(stream=True), timeout=30)
    assert response.status_code == 400


def test_a_turn_that_does_not_end_does_not_stop_the_search(searching, upstream):
    open_end = call_stream(CATS)[:-1]
    upstream.play(Reply(stream=open_end, end="hang"), Reply(stream=text_stream(SAYS)))
    live = searching(CLAUDE_PROXY_HOLD_SECONDS="0.3", CLAUDE_PROXY_PING_SECONDS="0.3")
    found = events(live)
    assert found[-1]["type"] == "message_stop" and SAYS in json.dumps(found)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_the_search(searching, upstream, service, stream):
    service.play(Reply(delay=30))
    (streams if stream else plays)(upstream, [CATS], SAYS)
    live = searching()
    with pytest.raises(httpx.TimeoutException):
        httpx.post(f"{live.url}/v1/messages", json=body(stream=stream), timeout=1)
    assert service.requests[0].wait_left(5)
    assert eventually(lambda: httpx.get(f"{live.url}/health").json()["in_flight"] == 0)
    assert len(upstream.posts) == 1


def test_upstreams_that_do_not_stream_are_no_obstacle(searching, upstream):
    plays(upstream, [CATS], SAYS)
    found = events(searching())
    assert SAYS in json.dumps(found) and found[-1]["type"] == "message_stop"


def test_a_search_is_on_the_access_line_and_counted(searching, upstream, service):
    live = searching()
    plays(upstream, [CATS], [CATS], SAYS)
    service.play(Reply(ANSWERS["searxng"]), Reply({"results": []}))
    with capture_logs() as lines:
        ask(live)
        assert eventually(lambda: any(line.get("searches") == 2 for line in lines))
    counted = httpx.get(f"{live.url}/metrics").text
    for result in ("found", "nothing"):
        line = f'claude_proxy_searches_total{{result="{result}",service="searxng"}} 1.0'
        other = f'claude_proxy_searches_total{{service="searxng",result="{result}"}} 1.0'
        assert line in counted or other in counted


def test_a_request_falls_back_with_its_search(server, service):
    with serving(Upstream()) as first, serving(Upstream()) as second:
        first.play(refusal(503, "down"))
        plays(second, [CATS], SAYS)
        live = server(
            OPENAI_BASE_URL=f"{first.url}/v1",
            CLAUDE_PROXY_SEARXNG_URL=service.url,
            CLAUDE_PROXY_UPSTREAMS=json.dumps(
                {"b": {"base_url": f"{second.url}/v1", "api_key": "k"}}
            ),
            CLAUDE_PROXY_FALLBACKS="m@b",
        )
        assert kinds(ask(live)) == FOUND


def plays_responses(upstream):
    """The same talk in Responses."""
    counts = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
    wanted = {"type": "function_call", "call_id": "c1", "name": "web_search"}
    said = {"type": "message", "role": "assistant"}
    outputs = (
        {**wanted, "arguments": '{"query":"cats"}'},
        {**said, "content": [{"type": "output_text", "text": SAYS}]},
    )
    whole = {"object": "response", "status": "completed", "usage": counts}
    upstream.play(*[Reply({**whole, "output": [output]}) for output in outputs])


def test_an_upstream_that_is_asked_in_responses_searches_too(searching, upstream):
    plays_responses(upstream)
    message = ask(searching(CLAUDE_PROXY_UPSTREAM_DIALECT="responses"))
    assert kinds(message) == FOUND
    assert upstream.last.json["input"][-1]["type"] == "function_call_output"
    assert message["usage"]["input_tokens"] == 10


def test_other_requests_with_tools_are_not_touched(searching, upstream):
    plays(upstream, [call("web_search", {"query": "cats"})])
    own = {"name": "web_search", "input_schema": {"type": "object"}}
    message = ask(searching(), tools=[own])
    assert kinds(message) == ["tool_use"] and message["content"][0]["name"] == "web_search"


CITED = {
    "type": "url_citation",
    "url_citation": {"url": "https://cats.example/", "title": "Cats", "content": "They purr."},
}


def searching_itself(server, upstream, form="openrouter:web_search", **environ):
    """A server whose upstream has a search of its own."""
    tables = {"own": {"own_search": form}}
    return server(CLAUDE_PROXY_PROFILES=json.dumps(tables), CLAUDE_PROXY_PROFILE="own", **environ)


def test_an_upstream_searches_by_itself_where_nobody_else_is_set(server, upstream):
    upstream.play(
        Reply(completion(calls=[CATS])),
        Reply(completion("Cats purr.", annotations=[CITED])),
        Reply(completion(SAYS)),
    )
    message = ask(searching_itself(server, upstream))
    assert kinds(message) == FOUND
    assert message["content"][1]["content"][0]["url"] == "https://cats.example/"
    search = upstream.posts[1]
    assert search.headers["authorization"] == upstream.posts[0].headers["authorization"]
    assert search.json["tools"][0]["type"] == "openrouter:web_search"
    assert search.json["model"] == upstream.posts[0].json["model"]
    # Two turns and the search between them.
    assert message["usage"]["input_tokens"] == 63 and message["usage"]["output_tokens"] == 21
    assert "They purr." in upstream.last.json["messages"][-1]["content"]


def test_a_service_that_is_set_goes_before_the_upstreams_own_search(server, upstream, service):
    plays(upstream, [CATS], SAYS)
    live = searching_itself(server, upstream, CLAUDE_PROXY_SEARXNG_URL=service.url)
    assert kinds(ask(live)) == FOUND
    assert len(service.requests) == 1 and len(upstream.posts) == 2


def test_an_upstreams_own_search_that_fails_is_told(server, upstream):
    upstream.play(
        Reply(completion(calls=[CATS])), refusal(404, "no such tool"), Reply(completion(SAYS))
    )
    message = ask(searching_itself(server, upstream, form="web_search"))
    assert message["content"][1]["content"]["error_code"] == "unavailable"
    assert upstream.posts[1].path == "/v1/responses"


def test_an_upstream_without_a_search_of_its_own_is_told_as_such(searching, upstream, service):
    plays(upstream, [CATS], SAYS)
    message = ask(searching(CLAUDE_PROXY_SEARCH="upstream"))
    assert "web search of its own" in message["content"][1]["content"]["error_message"]
    assert service.requests == []


def test_an_openai_client_searches_with_its_own_words(searching, upstream):
    plays_responses(upstream)
    chat = {"model": "claude-haiku-5-5", "messages": [ASKED], "web_search_options": {}}
    live = searching(CLAUDE_PROXY_UPSTREAM_DIALECT="responses")
    response = httpx.post(f"{live.url}/v1/chat/completions", json=chat, timeout=30)
    assert response.status_code == 200, response.text
    [choice] = response.json()["choices"]
    assert choice["message"]["content"] == SAYS and choice["finish_reason"] == "stop"
    [cited] = choice["message"]["annotations"]
    assert cited["url_citation"]["url"] == "https://cats.example/"


def test_an_openai_client_streams_a_search(searching, upstream):
    plays_responses(upstream)
    live = searching(CLAUDE_PROXY_UPSTREAM_DIALECT="responses")
    chat = {"model": "claude-haiku-5-5", "messages": [ASKED], "web_search_options": {}}
    asked = {**chat, "stream": True, "stream_options": {"include_usage": True}}
    text = httpx.post(f"{live.url}/v1/chat/completions", json=asked, timeout=30).text
    *chunks, done = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    assert done == "[DONE]"
    chunks = [json.loads(chunk) for chunk in chunks]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == SAYS
    assert any(delta.get("annotations") for delta in deltas)
    assert not any(delta.get("tool_calls") for delta in deltas)
    assert chunks[-1]["usage"]["prompt_tokens"] == 10


def test_a_server_that_ends_ends_its_searches_in_order(upstream, service):
    service.play(Reply(delay=30))
    streams(upstream, [CATS], SAYS)
    environ = {"CLAUDE_PROXY_SEARXNG_URL": service.url, "CLAUDE_PROXY_DRAIN_SECONDS": "0.3"}
    with ThreadPoolExecutor() as pool:
        with running(settings_for(upstream, **environ)) as live:
            answer = pool.submit(
                httpx.post, f"{live.url}/v1/messages", json=body(stream=True), timeout=30
            )
            assert eventually(lambda: bool(service.requests))
        text = answer.result().text
    assert "server_tool_use" in text and "overloaded_error" in text
    assert "message_stop" not in text


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_with_a_search_is_corrected_before_its_first_turn(searching, upstream, stream):
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    error = {
        **{"message": f"{said}'max_completion_tokens' instead.", "param": "max_tokens"},
        **{"type": "invalid_request_error", "code": "unsupported_parameter"},
    }
    upstream.play(
        Reply({"error": error}, status=400),
        Reply(completion(calls=[CATS])),
        Reply(completion(SAYS)),
    )
    live = searching()
    message = fold(events(live)) if stream else ask(live)
    assert kinds(message) == FOUND
    assert ["max_completion_tokens" in post.json for post in upstream.posts] == [False, True, True]


CALL_CATS = {"type": "tool_use", "id": "toolu_1", "name": "web_search", "input": {"query": "cats"}}


def upstream_says(upstream, *, stream=False):
    """One call of the search and then words, in Messages."""
    turns = [([CALL_CATS], "tool_use"), ([{"type": "text", "text": SAYS}], "end_turn")]
    replies = []
    for content, stop in turns:
        whole = json.loads(message(content=content, stop_reason=stop))
        body = b"".join(map(as_event, unfold(whole)))
        replies.append(Reply(stream=[body]) if stream else Reply(whole))
    upstream.play(*replies)


def as_event(told):
    return f"event: {told['type']}\ndata: {json.dumps(told)}\n\n".encode()


class TestUpstreamsOfMessages:
    """They get the tool as it came, unless a service is set and they are not known to search."""

    MESSAGES = {"CLAUDE_PROXY_UPSTREAM_DIALECT": "messages"}

    @pytest.mark.pitfall(37)
    def test_a_search_is_made_for_one_that_makes_none(self, searching, upstream, service):
        upstream_says(upstream)
        found = ask(searching(**self.MESSAGES))
        assert kinds(found) == FOUND and len(service.requests) == 1
        assert found["usage"]["server_tool_use"]["web_search_requests"] == 1
        first, second = (each.json for each in upstream.posts)
        assert first["tools"][0]["input_schema"]["required"] == ["query"]
        assert "type" not in first["tools"][0]
        asked, told = second["messages"][-2:]
        assert asked["content"][0]["type"] == "tool_use"
        assert told["content"][0]["tool_use_id"] == asked["content"][0]["id"]
        assert "They purr." in str(told)

    def test_in_a_stream_too(self, searching, upstream):
        upstream_says(upstream, stream=True)
        found = events(searching(**self.MESSAGES))
        blocks = [e["content_block"]["type"] for e in found if e["type"] == "content_block_start"]
        assert blocks == FOUND

    def test_what_it_found_before_goes_on_as_it_was(self, searching, upstream):
        live = searching(**self.MESSAGES)
        upstream_says(upstream)
        first = ask(live)
        upstream_says(upstream)
        history = [ASKED, {"role": "assistant", "content": first["content"]}, ASKED]
        ask(live, messages=history)
        sent = upstream.posts[2].json["messages"]
        assert [block["type"] for block in sent[1]["content"]] == ["tool_use"]
        assert sent[2]["content"][0]["type"] == "tool_result" and "They purr." in str(sent[2])
        assert "encrypted" not in str(sent)

    @pytest.mark.parametrize("choice", [{}, {"CLAUDE_PROXY_SEARCH": "upstream"}])
    def test_without_a_service_it_gets_the_tool(self, server, upstream, choice):
        upstream.play(Reply(json.loads(message())))
        httpx.post(f"{server(**self.MESSAGES, **choice).url}/v1/messages", json=body())
        assert upstream.last.json["tools"] == [SEARCH]

    def test_other_requests_pass_as_they_are(self, searching, upstream):
        upstream.play(Reply(json.loads(message())))
        raw = (
            b'{ "model":"m", "max_tokens":1e2, "tools":[{"name":"web_search_x"}, 3],"messages":[]}'
        )
        headers = {"content-type": "application/json"}
        url = f"{searching(**self.MESSAGES).url}/v1/messages"
        httpx.post(url, content=raw, headers=headers)
        assert upstream.last.body == raw

    def test_anthropic_searches_itself(self, upstream, service):
        environ = {
            "CLAUDE_PROXY_BACKEND": "anthropic",
            "ANTHROPIC_FORWARD_URL": upstream.url,
            "CLAUDE_PROXY_SEARXNG_URL": service.url,
        }
        upstream.play(Reply(json.loads(message())))
        with running(settings_for(upstream, **environ)) as live:
            httpx.post(f"{live.url}/v1/messages", json=body(), headers={"x-api-key": "k"})
        assert upstream.last.json == body() and not service.requests
