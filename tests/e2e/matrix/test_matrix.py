"""Every client through every backend: each conversation reaches its end in every cell."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import LiveServer
from tests.e2e.matrix.backends import BACKENDS, KEY
from tests.e2e.matrix.clients import CLIENTS, Client, Ended
from tests.e2e.script import Script
from tests.upstream import Received, Upstream, serving

pytestmark = pytest.mark.slow

Check = Callable[[Ended], bool]

SCENES: dict[str, tuple[Callable[[Client], Ended], Check]] = {
    "text": (lambda client: client.text(), lambda end: end.text == "PONG-7319 ünïcödé ✓"),
    "tools": (
        lambda client: client.tools(),
        lambda end: end.text in ("TOOLS-DONE", "LOOKED-UP") and end.calls >= 2,
    ),
    "parallel tools": (
        lambda client: client.parallel(),
        lambda end: end.text in ("PARALLEL-DONE", "LOOKED-UP-BOTH") and end.calls >= 2,
    ),
    "image": (lambda client: client.image(), lambda end: end.text == "IMAGES-SEEN=1"),
    "error": (lambda client: client.error(), lambda end: end.status == 403),
}


@pytest.fixture(scope="module")
def model() -> Iterator[tuple[Upstream, Script]]:
    script = Script()
    with serving(Upstream()) as upstream:
        upstream.answer(script)
        yield upstream, script


@pytest.fixture(scope="module", params=BACKENDS)
def server(
    request: pytest.FixtureRequest, model: tuple[Upstream, Script], binary: Path
) -> Iterator[LiveServer]:
    with BACKENDS[request.param](model[0], binary) as server:
        yield server


@pytest.fixture(params=CLIENTS)
def client(
    request: pytest.FixtureRequest, server: LiveServer, binary: Path, tmp_path: Path
) -> Iterator[Client]:
    with CLIENTS[request.param](binary, server.url, KEY, tmp_path) as client:
        yield client


@pytest.fixture
def asked(model: tuple[Upstream, Script]) -> Iterator[Upstream]:
    """The upstream, swept; at the end nothing may have reached it that it refuses."""
    upstream, script = model
    upstream.requests.clear()
    script.complaints.clear()
    yield upstream
    assert script.complaints == []


@pytest.mark.parametrize("scene", SCENES)
def test_conversation_reaches_its_end(asked: Upstream, client: Client, scene: str) -> None:
    talk, holds = SCENES[scene]
    ended = talk(client)
    assert holds(ended), ended


def test_leaving_client_frees_the_model(asked: Upstream, client: Client) -> None:
    client.leaving()
    calls: list[Received] = [call for call in asked.posts if b":long" in call.body]
    assert calls
    assert all(call.wait_left(5) for call in calls)
