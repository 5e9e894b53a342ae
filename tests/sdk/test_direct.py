"""The official client in front of an upstream of its own language: nothing between them shows."""

from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic

from tests.conftest import running, settings_for
from tests.messages_upstream import PASSED, message, refused, said
from tests.upstream import Reply, Upstream, serving

KEY = "sdk-client-key"
HELLO: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def direct() -> Iterator[tuple[str, Upstream]]:
    with serving(Upstream()) as upstream:
        base = {"OPENAI_BASE_URL": f"{upstream.url}/anthropic", "CLAUDE_PROXY_AUTH_KEY": KEY}
        with running(settings_for(upstream, **base)) as live:
            yield live.url, upstream


@pytest.fixture
def upstream(direct: tuple[str, Upstream]) -> Upstream:
    direct[1].requests.clear()
    direct[1].play(Reply(message("good day"), headers=PASSED))
    return direct[1]


@pytest.fixture
def client(direct: tuple[str, Upstream], upstream: Upstream) -> Iterator[Anthropic]:
    with Anthropic(base_url=direct[0], api_key=KEY, max_retries=0) as client:
        yield client


def test_create(client: Anthropic, upstream: Upstream) -> None:
    raw = client.messages.with_raw_response.create(model="m", max_tokens=9, messages=HELLO)
    found = raw.parse()
    assert found.id == "msg_01Upstream" and found.usage.cache_read_input_tokens == 11
    assert found._request_id == PASSED["request-id"]
    assert raw.headers["anthropic-ratelimit-requests-remaining"] == "41"
    assert upstream.last.json == {"model": "m", "max_tokens": 9, "messages": HELLO}


def test_stream(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(stream=said("good ", "day ", "\u2713")))
    with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        assert list(stream.text_stream) == ["good ", "day ", "\u2713"]
        assert stream.get_final_message().usage.output_tokens == 42


def test_a_cut_stream_is_an_error(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(stream=[*said("good ")[:4], b"event: content_bl"], end="cut"))
    with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        with pytest.raises(anthropic.APIStatusError, match="broke off"):
            list(stream)


def test_silence_is_no_error(client: Anthropic, upstream: Upstream) -> None:
    play = said("good ", "day")
    upstream.play(Reply(stream=[*play[:4], b": keep-alive\n\n", *play[4:]]))
    with client.messages.stream(model="m", max_tokens=9, messages=HELLO) as stream:
        assert stream.get_final_text() == "good day"


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (400, "invalid_request_error", anthropic.BadRequestError),
        (401, "authentication_error", anthropic.AuthenticationError),
        (429, "rate_limit_error", anthropic.RateLimitError),
        (529, "overloaded_error", anthropic.InternalServerError),
    ],
)
def test_errors(
    client: Anthropic,
    upstream: Upstream,
    status: int,
    kind: str,
    error: type[anthropic.APIStatusError],
) -> None:
    upstream.play(refused(status, kind, "as it is", request_id="req_theirs"))
    with pytest.raises(error) as caught:
        client.messages.create(model="m", max_tokens=9, messages=HELLO)
    assert caught.value.response.content == upstream_body(status, kind)
    assert caught.value.request_id == "req_theirs"


def upstream_body(status: int, kind: str) -> bytes:
    body = refused(status, kind, "as it is").body
    assert isinstance(body, bytes)
    return body


def test_counts(client: Anthropic, upstream: Upstream) -> None:
    upstream.play(Reply(b'{"input_tokens": 4711}'))
    assert client.messages.count_tokens(model="m", messages=HELLO).input_tokens == 4711


def test_tools_and_unknown_blocks_arrive(client: Anthropic, upstream: Upstream) -> None:
    block = {"type": "brand_new", "data": {"n": 1}}
    content = [block, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": [1]}}]
    upstream.play(Reply(message(content=content, stop_reason="tool_use")))
    create = client.messages.with_raw_response.create
    raw = create(model="m", max_tokens=9, messages=HELLO)
    assert raw.http_response.json()["content"] == content
    assert raw.parse().stop_reason == "tool_use"
