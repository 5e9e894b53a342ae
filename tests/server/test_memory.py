"""What belongs to a request goes with it, without waiting for the garbage collector."""

import gc
from collections.abc import Iterator

import httpx
import pytest

from claude_proxy.server.context import Context
from claude_proxy.server.pipeline import Plan, Relay
from claude_proxy.server.watch import Watch
from tests.upstream import Reply, completion, eventually, text_stream


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left_over() -> list[object]:
    return [o for o in gc.get_objects() if isinstance(o, Context | Plan | Relay | Watch)]


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_waits_for_the_collector(server, upstream, no_collector, stream):
    upstream.play(Reply(stream=text_stream("a")) if stream else Reply(completion("a")))
    live = server()
    body = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
    for _ in range(5):
        assert httpx.post(f"{live.url}/v1/messages", json={**body, "stream": stream}).is_success
    # The last one's task may end a moment after its answer.
    assert eventually(lambda: not left_over())
