"""Runs the app under uvicorn: in this process until a signal, or in a thread of it.

One set of uvicorn options for every way to start, gunicorn's worker included.
"""

import asyncio
import contextlib
import ctypes
import gc
import socket
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from claude_proxy.server.drain import drain_of
from claude_proxy.server.life import Server
from claude_proxy.server.protocol import KEEP_ALIVE, Protocol
from claude_proxy.server.reload import Read, Reload
from claude_proxy.server.services import Services
from claude_proxy.settings import Settings

BACKLOG = 2048
# The system's limit where it has none of descriptors.
_NO_LIMIT = 1 << 16
_OWN_FILES = 64  # logs, libraries, the event loop, name look-ups
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def uvicorn_options() -> dict[str, Any]:
    """httptools costs a third of h11; a websocket upgrade of a POST would hang the request."""
    return {
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "log_config": None,
        "backlog": backlog(),
        "timeout_keep_alive": KEEP_ALIVE,
    }


def server_for(
    app: ASGIApp,
    settings: Settings,
    config: uvicorn.Config | None = None,
    *,
    warm: bool = False,
    **more: Any,
) -> Server:
    """A server for the app, which may be any ASGI app; ours hears of the server's end.

    `warm`: our app asks the upstream for its models before the first request does.
    """
    config = config or uvicorn.Config(app, **uvicorn_options())
    most = most_connections()
    services = getattr(getattr(app, "state", None), "services", None)
    hit = _ignore
    if isinstance(services, Services):
        hit = services.metrics.hit
        more["warm"] = partial(_warm, app) if warm else None
    return Server(config, settings, drain=drain_of(app), most_connections=most, hit=hit, **more)


async def _warm(app: Any) -> None:
    """By the app's services of now: it may get others while it runs."""
    await app.state.services.warm()


def _ignore(limit: str) -> None:
    """For an app that is not ours, and counts nothing."""


def _file_limit() -> int:
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 < soft < _NO_LIMIT:
            return soft
    return _NO_LIMIT


def backlog() -> int:
    """Connections that may wait to be accepted. A whole backlog is accepted in one go."""
    return min(BACKLOG, _file_limit() // 4)


def most_connections() -> int:
    """So many that each may have one to the upstream, and a whole backlog still fits.

    Beyond the limit of descriptors uvloop closes new connections without a word, asyncio logs a
    traceback for each that waits, and the upstream cannot be reached for those that are served.
    """
    return max(1, (_file_limit() - backlog() - _OWN_FILES) // 2)


def raise_file_limit() -> None:
    """Every open stream holds two descriptors; the soft limit is often 1,024."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tune_memory() -> None:
    """Fits collector and allocator to our pattern: large requests, gone when they are answered.

    A parsed request is thousands of containers without cycles, and walking them again and again
    took 15 % of a 245 kB request; giving its pages back and faulting them in again took another
    12 % (docs/performance.md). What lives as long as we do is never looked at again.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library than glibc
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 4 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 8 << 20)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


def serve(app: ASGIApp, settings: Settings, sock: socket.socket, read: Read | None = None) -> None:
    """Serves until SIGINT or SIGTERM; running answers get `drain_seconds` to finish.

    On SIGHUP the settings are read again, by `read`.
    """
    raise_file_limit()
    tune_memory()
    reload = reload_for(app, settings, read) if read else None
    server_for(app, settings, warm=True, reload=reload).run(sockets=[sock])


def reload_for(app: ASGIApp, settings: Settings, read: Read) -> Reload | None:
    """What SIGHUP does to an app of ours; None for another one."""
    install = getattr(getattr(app, "state", None), "reload", None)
    return None if install is None else Reload(settings, read, install)


@contextlib.contextmanager
def serving(app: ASGIApp, settings: Settings, sock: socket.socket) -> Iterator[str]:
    """Serves from a thread while the `with` block runs; gives the base URL."""
    server = server_for(app, settings)
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
        server.stop()
        thread.join()
