"""Proxies in front of a raw upstream, kept for the whole run: a fault must not stop them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import UPSTREAM_KEY, LiveServer, running
from tests.faults.asking import Answer, ask, in_flight
from tests.faults.raw_upstream import Act, RawUpstream, raw_serving, well
from tests.upstream import Upstream, eventually, serving

SILENCE = 0.6
"""Seconds after which the impatient proxies give a silent upstream up."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A live proxy and the raw upstream behind it."""

    live: LiveServer
    upstream: RawUpstream

    def ask(self, act: Act, *, stream: bool, **more: Any) -> Answer:
        """Lets the upstream play `act` for one request; then the proxy must be whole."""
        self.upstream.play(act)
        return self.again(stream=stream, **more)

    def again(self, *, stream: bool, **more: Any) -> Answer:
        """One more request to the same act."""
        answer = ask(self.live.url, stream=stream, **more)
        assert eventually(lambda: in_flight(self.live.url) == 0)
        return answer

    @property
    def attempts(self) -> int:
        """How often the upstream was asked since the act began."""
        return len(self.upstream.requests)

    def serves(self) -> bool:
        """Whether the next request is answered as if nothing had been."""
        return self.ask(well, stream=True).text == self.ask(well, stream=False).text == "fine"


def ask_together(
    act: Act, *proxies: Proxy, streams: Sequence[bool] = (False, True)
) -> list[Answer]:
    """One request to each proxy in each mode, at the same time: for faults that take seconds."""
    proxies[0].upstream.play(act)
    pairs = [(proxy.live.url, stream) for proxy in proxies for stream in streams]
    with ThreadPoolExecutor(len(pairs)) as pool:
        answers = list(pool.map(lambda pair: ask(pair[0], stream=pair[1]), pairs))
    assert eventually(lambda: all(in_flight(proxy.live.url) == 0 for proxy in proxies))
    return answers


@pytest.fixture(scope="session")
def raw() -> Iterator[RawUpstream]:
    with raw_serving() as upstream:
        yield upstream


@pytest.fixture(scope="session")
def proxies(raw: RawUpstream) -> Iterator[Callable[..., Proxy]]:
    """`proxies(CLAUDE_PROXY_TRANSPORT="httpx")`; the same settings get the same proxy."""
    from claude_proxy.settings import load_settings

    known: dict[tuple[tuple[str, str], ...], Proxy] = {}
    with ExitStack() as stack:

        def get(**environ: str) -> Proxy:
            key = tuple(sorted(environ.items()))
            if key not in known:
                base = {
                    "OPENAI_BASE_URL": f"{raw.url}/v1",
                    "OPENAI_API_KEY": UPSTREAM_KEY,
                    "CLAUDE_PROXY_REQUEST_TIMEOUT": "20",
                    # It comes after the answer, when pytest may have closed what it captures in.
                    "CLAUDE_PROXY_ACCESS_LOG": "false",
                }
                settings = load_settings(environ={**base, **environ}, trusted_folder=False)
                known[key] = Proxy(stack.enter_context(running(settings)), raw)
            return known[key]

        yield get


@pytest.fixture(params=["aiohttp", pytest.param("httpx", marks=pytest.mark.slow)])
def transport(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def proxy(proxies: Callable[..., Proxy], transport: str) -> Proxy:
    """A proxy by each of the two transports."""
    return proxies(CLAUDE_PROXY_TRANSPORT=transport)


@pytest.fixture
def impatient(proxies: Callable[..., Proxy]) -> list[Proxy]:
    """A proxy by each transport that waits for `SILENCE` seconds, for use in one test."""
    pace = {"CLAUDE_PROXY_REQUEST_TIMEOUT": str(SILENCE)}
    return [proxies(CLAUDE_PROXY_TRANSPORT=name, **pace) for name in ("aiohttp", "httpx")]


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    """Whether the client asks for a stream."""
    streamed: bool = request.param
    return streamed


@pytest.fixture(scope="module")
def quiet_upstream() -> Iterator[Upstream]:
    """An upstream for the tests of one module, which clear its requests themselves."""
    with serving(Upstream()) as started:
        yield started


@pytest.fixture(scope="module")
def web() -> Iterator[httpx.Client]:
    """A client that no proxy of the environment gets between."""
    with httpx.Client(timeout=30, trust_env=False) as started:
        yield started
