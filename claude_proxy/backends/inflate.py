"""Answers that are compressed although `identity` was asked for: inflated in bounded steps.

The HTTP clients can do that too, but some of them inflate whatever has arrived at once, and a
kilobyte can become a megabyte. Here an answer costs what its reader takes of it.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator

from claude_proxy.backends import WireResponse
from claude_proxy.errors import UpstreamError

STEP = 1 << 18
"""Most bytes that one read gives."""

_GZIP = frozenset({"gzip", "x-gzip"})
_MAGIC = b"\x1f\x8b"


def readable(response: WireResponse) -> WireResponse:
    """The same answer with its body inflated; a plain one as it is."""
    encoding = response.headers.get("content-encoding")
    if encoding is None:
        return response
    encoding = encoding.strip().lower()
    return response if encoding in {"", "identity"} else _Inflated(response, encoding)


class _Inflated:
    """Mutable. A body in an encoding that we do not know raises `UpstreamError` when it is read:
    the status of such an answer still counts."""

    def __init__(self, response: WireResponse, encoding: str) -> None:
        self._response = response
        self._encoding = encoding
        self._source: AsyncIterator[bytes] | None = None
        self._inflater: zlib._Decompress | None = None
        self._rest = b""
        """Compressed bytes that wait for the next step."""
        self._one_ended = False
        """Whether one compressed file has ended."""
        self._more = False
        """Whether the last step stopped at its limit, so that there may be more output."""
        self.status = response.status
        self.headers = response.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            while self._rest or self._more:
                waiting = len(self._rest)
                data = self._step()
                if data:
                    # Nothing else here waits, and megabytes take a while.
                    await asyncio.sleep(0)
                    return data
                if len(self._rest) == waiting:
                    break  # Half of a file's first bytes.
            self._rest += await self._read()

    async def _read(self) -> bytes:
        if self._source is None:
            self._source = aiter(self._response)
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            if self._inflater is not None:
                raise UpstreamError("The upstream broke off its answer.") from None
            raise

    def _step(self) -> bytes:
        if self._inflater is None:
            return self._step_between()
        try:
            data = self._inflater.decompress(self._rest, STEP)
        except zlib.error as error:
            raise UpstreamError(
                f"The upstream's answer is not the {self._encoding} that it claims to be."
            ) from error
        self._rest = self._inflater.unconsumed_tail
        self._more = len(data) == STEP
        if self._inflater.eof:
            self._rest, self._more = self._inflater.unused_data, False
            self._inflater, self._one_ended = None, True
        return data

    def _step_between(self) -> bytes:
        """Before the first byte, or after an end: gzip files may follow each other."""
        again = self._encoding in _GZIP and _MAGIC.startswith(self._rest[:2])
        if self._one_ended and not again:
            self._rest = b""  # Dirt, which is nobody's.
        elif not self._one_ended or len(self._rest) >= len(_MAGIC):
            self._inflater = self._begin(self._rest)
            return self._step()
        return b""

    def _begin(self, first: bytes) -> "zlib._Decompress":
        if self._encoding in _GZIP:
            return zlib.decompressobj(zlib.MAX_WBITS | 16)
        if self._encoding == "deflate":
            # It means zlib's format, and many servers send the bare one (RFC 9110, 8.4.1.2).
            return zlib.decompressobj(zlib.MAX_WBITS if first[0] & 15 == 8 else -zlib.MAX_WBITS)
        raise UpstreamError(
            "The upstream compressed its answer in a way that it was not asked for."
        )

    async def aclose(self) -> None:
        await self._response.aclose()
