"""Our server in front of a provider's fake."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from anthropic import Anthropic

from tests.conftest import LiveServer, running, settings_for
from tests.providers.fake import Fake, Provider
from tests.providers.said import Said
from tests.upstream import Upstream

KEY = "providers-client-key"


@dataclass(frozen=True, slots=True)
class Stage:
    provider: Provider
    upstream: Upstream
    fake: Fake
    server: LiveServer
    client: Anthropic
    """Of the official SDK; it does not retry."""


@dataclass(slots=True)
class House:
    """One upstream that is every provider in turn, and a server for each. Mutable: it grows."""

    upstream: Upstream
    stack: ExitStack
    servers: dict[tuple[str, bool], tuple[LiveServer, Anthropic]] = field(default_factory=dict)

    @contextmanager
    def staged(
        self, provider: Provider, *answers: Said, strangers: int = 0, remembers: bool = False
    ) -> Iterator[Stage]:
        """The provider with these answers, of which somebody else gave the first `strangers`; at
        the end nothing may have been refused.

        Unless the server `remembers` it, reasoning comes back only by what the client sends.
        """
        fake = Fake(provider, answers, strangers)
        self.upstream.requests.clear()
        self.upstream.answer(fake)
        yield Stage(provider, self.upstream, fake, *self._server(provider, remembers))
        assert fake.complaints == []

    def _server(self, provider: Provider, remembers: bool) -> tuple[LiveServer, Anthropic]:
        key = provider.name, remembers
        if key not in self.servers:
            environ = {**provider.environ(self.upstream.url), "CLAUDE_PROXY_AUTH_KEY": KEY}
            if not remembers:
                environ["CLAUDE_PROXY_REASONING_MEMORY_BYTES"] = "0"
            server = self.stack.enter_context(running(settings_for(self.upstream, **environ)))
            client = Anthropic(base_url=server.url, api_key=KEY, max_retries=0, timeout=60)
            self.servers[key] = server, self.stack.enter_context(client)
        return self.servers[key]
