"""Several transports as one: a request goes where the scheme of its URL says."""

from collections.abc import Mapping

from claude_proxy.backends import Backend, WireRequest, WireResponse


class Schemes:
    """See `Backend`. `others` are transports by their schemes; everything else goes to `usual`."""

    def __init__(self, usual: Backend, others: Mapping[str, Backend]) -> None:
        self._usual = usual
        self._others = others

    @property
    def attempts(self) -> int:
        return self._usual.attempts + sum(other.attempts for other in self._others.values())

    @property
    def reconnects(self) -> int:
        return self._usual.reconnects + sum(other.reconnects for other in self._others.values())

    async def send(self, request: WireRequest, /) -> WireResponse:
        scheme = request.url.partition(":")[0]
        return await self._others.get(scheme, self._usual).send(request)

    async def aclose(self) -> None:
        await self._usual.aclose()
        for other in self._others.values():
            await other.aclose()
