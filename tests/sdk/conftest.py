"""The official client in front of our server, with a scripted upstream behind it.

One server serves the whole session: it must not carry anything from one test to the next.
"""

from collections.abc import Iterator

import pytest
from anthropic import Anthropic

from tests.conftest import LiveServer, running, settings_for
from tests.upstream import Reply, Upstream, completion, serving

KEY = "sdk-client-key"
MODEL = "claude-sonnet-5-5"
VARIABLES = {
    "CLAUDE_PROXY_AUTH_KEY": KEY,
    "CLAUDE_PROXY_BIG_MODEL": "scripted-large",
    "CLAUDE_PROXY_SMALL_MODEL": "scripted-small",
}


@pytest.fixture(scope="session")
def parts() -> Iterator[tuple[LiveServer, Upstream]]:
    with serving(Upstream()) as upstream:
        with running(settings_for(upstream, **VARIABLES)) as server:
            yield server, upstream


@pytest.fixture
def live(parts: tuple[LiveServer, Upstream]) -> LiveServer:
    return parts[0]


@pytest.fixture
def upstream(parts: tuple[LiveServer, Upstream]) -> Upstream:
    """The upstream of the session, as if it were new."""
    upstream = parts[1]
    upstream.requests.clear()
    upstream.play(Reply(completion("ok")))
    return upstream


@pytest.fixture
def client(live: LiveServer, upstream: Upstream) -> Iterator[Anthropic]:
    """A client that does not retry; `client.with_options(max_retries=2)` does."""
    with Anthropic(base_url=live.url, api_key=KEY, max_retries=0) as client:
        yield client
