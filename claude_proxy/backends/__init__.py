"""Async transports: bytes in, bytes out. Backends never translate.

The seam is small on purpose: a `WireRequest` goes in, a `WireResponse` comes out, and whoever
opened the response closes it by `aclose()`.
"""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol


class StandingHeaders(dict[str, str]):
    """Headers of many requests, the same object, which nobody changes. A transport keeps with them
    what it has made of them."""

    __slots__ = ("written",)

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__(headers)
        self.written: dict[str, str] = {}
        """The lines on the wire, by the URL that they go to."""


class WireRequest(NamedTuple):
    """One HTTP request to an upstream; `headers` lack only what the transport itself must set."""

    url: str
    body: bytes = b""
    method: str = "POST"
    headers: Mapping[str, str] = MappingProxyType({})
    parts: AsyncIterable[bytes] | None = None
    """A body that is not there yet, in place of `body`: it can be sent only once, and so goes out
    on a connection of its own. Without a `content-length` it is chunked."""
    client: str = ""
    """Whose request it is, for backends that remember conversations; never sent. It is equal for
    requests of one client, and tells nothing of its key."""


class WireResponse(Protocol):
    """An answer whose headers have arrived. An object, not a generator: it owns a connection."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Looked up without regard to case."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Body bytes as they arrive; raises `UpstreamError` when they break off."""

    async def aclose(self) -> None:
        """Frees the connection, for reuse if the body was read to its end. Safe to call twice."""


class Backend(Protocol):
    @property
    def attempts(self) -> int:
        """Requests that were sent so far."""

    @property
    def reconnects(self) -> int:
        """Those of them that repeated one whose connection had died."""

    async def send(self, request: WireRequest, /) -> WireResponse:
        """The upstream's answer as soon as its headers are there.

        Raises `UpstreamError`: 502 when the upstream cannot be reached, 504 when connecting
        takes too long. How long an answer may take is the caller's business.
        """

    async def aclose(self) -> None: ...
