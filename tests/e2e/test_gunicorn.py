"""`gunicorn claude_proxy.main:app` with each documented worker class serves and ends in order."""

import signal

import pytest
from anthropic import Anthropic

from tests.process import GUNICORN, started
from tests.upstream import Reply, Upstream, text_stream

pytestmark = pytest.mark.slow

WORKERS = [
    "claude_proxy.server.worker.Worker",
    "uvicorn_worker.UvicornWorker",
    "uvicorn.workers.UvicornWorker",
]
WORDS = [f"word{n} " for n in range(10)]


@pytest.mark.parametrize("worker", WORKERS)
def test_stream_ends_well_though_the_server_is_told_to_stop(
    upstream: Upstream, worker: str
) -> None:
    role, *rest = text_stream(*WORDS)
    upstream.play(Reply(stream=[role, *(item for chunk in rest for item in (0.1, chunk))]))
    with started(upstream, "--workers", "2", "-k", worker, argv=GUNICORN) as process:
        with Anthropic(base_url=process.url, api_key="any", max_retries=0) as client:
            with client.messages.stream(
                model="claude-sonnet-5-5",
                max_tokens=50,
                messages=[{"role": "user", "content": "hello"}],
            ) as stream:
                assert next(iter(stream.text_stream)) == WORDS[0]
                process.signal(signal.SIGTERM)
                assert stream.get_final_text() == "".join(WORDS)
        assert process.wait() == 0
