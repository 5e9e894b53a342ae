"""A server whose upstream leads back to it says so, and does not ask itself for ever."""

from collections.abc import Iterator

import httpx
import pytest

from tests.process import GUNICORN, HELLO, Process, free_port, started
from tests.upstream import eventually

pytestmark = pytest.mark.fault("loop")


@pytest.fixture(scope="module")
def own() -> Iterator[Process]:
    """A server that is its own upstream."""
    port = free_port()
    anthropic = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_API_KEY": "key"}
    url = f"http://LocalHost:{port}"
    with started(None, argv=GUNICORN, port=port, ANTHROPIC_FORWARD_URL=url, **anthropic) as process:
        yield process


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/v1/files"])
@pytest.mark.parametrize(("host", "passes"), [("localhost", 1), ("127.0.0.1", 2)])
def test_it_asks_itself_once_at_most(own: Process, path: str, host: str, passes: int) -> None:
    """Only who asks at the very address of the upstream is known to be in a loop."""
    line = f'"path":"{path}"'
    before = own.log().count(line)
    answer = httpx.post(f"http://{host}:{own.port}{path}", json=HELLO, timeout=20)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (508, "false")
    assert answer.json()["error"]["type"] == "api_error"
    assert "leads back to this server" in answer.json()["error"]["message"]
    assert eventually(lambda: own.log().count(line) >= before + passes)
    assert own.log().count(line) == before + passes


def test_an_upstream_at_another_port_of_the_same_host_is_none(server, upstream):
    headers = {"host": upstream.url.removeprefix("http://")}
    assert httpx.post(f"{server().url}/v1/messages", json=HELLO, headers=headers).is_success
