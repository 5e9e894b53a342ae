"""The one corrected attempt, over real sockets: how often the upstream is asked, and for what."""

import json
import time
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from tests.conftest import UPSTREAM_KEY, settings_for
from tests.upstream import Reply, Upstream, completion, eventually, refusal, serving, text_stream

ASK = {
    "model": "some-model",
    "max_tokens": 9,
    "temperature": 0.5,
    "messages": [{"role": "user", "content": "my secret prompt"}],
}
USE_OTHER = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead."
)
NO_TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0.5 with this model. "
    "Only the default (1) value is supported."
)


def ask(live, stream=False, **more):
    body = {**ASK, "stream": stream, **more}
    return httpx.post(f"{live.url}/v1/messages", json=body, timeout=20)


def good(body):
    return Reply(stream=text_stream("hi")) if body.get("stream") else Reply(completion("hi"))


def refusing(upstream, *rules, status=400):
    """An upstream with rules of its own: (what it looks for, what it says)."""

    def answer(request):
        for broken, says in rules:
            if broken(request.json):
                return refusal(status, says)
        return good(request.json)

    upstream.answer(answer)


def has(name):
    return lambda body: name in body


@pytest.mark.pitfall(17)
@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_field_is_corrected_once_and_then_known(server, upstream, stream):
    refusing(upstream, (has("max_tokens"), USE_OTHER))
    live = server()
    first = ask(live, stream)
    assert first.status_code == 200 and "hi" in first.text
    assert len(upstream.posts) == 2
    assert upstream.last.json["max_completion_tokens"] == 9
    noted = "corrected=the limit of output tokens is sent as max_completion_tokens"
    assert noted in first.headers["x-claude-proxy-notes"]
    second = ask(live, not stream)
    assert second.status_code == 200 and len(upstream.posts) == 3
    assert "x-claude-proxy-notes" not in second.headers


def test_what_later_requests_lose_is_told(server, upstream):
    refusing(upstream, (has("temperature"), NO_TEMPERATURE))
    live = server()
    ask(live)
    later = ask(live)
    assert len(upstream.posts) == 3 and "temperature" not in upstream.last.json
    notes = later.headers["x-claude-proxy-notes"]
    assert notes == "temperature=temperature is not accepted by this model"


def test_a_correction_is_of_one_model_and_upstream(server, upstream):
    refusing(upstream, (has("temperature"), NO_TEMPERATURE))
    live = server()
    for _ in range(2):
        ask(live)
        ask(live, model="other-model")
    assert [post.json["model"] for post in upstream.posts] == [
        *("some-model", "some-model", "other-model", "other-model"),
        *("some-model", "other-model"),
    ]


@pytest.mark.pitfall(19)
def test_a_limit_is_read_and_kept_under_the_users_own(server, upstream):
    limit = "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"
    refusing(upstream, (lambda body: body["max_tokens"] > 8192, limit))
    live = server()
    assert ask(live, max_tokens=20_000).status_code == 200
    assert [post.json["max_tokens"] for post in upstream.posts] == [20_000, 8192]
    assert (
        "max_tokens=clamped to 8192" in ask(live, max_tokens=9_000).headers["x-claude-proxy-notes"]
    )
    tight = server(CLAUDE_PROXY_MAX_TOKENS_LIMIT="10000")
    for _ in range(2):
        ask(tight, max_tokens=20_000)
    assert [post.json["max_tokens"] for post in upstream.posts[3:]] == [10_000, 8192, 8192]


@pytest.mark.pitfall(18)
def test_tools_get_the_effort_that_is_accepted_with_them(server, upstream):
    says = (
        "Function tools with reasoning_effort are not supported for gpt-5.6 in "
        "/v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort "
        "to 'none'."
    )
    refusing(upstream, (lambda body: body.get("reasoning_effort") != "none", says))
    live = server()
    tools = [{"name": "a", "input_schema": {"type": "object"}}]
    assert ask(live, tools=tools).status_code == 200
    again = ask(live, tools=tools)
    assert (
        "output_config.effort=with tools only the effort none"
        in again.headers["x-claude-proxy-notes"]
    )


@pytest.mark.pitfall(21)
def test_everything_that_one_refusal_names_is_corrected_together(server, upstream):
    detail = [
        {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
        for name in ("stream_options", "temperature")
    ]
    upstream.answer(
        lambda request: (
            Reply({"detail": detail}, status=422)
            if "stream_options" in request.json or "temperature" in request.json
            else good(request.json)
        )
    )
    assert ask(server(), stream=True).status_code == 200
    assert len(upstream.posts) == 2


def test_a_second_refusal_is_the_clients_and_the_next_request_knows_both(server, upstream):
    refusing(upstream, (has("max_tokens"), USE_OTHER), (has("temperature"), NO_TEMPERATURE))
    live = server()
    first = ask(live)
    assert first.status_code == 400 and "temperature" in first.text
    assert "corrected=" in first.headers["x-claude-proxy-notes"]
    assert len(upstream.posts) == 2
    assert ask(live).status_code == 200 and len(upstream.posts) == 3
    assert ask(live).status_code == 200 and len(upstream.posts) == 4


def test_what_does_not_help_is_forgotten(server, upstream):
    upstream.play(refusal(400, USE_OTHER))
    live = server()
    for count in (2, 4):
        assert ask(live).status_code == 400
        assert len(upstream.posts) == count
        assert "max_tokens" in upstream.posts[-2].json
    upstream.play(Reply(completion("hi")))
    ask(live)
    assert "max_tokens" in upstream.last.json


def test_a_busy_upstream_says_nothing_about_a_correction(server, upstream):
    upstream.play(refusal(400, USE_OTHER), refusal(529, "busy"), Reply(completion("hi")))
    live = server()
    assert ask(live).status_code == 529
    assert ask(live).status_code == 200 and len(upstream.posts) == 3
    assert upstream.last.json["max_completion_tokens"] == 9


@pytest.mark.fault("hang", "status")
@pytest.mark.parametrize(
    "second",
    [
        Reply(completion("late"), delay=5),
        Reply(delay=0.6, raw=b""),
        Reply({"error": {"message": "no"}}, status=400, delay=0.6),
    ],
)
def test_an_attempt_that_fails_behind_a_ping_proves_nothing(server, upstream, tmp_path, second):
    file = tmp_path / "learned.json"
    upstream.play(refusal(400, USE_OTHER), second)
    live = server(
        CLAUDE_PROXY_LEARNED_FILE=str(file),
        CLAUDE_PROXY_HOLD_SECONDS="0.2",
        CLAUDE_PROXY_REQUEST_TIMEOUT="1",
    )
    reply = ask(live, stream=True)
    assert reply.status_code == 200 and "event: error" in reply.text
    assert not file.exists()
    upstream.play(Reply(stream=text_stream("hi")))
    assert "hi" in ask(live, stream=True).text
    assert eventually(file.exists), "what helps is kept as before"


def test_the_same_request_is_not_sent_twice(server, upstream):
    upstream.play(refusal(400, "Unknown parameter: 'user'."))
    assert ask(server()).status_code == 400
    assert len(upstream.posts) == 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "This model's maximum context length is 8 tokens. Unknown parameter: 'temperature'."),
        (400, "Content policy: unknown parameter: 'temperature'."),
        (401, "Unknown parameter: 'temperature'."),
        (402, "Unknown parameter: 'temperature'."),
        (403, "Unknown parameter: 'temperature'."),
        (404, "Unknown parameter: 'temperature'."),
        (413, "Unknown parameter: 'temperature'."),
        (429, "Unknown parameter: 'temperature'."),
        (500, "Unknown parameter: 'temperature'."),
        (400, "Invalid image in messages[0]"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_other_errors_are_one_attempt(server, upstream, status, message, stream):
    upstream.play(refusal(status, message))
    assert ask(server(), stream).status_code >= 400
    assert len(upstream.posts) == 1


def test_turned_off_there_is_one_attempt(server, upstream):
    upstream.play(refusal(400, USE_OTHER))
    assert ask(server(CLAUDE_PROXY_LEARNING="off")).status_code == 400
    assert len(upstream.posts) == 1


def test_a_stream_that_has_begun_is_not_tried_again(server, upstream):
    begun = text_stream("hi")[:2]
    error = {"error": {"message": USE_OTHER, "code": 400}}
    upstream.play(Reply(stream=[*begun, error]))
    reply = ask(server(), stream=True)
    assert reply.status_code == 200 and "event: error" in reply.text
    assert len(upstream.posts) == 1


def test_a_refusal_inside_of_a_stream_is_one_too(server, upstream):
    error = {"error": {"message": USE_OTHER, "code": 400}}
    upstream.play(Reply(stream=[error]), Reply(stream=text_stream("hi")))
    assert "hi" in ask(server(), stream=True).text
    assert len(upstream.posts) == 2


def test_a_stream_that_breaks_off_later_has_proven_the_correction(server, upstream):
    cut = Reply(stream=text_stream("hi")[:2], end="cut")
    upstream.play(refusal(400, USE_OTHER), cut, refusal(400, "no"))
    live = server()
    assert "event: error" in ask(live, stream=True).text
    ask(live)
    ask(live)
    assert [("max_tokens" in post.json) for post in upstream.posts] == [True, False, False, False]


def test_fallbacks_come_after_the_corrected_attempt(server, upstream):
    upstream.play(refusal(400, USE_OTHER), refusal(503, "down"), Reply(completion("hi")))
    reply = ask(server(CLAUDE_PROXY_FALLBACKS="other-model"))
    assert reply.status_code == 200
    assert [post.json["model"] for post in upstream.posts] == [
        *("some-model", "some-model", "other-model")
    ]
    assert "max_tokens" in upstream.last.json


def test_a_fallback_may_be_corrected_too(server, upstream):
    upstream.play(refusal(503, "down"), refusal(400, USE_OTHER), Reply(completion("hi")))
    reply = ask(server(CLAUDE_PROXY_FALLBACKS="other-model"))
    assert reply.status_code == 200 and upstream.last.json["max_completion_tokens"] == 9
    assert "after 503" in reply.headers["x-claude-proxy-route"]


def test_it_is_logged_and_counted_without_prompt_or_key(server, upstream):
    says = f"Unknown parameter: 'temperature'. Prompt: my secret prompt, key: {UPSTREAM_KEY}"
    refusing(upstream, (has("temperature"), says))
    live = server()
    with capture_logs() as lines:
        ask(live)
        assert eventually(lambda: any(line["event"] == "request_finished" for line in lines))
    events = {line["event"]: line for line in lines}
    learned = events["learned"]
    assert learned["corrections"] == "temperature is not sent"
    assert learned["said"] == "Unknown parameter: 'temperature'"
    assert events["request_corrected"]["request_id"] == learned["request_id"]
    assert events["request_finished"]["corrected"] == "without"
    assert "secret prompt" not in str(lines) and UPSTREAM_KEY not in str(lines)
    text = httpx.get(f"{live.url}/metrics").text
    assert 'claude_proxy_corrections_total{field="without",result="accepted"} 1.0' in text


def test_what_did_not_help_is_counted(server, upstream):
    upstream.play(refusal(400, USE_OTHER))
    live = server()
    ask(live)
    text = httpx.get(f"{live.url}/metrics").text
    assert 'claude_proxy_corrections_total{field="max_tokens_field",result="refused"} 1.0' in text


def test_a_restart_and_a_second_worker_know_it(server, upstream, tmp_path):
    refusing(upstream, (has("temperature"), NO_TEMPERATURE))
    file = tmp_path / "state" / "learned.json"
    environ = {"CLAUDE_PROXY_LEARNED_FILE": str(file)}
    worker = server(**environ)
    ask(server(**environ))
    assert eventually(file.exists) and len(upstream.posts) == 2
    ask(server(**environ))
    assert len(upstream.posts) == 3
    time.sleep(2.1)  # The first one started before there was a file: it looks again.
    ask(worker)
    assert len(upstream.posts) == 4
    assert UPSTREAM_KEY not in file.read_text() and "secret prompt" not in file.read_text()


def test_two_workers_learn_side_by_side(server, upstream, tmp_path):
    refusing(upstream, (has("max_tokens"), USE_OTHER), (has("user"), "Unknown parameter: 'user'."))
    file = tmp_path / "learned.json"
    one, two = (server(CLAUDE_PROXY_LEARNED_FILE=str(file)) for _ in range(2))
    for worker, model in ((one, "some-model"), (two, "other-model")):
        ask(worker, model=model)
        assert eventually(lambda model=model: file.exists() and model in file.read_text())
    learned = json.loads(file.read_text())["learned"]
    assert [lesson["model"] for lesson in learned] == ["some-model", "other-model"]


def test_another_upstream_under_the_same_name_starts_anew(server, upstream, tmp_path):
    file = str(tmp_path / "learned.json")
    refusing(upstream, (has("temperature"), NO_TEMPERATURE))
    ask(server(CLAUDE_PROXY_LEARNED_FILE=file))
    assert eventually(Path(file).exists)
    with serving(Upstream()) as moved:
        settings = settings_for(moved, CLAUDE_PROXY_LEARNED_FILE=file)
        ask(server(settings))
        assert moved.last.json["temperature"] == 0.5


def test_a_file_that_is_not_ours_is_left_alone(server, upstream, tmp_path):
    file = tmp_path / "precious.json"
    file.write_text('{"mine": 1}')
    refusing(upstream, (has("temperature"), NO_TEMPERATURE))
    with capture_logs() as lines:
        live = server(CLAUDE_PROXY_LEARNED_FILE=str(file))
        ask(live)
        ask(live)
    assert len(upstream.posts) == 3
    assert file.read_text() == '{"mine": 1}'
    assert [line["event"] for line in lines if "learned_" in line["event"]] == [
        "learned_unreadable"
    ]


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(server, upstream, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    refusing(upstream, (has("temperature"), NO_TEMPERATURE))
    live = server(CLAUDE_PROXY_LEARNED_FILE=str(blocked / "learned.json"))
    assert [ask(live).status_code for _ in range(2)] == [200, 200]
    assert len(upstream.posts) == 3


def test_the_connection_test_uses_what_is_known(server, upstream):
    refusing(upstream, (has("max_tokens"), USE_OTHER))
    live = server(CLAUDE_PROXY_SMALL_MODEL="some-model")
    assert httpx.get(f"{live.url}/test-connection").status_code == 400
    ask(live)
    assert httpx.get(f"{live.url}/test-connection").status_code == 200


BOUNDED = {
    "name": "a",
    "input_schema": {
        "type": "object",
        "properties": {"n": {"type": "number", "exclusiveMinimum": 0, "description": "How many."}},
    },
}


def test_a_keyword_of_schemas_is_told_in_words_from_then_on(server, upstream):
    says = (
        'Invalid JSON payload received. Unknown name "exclusiveMinimum" at '
        "'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field."
    )
    refusing(upstream, (lambda body: '"exclusiveMinimum"' in json.dumps(body), says))
    live = server()
    first = ask(live, tools=[BOUNDED])
    assert first.status_code == 200 and len(upstream.posts) == 2
    notes = first.headers["x-claude-proxy-notes"]
    assert "corrected=schemas have no exclusiveMinimum" in notes
    second = ask(live, tools=[BOUNDED])
    assert second.status_code == 200 and len(upstream.posts) == 3
    sent = upstream.last.json["tools"][0]["function"]["parameters"]["properties"]["n"]
    assert sent == {"type": "number", "description": "How many. (exclusiveMinimum: 0)"}
    assert "told in descriptions" in second.headers["x-claude-proxy-notes"]
