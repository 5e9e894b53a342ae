"""`gunicorn claude_proxy.main:app` with each documented worker class serves and ends in order."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from anthropic import Anthropic

from tests.upstream import Reply, Upstream, eventually, text_stream

pytestmark = pytest.mark.slow

WORKERS = [
    "claude_proxy.server.worker.Worker",
    "uvicorn_worker.UvicornWorker",
    "uvicorn.workers.UvicornWorker",
]
WORDS = [f"word{n} " for n in range(10)]


@contextmanager
def gunicorn(worker: str, upstream: Upstream) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """gunicorn's process and URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        bind = f"127.0.0.1:{probe.getsockname()[1]}"
    environ = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API_KEY": "sk-upstream"}
    command = [sys.executable, "-m", "gunicorn", "claude_proxy.main:app", "-k", worker]
    command += ["--bind", bind, "--workers", "2", "--no-control-socket"]
    with subprocess.Popen(command, env=environ, cwd="/", stderr=subprocess.DEVNULL) as process:
        try:
            assert eventually(lambda: healthy(f"http://{bind}"), 20), f"{worker} did not start"
            yield process, f"http://{bind}"
        finally:
            process.kill()


def healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("worker", WORKERS)
def test_stream_ends_well_though_the_server_is_told_to_stop(
    upstream: Upstream, worker: str
) -> None:
    role, *rest = text_stream(*WORDS)
    upstream.play(Reply(stream=[role, *(item for chunk in rest for item in (0.1, chunk))]))
    with gunicorn(worker, upstream) as (process, url):
        with Anthropic(base_url=url, api_key="any", max_retries=0) as client:
            with client.messages.stream(
                model="claude-sonnet-5-5",
                max_tokens=50,
                messages=[{"role": "user", "content": "hello"}],
            ) as stream:
                assert next(iter(stream.text_stream)) == WORDS[0]
                process.send_signal(signal.SIGTERM)
                assert stream.get_final_text() == "".join(WORDS)
        assert process.wait(20) == 0
