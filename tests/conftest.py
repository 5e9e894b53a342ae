"""Real parts for every test: our server under a real uvicorn, and an upstream to talk to."""

import asyncio
import gc
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import certifi
import hypothesis
import pytest

from tests.upstream import Upstream, eventually, serving

if TYPE_CHECKING:  # a test of a pure module must not load the server
    from claude_proxy.settings import Settings

UPSTREAM_KEY = "sk-upstream-0123456789abcdef"

# On a busy machine any example may take long.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

# Each client of httpx's loads all the world's certificates, 25 ms for a loopback server. One is
# enough. The variable reaches the other processes of the same run, too.
if "SSL_CERT_FILE" not in os.environ:
    _ONE_ROOT = tempfile.NamedTemporaryFile("w", prefix="root-", suffix=".pem")
    _ONE_ROOT.write(certifi.contents().partition("-----END CERTIFICATE-----")[0])
    _ONE_ROOT.write("-----END CERTIFICATE-----\n")
    _ONE_ROOT.flush()
    os.environ["SSL_CERT_FILE"] = _ONE_ROOT.name


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of cases are made now, and live as long as we do: no work for the collector."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@dataclass(frozen=True, slots=True)
class LiveServer:
    """Our app on a loopback port; `url` has no path and no slash at its end."""

    url: str
    port: int


def settings_for(upstream: Upstream, **environ: str) -> "Settings":
    """Settings that lead to `upstream`; more variables by their names in the environment."""
    from claude_proxy.settings import load_settings

    known = {"OPENAI_BASE_URL": f"{upstream.url}/v1", "OPENAI_API_KEY": UPSTREAM_KEY}
    return load_settings(environ={**known, **environ}, trusted_folder=False)


@contextmanager
def running(settings: "Settings") -> Iterator[LiveServer]:
    """`create_app(settings)` as the command serves it, in a thread, on a free port."""
    from claude_proxy.server.app import create_app
    from claude_proxy.server.runner import server_for

    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    # asyncio sets this for sockets of protocol 6 only, and `create_server` makes one of 0.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = listener.getsockname()[1]
    server = server_for(create_app(settings), settings, ceiling=min(1.0, settings.drain_seconds))
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve(sockets=[listener])), name="server", daemon=True
    )
    thread.start()
    try:
        assert eventually(lambda: server.started or not thread.is_alive(), 20)
        assert server.started, "the server did not start"
        yield LiveServer(f"http://127.0.0.1:{port}", port)
    finally:
        server.stop()
        thread.join(20)
        listener.close()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A scripted upstream: `upstream.play(Reply(...), ...)`, then look at `upstream.last`."""
    with serving(Upstream()) as started:
        yield started


@pytest.fixture
def server(upstream: Upstream) -> Iterator[Callable[..., LiveServer]]:
    """`server(settings)`, or `server(CLAUDE_PROXY_PING_SECONDS="0.1")` before the `upstream`."""
    with ExitStack() as stack:

        def start(settings: "Settings | None" = None, **environ: str) -> LiveServer:
            return stack.enter_context(running(settings or settings_for(upstream, **environ)))

        yield start
