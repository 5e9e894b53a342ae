"""Errors of Chat upstreams, in all their shapes, as the official client tells them."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.conftest import LiveServer
from tests.sdk.conftest import KEY
from tests.upstream import Reply, Upstream, chunk

ASKING: Any = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
PLAIN = {"content-type": "text/plain"}

SHAPES = [
    pytest.param({"error": {"message": "no", "type": "t", "code": "c"}}, "t", "c", id="openai"),
    pytest.param({"error": "no"}, "invalid_request_error", None, id="ollama"),
    pytest.param({"detail": "no"}, "invalid_request_error", None, id="fastapi"),
    pytest.param({"object": "error", "message": "no", "type": "t", "code": 5}, "t", "5", id="vllm"),
    pytest.param({"error": "no", "code": "c"}, "invalid_request_error", "c", id="xai"),
    pytest.param(
        {"type": "error", "error": {"type": "not_found_error", "message": "no"}},
        *("not_found_error", None),
        id="anthropic",
    ),
    pytest.param(b"no", "invalid_request_error", None, id="text"),
]


@pytest.fixture
def openai_client(live: LiveServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{live.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.mark.parametrize(("body", "type", "code"), SHAPES)
@pytest.mark.parametrize("stream", [False, True])
def test_words_type_and_code_reach_the_client(
    openai_client: OpenAI, upstream: Upstream, body: Any, type: str, code: Any, stream: bool
) -> None:
    upstream.play(Reply(body, status=422, headers=PLAIN if isinstance(body, bytes) else {}))
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        openai_client.chat.completions.create(**ASKING, stream=stream)
    assert caught.value.message == "Error code: 422 - no"
    assert (caught.value.type, caught.value.code) == (type, code)


@pytest.mark.parametrize(("body", "type", "code"), SHAPES[:-1])
def test_they_do_so_in_mid_stream(
    openai_client: OpenAI, upstream: Upstream, body: Any, type: str, code: Any
) -> None:
    upstream.play(Reply(stream=[chunk({"content": "half"}), body]))
    stream = openai_client.chat.completions.create(**ASKING, stream=True)
    with pytest.raises(openai.APIError) as caught:
        list(stream)
    assert caught.value.message == "no" and caught.value.code == code


def test_an_error_as_the_first_event_is_tried_again(
    openai_client: OpenAI, upstream: Upstream
) -> None:
    busy = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    upstream.play(Reply(stream=[busy]))
    with pytest.raises(openai.RateLimitError):
        openai_client.with_options(max_retries=1).chat.completions.create(**ASKING, stream=True)
    assert len(upstream.posts) == 2
