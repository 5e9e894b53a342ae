"""Each step on the way to the upstream, and the names of what goes wrong there."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate

import pytest

from claude_proxy.backends import WireRequest
from claude_proxy.doctor import address
from claude_proxy.doctor.address import Place, reach
from claude_proxy.doctor.exchange import Exchange
from claude_proxy.doctor.findings import Finding
from claude_proxy.errors import UpstreamError
from tests.upstream import Reply, Upstream

PLACE = Place("https", "llm.example", 443)


def steps(base_url: str, patience: float = 5) -> list[Finding]:
    async def run() -> list[Finding]:
        return [finding async for finding in reach(base_url, patience)]

    return asyncio.run(run())


@contextmanager
def listening() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def test_places() -> None:
    assert Place.of("https://a.example/v1") == ("https", "a.example", 443)
    assert Place.of("http://a.example/v1").port == 80
    assert Place.of("http://[::1]:8000") == ("http", "::1", 8000)


def test_all_is_well(upstream: Upstream) -> None:
    found = steps(f"{upstream.url}/v1")
    assert [(each.name, each.verdict.state) for each in found] == [
        ("name", "ok"),
        ("connection", "ok"),
    ]


def test_nothing_listens() -> None:
    with listening() as port:
        pass
    last = steps(f"http://127.0.0.1:{port}/v1")[-1].verdict
    assert (last.state, last.says) == ("failed", f"nothing listens on 127.0.0.1:{port}.")


def test_a_plain_server_speaks_no_tls(upstream: Upstream) -> None:
    last = steps(upstream.url.replace("http:", "https:"))[-1]
    assert last.name == "TLS"
    assert "does not speak TLS" in last.verdict.says
    assert "http://" in last.verdict.remedy


def test_silence_is_named() -> None:
    with listening() as port:
        last = steps(f"https://127.0.0.1:{port}/v1", patience=0.2)[-1].verdict
    assert last.says == f"127.0.0.1:{port} did not answer within 0.2 seconds."


def test_a_name_that_cannot_be_one() -> None:
    found = steps(f"http://{'a' * 70}.example/v1")
    assert [each.verdict.state for each in found] == ["failed"]
    assert "cannot be resolved" in found[0].verdict.says


FAILURES = [
    (socket.gaierror(-2, "Name or service not known"), "the host name llm.example cannot"),
    (ssl.SSLCertVerificationError(1, "x"), "the certificate of llm.example:443 is refused"),
    (OSError(113, "No route to host"), "llm.example:443 cannot be reached: No route to host."),
    (OSError("odd"), "llm.example:443 cannot be reached: OSError."),
]


@pytest.mark.parametrize(("error", "says"), FAILURES)
def test_failures_are_named(error: OSError, says: str) -> None:
    verdict = address._failure(PLACE, error, 1)
    assert verdict.state == "failed"
    assert verdict.says.startswith(says)
    assert verdict.remedy


def test_a_web_proxy_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    [found] = steps("https://llm.example/v1")
    assert found.verdict.says.startswith("reached through http://proxy.example:3128;")
    assert "secret" not in found.verdict.says


class Lists:
    """A `Talk` that has asked for models."""

    def __init__(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.exchange = Exchange(WireRequest("http://x"), status, headers)
        self.exchange.reads.append((0.0, body))

    async def models(self) -> Exchange:
        return self.exchange


class Broken:
    async def models(self) -> Exchange:
        raise UpstreamError("No whole answer.")


ONE = b'{"data": [{"id": "gpt-4o", "context_length": 128000}, {"id": 5}, 7]}'
LISTS = [
    (Lists(ONE), "models", "ok", "1 are listed, yours among them."),
    (Lists(ONE), "limits", "ok", "gpt-4o: window 128,000."),
    (Lists(b"{}", 404), "models", "unknown", "there is no list of models (status 404)"),
    (Lists(b"<html>"), "models", "unknown", "there is no list"),
    (Lists(b'{"data": 5}'), "models", "unknown", "there is no list"),
    (Lists(b"{}", 401), "models", "failed", "the upstream refuses the key (401)"),
    (Lists(ONE.replace(b"4o", b"4o1")), "models", "degraded", "there are gpt-4o1"),
    (Lists(b'{"data": []}'), "models", "degraded", "not among the 0 that are listed"),
    (Lists(ONE, date=formatdate(1000)), "clock", "ok", "agrees"),
    (Lists(ONE, date=formatdate(5000)), "clock", "degraded", "4000 seconds behind"),
    (Lists(ONE, date=formatdate(0)), "clock", "degraded", "1000 seconds ahead of"),
    (Broken(), "models", "failed", "No whole answer."),
]


@pytest.mark.parametrize(("talk", "name", "state", "says"), LISTS)
def test_the_list_of_models(talk: Lists, name: str, state: str, says: str) -> None:
    found = asyncio.run(address.listed(talk, ["gpt-4o"], 1000.0))  # type: ignore[arg-type]
    verdict = next(each.verdict for each in found.findings if each.name == name)
    assert verdict.state == state
    assert says in verdict.says


def test_no_date_is_no_clock() -> None:
    found = asyncio.run(address.listed(Lists(ONE, date="?"), ["gpt-4o"], 0.0))  # type: ignore[arg-type]
    assert "clock" not in [each.name for each in found.findings]


def test_a_server_that_is_no_api(upstream: Upstream) -> None:
    upstream.answer(lambda _: Reply(b"", status=204))
    assert steps(upstream.url)[-1].verdict.state == "ok"
