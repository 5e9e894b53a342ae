"""Faulty calls over HTTP: mended where a profile asks for it, counted and logged always."""

import json

import httpx
import pytest
import structlog

from tests.upstream import Reply, call, call_stream, completion, text_stream

READ = {
    "name": "Read",
    "input_schema": {
        "type": "object",
        "properties": {"file_path": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["file_path"],
    },
}
WRITTEN = '<tool_call>\n{"name": "Read", "arguments": {"file_path": "/a"}}\n</tool_call>'
MENDING = json.dumps({"small": {"hosts": ["*"], "text_calls": "read", "call_inputs": "mended"}})


def ask(live, *, stream):
    body = {
        "model": "m",
        "max_tokens": 9,
        "stream": stream,
        "tools": [READ],
        "messages": [{"role": "user", "content": "hi"}],
    }
    return httpx.post(f"{live.url}/v1/messages", json=body, timeout=20)


def counted(live, kind):
    text = httpx.get(f"{live.url}/metrics").text
    return f'claude_proxy_faulty_calls_total{{kind="{kind}"}} 1.0' in text


@pytest.mark.pitfall(5)
@pytest.mark.parametrize("stream", [True, False])
def test_a_call_in_the_text_is_run(server, upstream, stream):
    upstream.play(Reply(stream=text_stream(*WRITTEN)) if stream else Reply(completion(WRITTEN)))
    live = server(CLAUDE_PROXY_PROFILES=MENDING)
    text = ask(live, stream=stream).text
    assert '"tool_use"' in text and '"name":"Read"' in text and "tool_call>" not in text
    assert '"stop_reason":"tool_use"' in text
    assert counted(live, "read")


@pytest.mark.pitfall(5)
def test_it_is_text_where_nobody_asks_for_more(server, upstream):
    upstream.play(Reply(completion(WRITTEN)))
    message = ask(server(), stream=False).json()
    assert message["content"] == [{"type": "text", "text": WRITTEN}]


@pytest.mark.pitfall(5)
def test_a_stream_that_comes_whole_is_read_as_well(server, upstream):
    upstream.play(Reply(completion(WRITTEN)))
    assert '"tool_use"' in ask(server(CLAUDE_PROXY_PROFILES=MENDING), stream=True).text


@pytest.mark.pitfall(6)
def test_an_input_that_is_left_out_is_noted(server, upstream):
    given = call("Read", {"file_path": "/a", "limit": None})
    upstream.play(Reply(completion(calls=[given])))
    live = server()
    answer = ask(live, stream=False)
    assert answer.json()["content"][0]["input"] == {"file_path": "/a"}
    assert "content.0.input.limit=" in answer.headers["x-claude-proxy-notes"]
    assert counted(live, "mended")


@pytest.mark.pitfall(6)
@pytest.mark.parametrize("mending", [True, False])
def test_a_stream_mends_inputs_where_that_is_asked_for(server, upstream, mending):
    upstream.play(Reply(stream=call_stream(call("Read", '{"file_path": "/a", "limit": null,}'))))
    live = server(**({"CLAUDE_PROXY_PROFILES": MENDING} if mending else {}))
    text = ask(live, stream=True).text
    assert ("null,}" in text) is not mending
    assert counted(live, "mended" if mending else "broken")


@pytest.mark.pitfall(6)
def test_a_broken_call_is_logged_without_its_content(server, upstream):
    upstream.play(Reply(stream=call_stream(call("Read", '{"file_path": "secret'))))
    with structlog.testing.capture_logs() as logs:
        ask(server(), stream=True)
    [warning] = [entry for entry in logs if entry["event"] == "calls_broken"]
    assert (warning["calls"], warning["upstream"]) == (1, "default")
    assert "secret" not in str(warning)
