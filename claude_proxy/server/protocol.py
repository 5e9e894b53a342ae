"""HTTP/1.1 towards the clients: uvicorn's httptools protocol with what it lacks."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from claude_proxy.server.cycle import Cycle


class Protocol(HttpToolsProtocol):
    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            Cycle.of(self.cycle)
