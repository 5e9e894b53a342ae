"""How an app learns that its server is about to end, and how its answers end with it.

The server (`runner.Server`) turns the two switches; requests only look at them. Under a server
that knows nothing of this, both stay off.
"""

from typing import TYPE_CHECKING

from claude_proxy.errors import ClaudeProxyError

if TYPE_CHECKING:
    from claude_proxy.server.watch import Watch


class Drain:
    """Mutable; one for each app, at `app.state.drain`."""

    def __init__(self) -> None:
        self.draining = False
        """Not ready any more: load balancers shall look elsewhere, requests are still served."""
        self.closed = False
        """No new work is begun."""
        self.running: set[Watch] = set()
        """The requests that wait for their upstream, whose wait can be ended."""

    def check(self) -> None:
        """Raises 503 when no new work is begun."""
        if self.closed:
            raise stopping("This server is stopping and takes no new requests. Try again.")

    def end(self) -> int:
        """Ends every running answer with an error; gives their number."""
        running = list(self.running)
        for watch in running:
            watch.interrupt(stopping("This server stopped before the answer was complete."))
        return len(running)


def stopping(message: str, *, limit: str | None = None) -> ClaudeProxyError:
    """503: another server, or this one after its restart, will serve the client's next try."""
    return ClaudeProxyError(message, status=503, headers={"retry-after": "1"}, limit=limit)


def drain_of(app: object) -> Drain:
    """The app's own switches; new ones, which nobody looks at, for an app that is not ours."""
    found = getattr(getattr(app, "state", None), "drain", None)
    return found if isinstance(found, Drain) else Drain()
