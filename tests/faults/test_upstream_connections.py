"""Upstreams that cannot be reached, are silent, slow, or go away."""

import shutil
import socket
import ssl
import subprocess
import threading
import time

import pytest

from tests.conftest import running, settings_for
from tests.faults.asking import ask
from tests.faults.conftest import SILENCE, ask_together
from tests.faults.raw_upstream import (
    STREAM_HEAD,
    chunked,
    head,
    raw_serving,
    say,
    streamed,
    well,
    whole,
)
from tests.parts import missing
from tests.upstream import Upstream, chunk, completion, ending, framed

HEL = chunk({"content": "Hel"})
ANSWER = [chunk({"content": "fine"}), *ending("stop")]


def elsewhere(base_url, transport):
    environ = {"OPENAI_BASE_URL": f"{base_url}/v1", "CLAUDE_PROXY_TRANSPORT": transport}
    return running(settings_for(Upstream(), **environ))


@pytest.mark.fault("refused")
def test_a_closed_port_is_502(transport):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with elsewhere(f"http://127.0.0.1:{port}", transport) as live:
        for stream in (False, True):
            answer = ask(live.url, stream=stream)
            assert answer.failure == (502, "api_error")
            assert f"Could not connect to http://127.0.0.1:{port}." in answer.told
            assert answer.seconds < 5


@pytest.mark.fault("refused")
def test_a_certificate_that_nobody_signed_is_502(transport, certificate):
    with raw_serving(tls=certificate) as upstream, elsewhere(upstream.url, transport) as live:
        for stream in (False, True):
            answer = ask(live.url, stream=stream)
            assert answer.failure == (502, "api_error")
            assert answer.told.startswith(f"TLS with {upstream.url} failed")
        assert upstream.requests == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        missing("openssl is needed to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [*words, "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def too_late(answers, status=504):
    assert {answer.failure for answer in answers} == {(status, "timeout_error")}
    assert all(SILENCE <= answer.seconds < 2 * SILENCE + 3 for answer in answers)
    return True


@pytest.mark.fault("hang")
@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\ncontent-ty"], ids=["none", "half"])
def test_silence_before_the_headers_is_504(impatient, raw, first):
    def hang(connection, request):
        connection.send(first)
        raw.note_left(connection)

    assert too_late(ask_together(hang, *impatient))
    assert raw.wait_left(4) and len(raw.requests) == 4
    assert all(proxy.serves() for proxy in impatient)


@pytest.mark.pitfall(7)
@pytest.mark.fault("hang")
def test_silence_after_the_first_ping_is_an_error_event(proxies, raw):
    pace = {
        "CLAUDE_PROXY_REQUEST_TIMEOUT": str(SILENCE),
        "CLAUDE_PROXY_HOLD_SECONDS": "0.1",
        "CLAUDE_PROXY_PING_SECONDS": "0.1",
    }
    early = [proxies(CLAUDE_PROXY_TRANSPORT=name, **pace) for name in ("aiohttp", "httpx")]
    answers = ask_together(lambda connection, _: raw.note_left(connection), *early, streams=[True])
    assert too_late(answers, status=200)
    assert all(answer.body.count(b"event: ping\n") >= 2 for answer in answers)
    assert raw.wait_left(2) and len(raw.requests) == 2


@pytest.mark.slow
@pytest.mark.fault("hang")
def test_early_hints_without_end_are_no_answer(impatient, raw):
    def hint(connection, request):
        for _ in range(100):
            connection.send(head("103 Early Hints", link="</a>"))
            time.sleep(0.05)

    assert too_late(ask_together(hint, *impatient))
    assert len(raw.requests) == 4


@pytest.mark.fault("drip")
def test_an_answer_in_drops_works(impatient, raw):
    """It takes longer than the silence that is allowed, in pauses that are shorter."""

    def drip(connection, request):
        if request.stream:
            connection.drip(STREAM_HEAD, seconds=0.001)
            connection.drip(chunked(framed(chunk({"content": "fi"}))))
            rest = [chunked(b": still here\n\n")] * 6
        else:
            raw_body = framed(completion("fine"))[6:-2]
            size = str(len(raw_body))
            connection.drip(head(content_type="application/json", content_length=size))
            step = len(raw_body) // 6
            rest = [raw_body[at : at + step] for at in range(0, len(raw_body), step)]
        for part in rest:
            time.sleep(SILENCE / 4)
            connection.send(part)
        if request.stream:
            connection.drip(streamed([chunk({"content": "ne"}), *ending("stop")]))
        return True

    answers = ask_together(drip, *impatient)
    assert {answer.text for answer in answers} == {"fine"}
    assert all(answer.seconds > SILENCE for answer in answers)
    assert len(raw.requests) == 4


@pytest.mark.fault("stall")
def test_silence_in_the_middle_ends_the_stream_and_the_connection(impatient, raw):
    def stall(connection, request):
        say(connection, HEL)
        raw.note_left(connection)

    answers = ask_together(stall, *impatient, streams=[True])
    ended = time.monotonic()
    assert too_late(answers, status=200)
    assert all(texts(answer) == ["Hel"] for answer in answers)
    assert raw.wait_left(2)
    assert all(at is not None and at < ended + 2 for at in raw.left)
    assert len(raw.requests) == 2 and all(proxy.serves() for proxy in impatient)


def texts(answer):
    deltas = [e["delta"] for e in answer.events if e["type"] == "content_block_delta"]
    return [delta["text"] for delta in deltas]


@pytest.mark.slow
@pytest.mark.fault("stall")
def test_silence_in_a_whole_answer_is_504(impatient, raw):
    def stall(connection, request):
        connection.send(head(content_type="application/json", content_length="99") + b'{"cho')
        raw.note_left(connection)

    assert too_late(ask_together(stall, *impatient, streams=[False]))
    assert raw.wait_left(2) and len(raw.requests) == 2


@pytest.mark.fault("reset")
@pytest.mark.parametrize("items", [[], [HEL]], ids=["before an event", "after an event"])
def test_a_reset_of_a_stream(proxy, items):
    def reset(connection, request):
        say(connection, *items)
        time.sleep(0.1)  # a reset would overtake what is still unread
        connection.reset()

    answer = proxy.ask(reset, stream=True)
    assert answer.failure == (200 if items else 502, "api_error")
    assert proxy.attempts == 1 and proxy.serves()


@pytest.mark.fault("reset")
def test_a_reset_of_a_whole_answer_is_502(proxy):
    def reset(connection, request):
        connection.send(head(content_type="application/json", content_length="99") + b'{"cho')
        time.sleep(0.1)
        connection.reset()

    assert proxy.ask(reset, stream=False).failure == (502, "api_error")
    assert proxy.attempts == 1


def numbered(raw, *acts):
    """Plays the first request by the first act, and so on; the last one for all the rest."""

    def act(connection, request):
        return acts[min(len(raw.requests), len(acts)) - 1](connection, request)

    return act


def close(connection, request):
    connection.sock.close()


def reset(connection, request):
    connection.reset()


def half_a_head(connection, request):
    connection.send(b"HTTP/1.1 200 OK\r\ncontent-ty")


@pytest.mark.fault("stale")
@pytest.mark.parametrize("die", [close, reset])
def test_a_kept_connection_that_dies_at_its_reuse_is_replaced_once(proxy, raw, stream, die):
    assert proxy.ask(numbered(raw, well, die, well), stream=stream).text == "fine"
    accepted = raw.accepted
    assert proxy.again(stream=stream).text == "fine"
    assert (len(raw.requests), raw.accepted) == (3, accepted + 1)


@pytest.mark.fault("stale")
def test_a_second_death_in_a_row_is_502(proxy, raw, stream):
    assert proxy.ask(numbered(raw, well, close), stream=stream).text == "fine"
    assert proxy.again(stream=stream).failure == (502, "api_error")
    assert len(raw.requests) == 3


@pytest.mark.fault("stale")
def test_a_kept_connection_that_was_closed_while_idle_is_replaced(proxy, raw, stream):
    closed = threading.Event()

    def once(connection, request):
        well(connection, request)
        connection.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    raw.play(once)
    for _ in range(3):
        closed.clear()
        assert proxy.again(stream=stream).text == "fine"
        assert closed.wait(5)
        time.sleep(0.05)
    assert len(raw.requests) == 3


@pytest.mark.fault("stale")
def test_half_a_head_on_a_kept_connection_is_502(proxies, raw, stream):
    # Only by aiohttp: httpx does not tell half a head from nothing, and asks once more.
    proxy = proxies(CLAUDE_PROXY_TRANSPORT="aiohttp")
    assert proxy.ask(numbered(raw, well, half_a_head), stream=stream).text == "fine"
    assert proxy.again(stream=stream).failure == (502, "api_error")
    assert len(raw.requests) == 2


@pytest.mark.fault("stale")
@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at once", "later"])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(proxies, raw, pause):
    # Only by aiohttp: httpx takes what it had read beyond an answer for the next one.
    proxy = proxies(CLAUDE_PROXY_TRANSPORT="aiohttp")

    def second(connection, request):
        return whole(connection, completion("second"))

    def twice(connection, request):
        first, poison = completion("first"), completion("poison")
        whole(connection, first)
        time.sleep(pause)
        return whole(connection, poison)

    assert proxy.ask(numbered(raw, twice, second), stream=False).text == "first"
    time.sleep(0.2)
    assert proxy.again(stream=False).text == "second"
