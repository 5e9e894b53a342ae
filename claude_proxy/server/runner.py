"""Runs the app under uvicorn: in this process until a signal, or in a thread of it.

One set of uvicorn options for every way to start, gunicorn's worker included.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from claude_proxy.settings import Settings

BACKLOG = 2048


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """httptools costs a third of h11; a websocket upgrade of a POST would hang the request."""
    return {
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "log_config": None,
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": max(1, round(settings.drain_seconds)),
    }


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port shows before anything starts. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host.strip("[]"), port))
    except OSError:
        sock.close()
        raise
    sock.set_inheritable(True)
    return sock


def raise_file_limit() -> None:
    """Every open stream holds two descriptors; the soft limit is often 1,024."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve(app: ASGIApp, settings: Settings, sock: socket.socket) -> None:
    """Serves until SIGINT or SIGTERM; running answers get `drain_seconds` to finish."""
    raise_file_limit()
    server = uvicorn.Server(uvicorn.Config(app, **uvicorn_options(settings)))
    server.run(sockets=[sock])


@contextlib.contextmanager
def serving(app: ASGIApp, settings: Settings, sock: socket.socket) -> Iterator[str]:
    """Serves from a thread while the `with` block runs; gives the base URL."""
    server = uvicorn.Server(uvicorn.Config(app, **uvicorn_options(settings)))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            # Signals belong to the main thread: `serve`, not `run`.
            asyncio.run(server.serve(sockets=[sock]))
        except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, name="claude-proxy", daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.005)
    if not server.started:
        raise RuntimeError("the server did not start") from (failed[0] if failed else None)
    host, port = sock.getsockname()[:2]
    try:
        yield f"http://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.should_exit = True
        thread.join()
