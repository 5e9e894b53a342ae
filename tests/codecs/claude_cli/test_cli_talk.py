"""What a process remembers, and what it asks of the client's tools."""

import copy
from typing import Any

import pytest

from claude_proxy.codecs.claude_cli import encode_request
from claude_proxy.codecs.claude_cli.mcp import called, initialize, lists, reply, results_of
from claude_proxy.codecs.claude_cli.talk import Asked, fingerprint
from claude_proxy.types import Json
from tests.codecs.claude_cli.plays import CLI, call, text

TOOL = {"name": "Read", "description": "d", "inputSchema": {"type": "object"}}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBOR"}}


def document(*contents: Any, **more: Any) -> Json:
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": said} for at, said in enumerate(contents)]
    request: Any = {"model": "opus", "max_tokens": 9, "messages": messages, **more}
    return encode_request(request, profile=CLI)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([text("ab")], [text("a"), text("b"), text(" ")]),
        ([text("a\n")], [text("a")]),
        ([{"type": "thinking", "thinking": "t", "signature": "s"}, text("a")], [text("a")]),
        ([call("t", x=1, y=2)], [call("t", y=2, x=1)]),
        ([{**PNG, "cache_control": {"type": "ephemeral"}}], [PNG]),
    ],
)
def test_messages_that_mean_the_same_are_the_same(one: list[Json], other: list[Json]) -> None:
    assert fingerprint("user", one) == fingerprint("user", other)


def test_messages_that_differ_are_known() -> None:
    said = [[text("a")], [text("b")], [call("t", x=1)], [call("t", x=2)], [call("u", x=1)], [PNG]]
    said += [[text("a"), PNG], [PNG, text("a")], []]
    assert len({fingerprint(role, c) for role in ("user", "assistant") for c in said}) == 18


def test_a_process_is_found_by_start_session_and_history() -> None:
    first = Asked.of(document("One"))
    assert first == Asked.of(document("Other"))  # What is asked is not in its memory yet.
    assert first != Asked.of(document("One", system="Be brief"))
    assert first != Asked.of(document("One", metadata={"user_id": "u"}))
    assert first != Asked.of(document("One"), "somebody's key, hashed")
    assert first.start == Asked.of(document("One", "Two", "Three")).start
    assert len(Asked.of(document("One", "Two", "Three")).history) == 2


def test_a_process_is_started_with_everything_by_its_stdin() -> None:
    start = {"system": "S", "tools": [TOOL], "schema": {"type": "object"}, "model": "opus"}
    line = initialize(start)
    assert line["request"] == {
        "subtype": "initialize",
        "systemPrompt": "S",
        "sdkMcpServers": ["px"],
        "jsonSchema": {"type": "object"},
    }
    bare = initialize({"system": "", "tools": [], "model": "opus"})["request"]
    assert bare == {"subtype": "initialize", "systemPrompt": ""}


def asks(method: str, **params: Any) -> Json:
    message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    inner = {"subtype": "mcp_message", "server_name": "px", "message": message}
    return {"type": "control_request", "request_id": "r1", "request": inner}


def answer(request: Json, results: dict[str, Json] | None = None) -> Json:
    response = reply(request, [TOOL], results or {})["response"]
    assert (response["subtype"], response["request_id"]) == ("success", "r1")
    answered: Json = response["response"]["mcp_response"]
    assert (answered["jsonrpc"], answered["id"]) == ("2.0", 7)
    return answered


def test_the_server_of_the_tools_answers() -> None:
    told = answer(asks("initialize", protocolVersion="2025-11-25"))["result"]
    assert told["protocolVersion"] == "2025-11-25"
    assert told["capabilities"] == {"tools": {}}
    longest = {"anthropic/maxResultSizeChars": 500_000}
    assert answer(asks("tools/list"))["result"] == {"tools": [{**TOOL, "_meta": longest}]}
    assert lists(asks("tools/list")) and not lists(asks("ping"))
    assert answer(asks("ping"))["result"] == {}
    assert answer(asks("notifications/initialized"))["result"] == {}
    assert answer(asks("resources/list"))["error"]["code"] == -32601


def test_a_call_is_answered_with_its_own_result() -> None:
    asked = asks("tools/call", name="Read", _meta={"claudecode/toolUseId": "toolu_1"})
    assert called(asked) == "toolu_1"
    result = {"content": [text("ok")]}
    assert answer(asked, {"toolu_1": result})["result"] == result
    assert answer(asked)["result"]["isError"]
    assert called(asks("tools/call")) == ""
    assert called(asks("tools/list")) is None


@pytest.mark.parametrize("inner", [None, {"subtype": "can_use_tool"}, {"subtype": "mcp_message"}])
def test_other_requests_are_refused(inner: Json | None) -> None:
    request = {"type": "control_request", "request_id": "r1", "request": inner}
    assert reply(request, [], {})["response"]["subtype"] == "error"
    assert called(request) is None


def results(*content: Json) -> dict[str, Json] | None:
    last = document("Go", [call("a", "Read"), call("b", "Read")], list(content))["last"]
    before = copy.deepcopy(last)
    found = results_of(last)
    assert last == before
    return found


def result(id: str, content: Any = None, **more: Any) -> Json:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def test_results_and_what_the_user_says_beside_them() -> None:
    found = results(result("a", "good"), result("b", [text("see"), PNG]), text("?"))
    image = {"type": "image", "data": "iVBOR", "mimeType": "image/png"}
    assert found == {
        "a": {"content": [text("good")]},
        "b": {"content": [text("see"), image, text("?")]},
    }
    empty = {"content": [text("(no output)")]}
    assert results(result("a"), result("b")) == {"a": empty, "b": empty}


def test_what_mcp_has_no_form_for_needs_a_new_process() -> None:
    url = {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}
    good = result("b", "ok")
    assert results(result("a", [url]), good) is None
    assert results(result("a", "ok"), good, url) is None
    assert results(text("no result at all")) is None
    assert results(result("a", "bad", is_error=True), good) is None
    assert results(good) is None
    assert results(result("a", "x" * 100_000), result("b", "x" * 100_000)) is not None
    assert results(result("a", "x" * 100_000), result("b", "x" * 100_001)) is None
    assert results(result("a", "\N{OWL}" * 99_999), good) is not None
    assert results(result("a", "\N{OWL}" * 100_000), good) is None
