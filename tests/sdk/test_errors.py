"""What goes wrong upstream is raised by the official SDK as what it is, and retried as asked."""

import anthropic
import pytest
from anthropic import Anthropic

from tests.conftest import LiveServer
from tests.sdk.conftest import MODEL
from tests.upstream import Reply, Upstream, chunk, completion, refusal, text_stream

CLASSES = [
    (400, anthropic.BadRequestError, "invalid_request_error"),
    (401, anthropic.AuthenticationError, "authentication_error"),
    (402, anthropic.APIStatusError, "billing_error"),
    (403, anthropic.PermissionDeniedError, "permission_error"),
    (404, anthropic.NotFoundError, "not_found_error"),
    (413, anthropic.APIStatusError, "request_too_large"),
    (429, anthropic.RateLimitError, "rate_limit_error"),
    (502, anthropic.InternalServerError, "api_error"),
    (503, anthropic.InternalServerError, "overloaded_error"),
    (504, anthropic.InternalServerError, "timeout_error"),
    (529, anthropic.InternalServerError, "overloaded_error"),
]


def ask(client: Anthropic, **more: bool) -> object:
    messages = [{"role": "user", "content": "hello"}]
    return client.messages.create(model=MODEL, max_tokens=50, messages=messages, **more)  # type: ignore[call-overload]  # one helper for both forms


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("status", "error", "kind"), CLASSES)
def test_status_of_the_upstream_is_raised_as_its_class(
    client: Anthropic,
    upstream: Upstream,
    status: int,
    error: type[anthropic.APIStatusError],
    kind: str,
    stream: bool,
) -> None:
    upstream.play(refusal(status, "no such luck"))
    with pytest.raises(error) as raised:
        ask(client, stream=stream)
    assert raised.value.status_code == status
    assert raised.value.type == kind
    assert "no such luck" in raised.value.message


def test_failure_of_the_upstream_is_not_told_as_one_of_ours(
    client: Anthropic, upstream: Upstream
) -> None:
    upstream.play(refusal(500, "no such luck"))
    with pytest.raises(anthropic.InternalServerError, match="no such luck") as raised:
        ask(client)
    assert raised.value.status_code == 502


def test_request_id_is_in_header_and_envelope(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(refusal(400, "no"))
    with pytest.raises(anthropic.BadRequestError) as raised:
        ask(client)
    assert isinstance(raised.value.body, dict)
    assert raised.value.request_id == raised.value.body["request_id"]
    assert str(raised.value.request_id).startswith("req_")


def test_wrong_client_key_never_reaches_the_upstream(live: LiveServer, upstream: Upstream) -> None:
    with Anthropic(base_url=live.url, api_key="wrong", max_retries=2) as client:
        with pytest.raises(anthropic.AuthenticationError) as raised:
            ask(client)
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert upstream.posts == []


def test_retry_after_is_waited_for(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(refusal(429, "slow down", retry_after="1"), Reply(completion("ok")))
    ask(client.with_options(max_retries=2))
    first, second = upstream.posts
    assert 1.0 <= second.at - first.at < 3.0


def test_upstream_that_forbids_a_retry_is_obeyed(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(refusal(500, "do not", x_should_retry="false"))
    with pytest.raises(anthropic.InternalServerError):
        ask(client.with_options(max_retries=2))
    assert len(upstream.posts) == 1


def test_proxy_itself_does_not_retry(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(refusal(503, "busy"))
    with pytest.raises(anthropic.InternalServerError):
        ask(client)
    assert len(upstream.posts) == 1


def test_error_inside_a_stream_is_raised(client: Anthropic, upstream: Upstream) -> None:
    broken = {"error": {"message": "engine stopped", "type": "server_error", "code": None}}
    upstream.play(Reply(stream=[chunk({"content": "half"}), broken]))
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "hello"}]
    ) as stream:
        with pytest.raises(anthropic.APIStatusError, match="engine stopped"):
            stream.get_final_message()


@pytest.mark.parametrize("end", ["complete", "cut"])
def test_stream_without_its_end_is_raised(client: Anthropic, upstream: Upstream, end: str) -> None:
    stream = text_stream("half")[:2]
    upstream.play(Reply(stream=stream, end="cut" if end == "cut" else "complete"))
    with client.messages.stream(
        model=MODEL, max_tokens=50, messages=[{"role": "user", "content": "hello"}]
    ) as events:
        with pytest.raises(anthropic.APIStatusError):
            events.get_final_message()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(b"<html>Bad Gateway</html>", status=502), id="a page with 502"),
        pytest.param(Reply(b"<html>Welcome</html>"), id="a page with 200"),
        pytest.param(Reply(b""), id="nothing"),
        pytest.param(Reply({"choices": []}), id="no choices"),
        pytest.param(Reply(raw=b""), id="hung up"),
        pytest.param(Reply(raw=b"no http at all\r\n\r\n"), id="no HTTP"),
        pytest.param(Reply(completion("half"), end="cut"), id="cut body"),
    ],
)
def test_answer_that_is_none_is_a_server_error(
    client: Anthropic, upstream: Upstream, reply: Reply
) -> None:
    upstream.play(reply)
    with pytest.raises(anthropic.InternalServerError):
        ask(client)


def test_context_overflow_has_the_words_clients_know(client: Anthropic, upstream: Upstream) -> None:
    words = (
        "This model's maximum context length is 128000 tokens. However, your messages resulted in"
        " 131072 tokens. Please reduce the length of the messages."
    )
    upstream.play(refusal(400, words, code="context_length_exceeded"))
    with pytest.raises(anthropic.BadRequestError) as raised:
        ask(client)
    assert "prompt is too long: 131072 tokens > 128000 maximum" in raised.value.message
