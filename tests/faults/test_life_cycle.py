"""The server's end and its crashes, with the command and with gunicorn, as real processes."""

import logging
import os
import signal
import time

import httpx
import pytest

from tests.conftest import running, settings_for
from tests.process import (
    COMMAND,
    GUNICORN,
    body_of,
    connect,
    free_port,
    group_of,
    healthy,
    post,
    read_until,
    request,
    started,
)
from tests.upstream import Reply, eventually, text_stream

SLOW = pytest.mark.slow
DONE = b'"type":"message_stop"}\n\n\r\n0\r\n\r\n'
SERVERS = pytest.mark.parametrize(
    "argv",
    [pytest.param(COMMAND, id="command"), pytest.param(GUNICORN, id="gunicorn", marks=SLOW)],
)
TERM, INT, KILL = signal.SIGTERM, signal.SIGINT, signal.SIGKILL
log = logging.getLogger(__name__)
LIVEZ = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"


def stream_of(seconds, pieces=10):
    """An answer that takes this long."""
    role, *rest = text_stream(*(f"word{n} " for n in range(pieces)))
    first, *others = rest
    return Reply(stream=[role, first, *(x for item in others for x in (seconds / 12, item))])


def drained(exited, drain):
    """Within the ceiling and two seconds; the machine may be busy with other tests."""
    assert exited < 2 * (drain + 2)


@pytest.mark.slow
@pytest.mark.fault("drain")
@SERVERS
def test_200_streams_finish_after_sigterm(upstream, argv):
    upstream.play(stream_of(6))
    with started(upstream, argv=argv, CLAUDE_PROXY_DRAIN_SECONDS="20") as process:
        clients = [post(process.port) for _ in range(200)]
        assert upstream.wait_posts(200, 20)
        told = time.monotonic()
        process.signal(TERM)
        ends = [read_until(client)[-len(DONE) :] for client in clients]
        assert ends.count(DONE) == 200
        process.wait()
        drained(time.monotonic() - told, 6)
        log.info("gone %.1f s after SIGTERM", time.monotonic() - told)
        assert process.group() == []
        assert "Traceback" not in process.log()


@pytest.mark.fault("drain")
def test_sigterm_first_takes_readiness_then_the_socket(upstream):
    """Each step as a load balancer and clients with kept connections see it."""
    upstream.play(stream_of(3))
    with started(upstream) as process:
        kept, idle = connect(process.port), connect(process.port)
        for client in (kept, idle):
            client.sendall(LIVEZ)
            assert b'"draining":false' in read_until(client, b"timestamp")
        streaming = post(process.port)
        assert upstream.wait_posts(1)
        assert process.health()["in_flight"] == 1
        process.signal(TERM)
        assert eventually(lambda: httpx.get(f"{process.url}/health").status_code == 503, 1.5)
        state = process.health()
        assert (state["status"], state["draining"], state["in_flight"]) == ("draining", True, 1)
        answer = httpx.get(f"{process.url}/livez")
        assert answer.status_code == 200 and answer.json()["draining"] is True
        served = post(process.port)
        assert upstream.wait_posts(2)  # still served, on a connection that ends with it
        assert eventually(lambda: refused(process.port), 5)
        kept.sendall(request(True))
        assert_overloaded(read_until(kept))
        for client in (streaming, served):
            assert read_until(client).endswith(DONE)
        assert process.wait() == 0
        assert read_until(idle) == b""


def refused(port):
    try:
        connect(port).close()
    except ConnectionError:
        return True
    return False


def assert_overloaded(answer):
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 503 ")
    assert b"\r\nretry-after: 1" in head
    assert b"\r\nconnection: close" in head
    assert body_of(answer)["error"]["type"] == "overloaded_error"


@pytest.mark.slow
@pytest.mark.fault("drain")
def test_probes_are_answered_on_kept_connections_to_the_end(upstream):
    upstream.play(stream_of(1))
    with started(upstream) as process:
        kept = {"/livez": connect(process.port), "/health": connect(process.port)}
        for client in kept.values():
            client.sendall(LIVEZ)
            read_until(client, b"timestamp")
        streaming = post(process.port)
        assert upstream.wait_posts(1)
        process.signal(INT)
        assert eventually(lambda: refused(process.port), 5)
        for path, client in kept.items():
            client.sendall(LIVEZ.replace(b"/livez", path.encode()))
            answer = read_until(client)
            assert answer.startswith(b"HTTP/1.1 200" if path == "/livez" else b"HTTP/1.1 503")
            assert body_of(answer)["draining"] is True
        assert read_until(streaming).endswith(DONE)


@pytest.mark.fault("drain-ceiling")
@SERVERS
def test_at_the_ceiling_answers_end_with_an_error(upstream, argv):
    upstream.play(Reply(stream=[*text_stream("a")[:2], 60]), Reply(delay=60))
    with started(upstream, argv=argv, CLAUDE_PROXY_DRAIN_SECONDS="1") as process:
        streamed = post(process.port)
        assert b"text_delta" in read_until(streamed, b"text_delta")
        whole = post(process.port, stream=False)
        assert upstream.wait_posts(2)
        unfinished = connect(process.port)
        unfinished.sendall(request(True)[:-1])
        told = time.monotonic()
        process.signal(TERM)
        rest = read_until(streamed)
        assert rest.count(b"event: error") == 1 and b"message_stop" not in rest
        assert b"overloaded_error" in rest and rest.endswith(b"\r\n0\r\n\r\n")
        assert_overloaded(read_until(whole))
        assert_overloaded(read_until(unfinished))
        assert process.wait() == (0 if argv is GUNICORN else -TERM)
        drained(time.monotonic() - told, 1)
        log.info("gone %.1f s after SIGTERM", time.monotonic() - told)
        assert process.group() == []
        assert all(post.wait_left(2) for post in upstream.posts)
        assert "Traceback" not in process.log()


@pytest.mark.slow
@pytest.mark.fault("drain-ceiling")
def test_a_client_that_does_not_read_cannot_hold_the_server_up(upstream):
    block = text_stream("x" * 1_000_000)[1]
    upstream.play(Reply(stream=[block] * 40, end="hang"))
    with started(upstream, CLAUDE_PROXY_DRAIN_SECONDS="1") as process:
        clients = [post(process.port) for _ in range(3)]
        assert upstream.wait_posts(3)
        time.sleep(0.5)
        told = time.monotonic()
        process.signal(TERM)
        process.wait()
        drained(time.monotonic() - told, 1)
        assert len(clients) == 3  # held until here


@pytest.mark.fault("drain-ceiling")
def test_a_second_ctrl_c_ends_at_once(upstream):
    upstream.play(Reply(stream=[*text_stream("a")[:2], 60]))
    with started(upstream) as process:
        client = post(process.port)
        read_until(client, b"text_delta")
        told = time.monotonic()
        process.signal(INT)
        assert eventually(lambda: refused(process.port), 1.5)  # without the two seconds
        assert process.popen.poll() is None
        process.signal(INT)
        assert b"event: error" in read_until(client)
        assert process.wait() == 130
        assert time.monotonic() - told < 5


@pytest.mark.fault("drain")
def test_sigterm_without_work_ends_with_status_0(upstream):
    with started(upstream, CLAUDE_PROXY_DRAIN_SECONDS="1") as process:
        process.signal(TERM)
        assert process.wait() == 0
        assert "Traceback" not in process.log()


@pytest.mark.fault("drain")
def test_ctrl_c_after_sigterm_is_ctrl_c(upstream):
    upstream.play(stream_of(2))
    with started(upstream) as process:
        client = post(process.port)
        assert upstream.wait_posts(1)
        process.signal(TERM)
        assert eventually(lambda: httpx.get(f"{process.url}/health").status_code == 503, 1.5)
        process.signal(INT)
        read_until(client)
        assert process.wait() == 130


@pytest.mark.slow
@pytest.mark.fault("drain")
def test_ctrl_c_without_work_ends_at_once(upstream):
    with started(upstream) as process:
        kept = connect(process.port)
        kept.sendall(LIVEZ)
        read_until(kept, b"timestamp")
        told = time.monotonic()
        process.signal(INT)
        assert process.wait() == 130
        assert time.monotonic() - told < 4


@pytest.mark.fault("drain")
def test_a_server_in_a_thread_ends_its_answers_too(upstream):
    upstream.play(Reply(stream=[*text_stream("a")[:2], 60]))
    with running(settings_for(upstream, CLAUDE_PROXY_DRAIN_SECONDS="0.2")) as live:
        client = post(live.port)
        read_until(client, b"text_delta")
    assert b"event: error" in read_until(client)


@pytest.mark.slow
@pytest.mark.fault("drain")
def test_ctrl_c_under_gunicorn_lets_streams_finish(upstream):
    """The terminal sends SIGINT to the whole group, and gunicorn passes it on as SIGQUIT."""
    upstream.play(stream_of(2))
    with started(upstream, "--workers", "2", argv=GUNICORN) as process:
        clients = [post(process.port) for _ in range(8)]
        assert upstream.wait_posts(8)
        os.killpg(process.pid, INT)
        assert all(read_until(client).endswith(DONE) for client in clients)
        process.wait()
        assert process.group() == []


@pytest.mark.slow
@pytest.mark.fault("drain-ceiling")
def test_a_second_ctrl_c_ends_gunicorn_too(upstream):
    upstream.play(Reply(stream=[*text_stream("a")[:2], 60]))
    with started(upstream, "--workers", "2", argv=GUNICORN) as process:
        client = post(process.port)
        read_until(client, b"text_delta")
        for _ in range(2):
            os.killpg(process.pid, INT)
            time.sleep(1)
        assert b"event: error" in read_until(client)
        process.wait()
        assert process.group() == []


@pytest.mark.slow
@pytest.mark.fault("drain-ceiling")
@pytest.mark.parametrize("hurry", [INT, signal.SIGQUIT])
def test_gunicorns_quick_end_after_sigterm_says_so(upstream, hurry):
    """Two seconds after it, gunicorn kills the workers."""
    upstream.play(Reply(stream=[*text_stream("a")[:2], 60]))
    with started(upstream, "--workers", "2", argv=GUNICORN) as process:
        client = post(process.port)
        read_until(client, b"text_delta")
        process.signal(TERM)
        assert eventually(lambda: refused(process.port), 10)
        process.signal(hurry)
        assert b"event: error" in read_until(client)
        process.wait()
        assert process.group() == []


@pytest.mark.slow
@pytest.mark.fault("drain")
def test_a_worker_that_restarts_cuts_no_stream(upstream):
    """Neither the ceiling nor gunicorn's timeout ends a worker that only finishes its answers."""
    upstream.play(stream_of(7))
    words = ("--workers", "2", "--max-requests", "4", "--timeout", "2")
    with started(upstream, *words, argv=GUNICORN, CLAUDE_PROXY_DRAIN_SECONDS="1") as process:
        before = set(process.group())
        clients = [post(process.port) for _ in range(4)]
        assert upstream.wait_posts(4)
        for _ in range(12):
            # Both workers may be finishing at once; then the next one answers.
            httpx.get(f"{process.url}/livez", timeout=30)
        for client in clients:
            assert read_until(client).endswith(DONE)
        assert eventually(lambda: len(set(process.group()) - before) >= 1, 20)
        assert eventually(lambda: healthy(process.url), 20)
        assert "TIMEOUT" not in process.log()


@pytest.mark.slow
@pytest.mark.fault("crash")
def test_a_killed_worker_is_replaced_while_others_serve(upstream):
    with started(upstream, "--workers", "2", CLAUDE_PROXY_LOG_LEVEL="INFO") as process:
        # The first may serve before the second one starts.
        assert eventually(lambda: len(process.group()) == 3)
        workers = set(process.group()) - {process.pid}
        os.kill(min(workers), KILL)
        statuses = [httpx.get(f"{process.url}/livez").status_code for _ in range(50)]
        assert set(statuses) == {200}
        assert eventually(lambda: len(set(process.group()) - workers) == 2, 20)
        assert max(workers) in process.group()
        assert healthy(process.url)


@pytest.mark.slow
@pytest.mark.fault("kill")
def test_workers_leave_when_gunicorn_is_killed(upstream):
    """Else they keep the port from the next start."""
    port = free_port()
    with started(upstream, "--workers", "2", argv=GUNICORN, port=port) as process:
        process.signal(KILL)
        process.wait()
        assert eventually(lambda: process.group() == [], 20)
    with started(upstream, "--workers", "2", argv=GUNICORN, port=port) as again:
        assert healthy(again.url)


@pytest.mark.fault("kill")
def test_a_killed_server_starts_again_on_its_port(upstream):
    upstream.play(Reply(stream=[*text_stream("a")[:2], 60]))
    port = free_port()
    with started(upstream, port=port) as process:
        clients = [post(port) for _ in range(5)]
        assert upstream.wait_posts(5)
        process.signal(KILL)
        process.wait()
        assert group_of(process.pid) is None
        begun = time.monotonic()
        with started(upstream, port=port) as again:
            assert time.monotonic() - begun < 2 * 5
            assert again.health()["in_flight"] == 0
        assert len(clients) == 5
