"""The window with which a server has loaded a model, asked after an answer, and rarely again.

Ollama loads a model when it is first asked for, with a window that nobody knows before: its own
setting, the model's, or what the memory allows (docs.ollama.com/context-length, 2026-11).
"""

import asyncio
import time
from collections.abc import Callable, Mapping

from claude_proxy.backends import Backend
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.model_limits import entries_of, limits_of
from claude_proxy.routing import Route
from claude_proxy.server.context import Context
from claude_proxy.server.model_list import read_json
from claude_proxy.server.upstream import Upstream

_WAIT_SECONDS = 2.0
_AGAIN_SECONDS = 600.0
"""By then a server may have been started anew, with another window."""
_MOST_MODELS = 1_000


class LoadedWindows:
    """Mutable: knows whom it has asked. `learn` is told upstream, model and window."""

    def __init__(
        self,
        backend: Backend,
        upstreams: Mapping[str, Upstream],
        learn: Callable[[str, str, int], None],
    ) -> None:
        self._backend = backend
        self._upstreams = upstreams
        self._learn = learn
        self._asked: dict[tuple[str, str], float] = {}
        """When each model is worth asking for again, by the monotonic clock."""
        self._tasks: set[asyncio.Task[None]] = set()

    def answered(self, context: Context, route: Route) -> None:
        """After an answer of the route's model. Does not wait."""
        path, model = route.profile.loaded_at, (route.upstream, route.model)
        if path is None or time.monotonic() < self._asked.get(model, 0.0):
            return
        if len(self._asked) >= _MOST_MODELS:
            self._asked.clear()
        self._asked[model] = time.monotonic() + _AGAIN_SECONDS
        key = self._upstreams[route.upstream].key(context.keys(), oauth=context.oauth())
        task = asyncio.create_task(self._ask(path, route, key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, path: str, route: Route, key: str) -> None:
        request = self._upstreams[route.upstream].beside(path, key=key)
        if request is None:
            return
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                entries = entries_of(await read_json(self._backend, request))
        except (ClaudeProxyError, TimeoutError, ValueError):
            return  # Older versions do not tell it.
        wanted = (route.model, f"{route.model}:latest")
        for entry in entries:
            window = limits_of(entry).window
            if entry["id"] in wanted and window is not None:
                self._learn(route.upstream, route.model, window)

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
