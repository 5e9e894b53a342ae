"""The upstream's own list of models, fetched when somebody asks and kept for a while."""

import asyncio
import hashlib
import time
from collections.abc import Callable

from claude_proxy.backends import Backend, WireRequest
from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.model_limits import entries_of, shown, with_windows
from claude_proxy.server.upstream import Upstream
from claude_proxy.types import Json

_WAIT_SECONDS = 2.0
_FAILURE_SECONDS = 5.0
_MAX_LIST_BYTES = 4 << 20
_MAX_CACHED_KEYS = 64
_MOST_SHOWN = 64
"""Models that are asked for one by one."""


class UpstreamModels:
    """The upstream's list, kept for `seconds`. Mutable; entries are per credential.

    `on_list` is told each list that the upstream gave. `windows_at`, `shown_at`: see `Profile`.
    """

    def __init__(
        self,
        backend: Backend,
        upstream: Upstream,
        *,
        seconds: float,
        on_list: Callable[[list[Json]], None],
        windows_at: str | None = None,
        shown_at: str | None = None,
    ) -> None:
        self._backend = backend
        self._upstream = upstream
        self._seconds = seconds
        self._on_list = on_list
        self._windows_at = windows_at
        self._shown_at = shown_at
        self._shown: dict[str, Json] = {}
        """What single models have been asked for, by their names: once is enough."""
        self._kept: dict[bytes, tuple[float, list[Json]]] = {}
        """Until when a list is good, and the list, by the hash of the credential."""

    async def get(self, key: str) -> list[Json]:
        """The upstream's entries; the last that it gave when it does not answer in time."""
        digest = hashlib.sha256(key.encode()).digest()
        kept = self._kept.get(digest)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                entries = await self._fetch(key)
        except (ClaudeProxyError, TimeoutError, ValueError):
            # Not asked again at once: everybody would wait for a server that is down.
            return self._keep(digest, kept[1] if kept else [], for_seconds=_FAILURE_SECONDS)
        self._on_list(entries)
        return self._keep(digest, entries, for_seconds=self._seconds)

    def _keep(self, digest: bytes, entries: list[Json], *, for_seconds: float) -> list[Json]:
        if len(self._kept) >= _MAX_CACHED_KEYS:
            self._kept.pop(next(iter(self._kept)))
        self._kept[digest] = time.monotonic() + for_seconds, entries
        return entries

    async def _fetch(self, key: str) -> list[Json]:
        entries = entries_of(await read_json(self._backend, self._upstream.models(key=key)))
        entries = await self._with_windows(entries, key)
        return await self._with_shown(entries, key) if self._shown_at else entries

    async def _with_windows(self, entries: list[Json], key: str) -> list[Json]:
        beside = self._windows_at and self._upstream.beside(self._windows_at, key=key)
        if not beside:
            return entries
        try:
            async with asyncio.timeout(_WAIT_SECONDS / 4):
                return with_windows(entries, await read_json(self._backend, beside))
        except (ClaudeProxyError, TimeoutError, ValueError):
            return entries  # Older versions do not have it.

    async def _with_shown(self, entries: list[Json], key: str) -> list[Json]:
        """Asks for one model after the other, as far as the time allows; the next list goes on."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS / 4):
                for entry in entries[:_MOST_SHOWN]:
                    if entry["id"] not in self._shown:
                        self._shown[entry["id"]] = await self._show(entry["id"], key)
        except (ClaudeProxyError, TimeoutError):
            pass
        return [{**self._shown.get(entry["id"], {}), **entry} for entry in entries]

    async def _show(self, model: str, key: str) -> Json:
        question = self._upstream.beside(
            self._shown_at or "", key=key, body=dumps({"model": model})
        )
        try:
            return shown(await read_json(self._backend, question)) if question else {}
        except ValueError:
            return {}


async def read_json(backend: Backend, request: WireRequest) -> object:
    """The answer to a question about models. `ValueError` when it is of no use."""
    response = await backend.send(request)
    try:
        if response.status != 200:
            raise ValueError("the upstream does not tell that")
        parts, size = [], 0
        async for data in response:
            parts.append(data)
            size += len(data)
            if size > _MAX_LIST_BYTES:
                raise ValueError("the answer is too large")
    finally:
        await response.aclose()
    return loads(b"".join(parts))
