"""Limits: too many at a time, too often, too long. Refused early, in shape, and counted."""

import json
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from claude_proxy import create_app
from claude_proxy.server import limits
from claude_proxy.server.context import KEY, Context
from claude_proxy.settings import SettingsError
from tests.conftest import settings_for
from tests.parts import missing
from tests.upstream import Reply, chunk, completion, eventually, refusal, text_stream

HELLO = {
    "model": "claude-haiku-5-5",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
# One for all: a client of its own for each request costs more than most tests.
CLIENT = httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0))
ANTHROPIC = {"anthropic-version": "2023-06-01"}
HANGING = Reply(stream=[chunk({"content": "a"}), 30])


def ask(url, key="", stream=False, **headers):
    known = {**ANTHROPIC, **({"x-api-key": key} if key else {})}
    body = {**HELLO, "stream": stream}
    return CLIENT.post(f"{url}/v1/messages", json=body, headers={**known, **headers}, timeout=20)


def assert_refused(reply):
    """429 in Anthropic's shape, with whole seconds to wait; gives the seconds."""
    assert reply.status_code == 429, reply.text
    assert reply.headers["content-type"] == "application/json"
    body = reply.json()
    assert body["type"] == "error" and body["error"]["type"] == "rate_limit_error"
    assert body["request_id"] == reply.headers["request-id"]
    wait = reply.headers["retry-after"]
    assert wait.isdigit() and int(wait) >= 1
    return int(wait)


def ask_without_a_body(port, key="k"):
    """The answer to a request whose body never comes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        head = (
            "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"x-api-key: {key}\r\ncontent-length: 5000000\r\n\r\n"
        )
        client.sendall(head.encode())
        return client.recv(65536)


def counted(url, name):
    """A metric's samples by the values of their labels."""
    lines = [x for x in CLIENT.get(f"{url}/metrics").text.splitlines() if x.startswith(name)]
    return {line.rpartition(" ")[0].removeprefix(name): float(line.split()[-1]) for line in lines}


def in_flight(live):
    return CLIENT.get(f"{live.url}/livez").json()["in_flight"]


@contextmanager
def hanging(live, upstream, number=1):
    """So many open streams; they end with the block."""
    upstream.play(HANGING)
    clients = []
    raw = json.dumps({**HELLO, "stream": True})
    head = "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    try:
        for _ in range(number):
            clients.append(socket.create_connection(("127.0.0.1", live.port)))
            clients[-1].sendall(f"{head}content-length: {len(raw)}\r\n\r\n{raw}".encode())
        assert upstream.wait_posts(number)
        yield
    finally:
        for client in clients:
            client.close()


@pytest.mark.fault("crowd")
class TestConcurrency:
    @pytest.mark.parametrize("stream", [True, False])
    def test_one_too_many_is_refused_at_once(self, server, upstream, stream):
        live = server(CLAUDE_PROXY_MAX_CONCURRENT="2")
        with hanging(live, upstream, 2):
            reply = ask(live.url, stream=stream)
            assert assert_refused(reply) == 1
            assert "CLAUDE_PROXY_MAX_CONCURRENT" in reply.json()["error"]["message"]
            assert len(upstream.posts) == 2
            assert counted(live.url, "claude_proxy_limit_hits_total")['{limit="concurrency"}'] == 1
        assert eventually(lambda: in_flight(live) == 0)
        upstream.play(Reply(completion("ok")))
        assert ask(live.url).is_success

    def test_it_is_refused_before_its_body_is_read(self, server, upstream):
        live = server(CLAUDE_PROXY_MAX_CONCURRENT="1")
        with hanging(live, upstream):
            assert ask_without_a_body(live.port).startswith(b"HTTP/1.1 429 ")

    def test_counts_and_connection_tests_take_a_place_too(self, server, upstream):
        live = server(CLAUDE_PROXY_MAX_CONCURRENT="1")
        with hanging(live, upstream):
            assert_refused(CLIENT.post(f"{live.url}/v1/messages/count_tokens", json=HELLO))
            reply = CLIENT.get(f"{live.url}/test-connection")
            assert reply.status_code == 429 and reply.headers["retry-after"] == "1"
            assert CLIENT.get(f"{live.url}/health").is_success
            assert CLIENT.get(f"{live.url}/v1/models").is_success

    ENDS = {
        "a whole answer": (Reply(completion("ok")), {}, 200),
        "a stream": (Reply(stream=text_stream("a")), {"stream": True}, 200),
        "an error of the upstream": (refusal(500, "no"), {}, 502),
        "a refusal of the upstream": (refusal(400, "no"), {"stream": True}, 400),
        "an error in the stream": (
            Reply(stream=[chunk({"content": "a"}), {"error": {"message": "no"}}]),
            {"stream": True},
            200,
        ),
        "a cut stream": (
            Reply(stream=[chunk({"content": "a"})], end="cut"),
            {"stream": True},
            200,
        ),
        "a cut answer": (Reply(completion("ok"), end="cut"), {}, 502),
        "a request that is wrong": (Reply(completion("ok")), {"messages": 3}, 400),
    }

    @pytest.mark.parametrize("end", ENDS)
    def test_the_place_is_free_again_after(self, server, upstream, end):
        reply, fields, status = self.ENDS[end]
        live = server(CLAUDE_PROXY_MAX_CONCURRENT="1")
        for _ in range(3):
            upstream.play(reply)
            answer = CLIENT.post(f"{live.url}/v1/messages", json={**HELLO, **fields})
            assert answer.status_code == status
            assert eventually(lambda: in_flight(live) == 0)

    @pytest.mark.parametrize("stream", [True, False])
    def test_the_place_is_free_again_after_the_client_left(self, server, upstream, stream):
        live = server(CLAUDE_PROXY_MAX_CONCURRENT="1")
        upstream.play(Reply(delay=30))
        with suppress(httpx.ReadTimeout):
            body = {**HELLO, "stream": stream}
            CLIENT.post(f"{live.url}/v1/messages", json=body, timeout=0.3)
        assert eventually(lambda: in_flight(live) == 0)
        upstream.play(Reply(completion("ok")))
        assert ask(live.url).is_success

    def test_the_place_is_free_again_after_a_body_that_broke_off(self, server):
        live = server(CLAUDE_PROXY_MAX_CONCURRENT="1")
        client = socket.create_connection(("127.0.0.1", live.port))
        client.sendall(
            b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        assert eventually(lambda: in_flight(live) == 1)
        client.close()
        assert eventually(lambda: in_flight(live) == 0)


@pytest.mark.fault("many-messages")
def test_more_than_ten_thousand_messages_are_refused(server, upstream):
    live = server()
    for number, status in ((10_000, 200), (10_001, 400)):
        body = {**HELLO, "messages": HELLO["messages"] * number}
        reply = CLIENT.post(f"{live.url}/v1/messages", json=body, timeout=30)
        assert reply.status_code == status
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert "messages: List should have at most 10000 items" in reply.json()["error"]["message"]
    assert len(upstream.posts) == 1
    assert counted(live.url, "claude_proxy_limit_hits_total")['{limit="entries"}'] == 1


@pytest.mark.fault("many-values", "blocking")
def test_millions_of_values_are_refused_and_texts_full_of_them_are_not(server, upstream):
    """Parsing them would keep all others waiting for seconds, and take 30 times their bytes."""
    live, text = server(), "[]," * 3_000_000
    for body, status in (
        ({**HELLO, "metadata": {"lists": [[]] * 3_000_000}}, 400),
        ({**HELLO, "messages": [{"role": "user", "content": text}]}, 200),
    ):
        raw = json.dumps(body, separators=(",", ":")).encode()
        headers = {"content-type": "application/json"}
        reply = CLIENT.post(f"{live.url}/v1/messages", content=raw, headers=headers, timeout=30)
        assert reply.status_code == status
    assert len(upstream.posts) == 1
    assert upstream.last.json["messages"][-1]["content"] == text
    assert counted(live.url, "claude_proxy_limit_hits_total")['{limit="entries"}'] == 1


@pytest.mark.fault("many-messages", "blocking")
def test_more_than_fifty_thousand_blocks_are_refused(server, upstream):
    """Each list of them is short enough. Together they took the server ten seconds to encode."""
    live = server()
    ten_thousand = {"role": "user", "content": [{"type": "text", "text": "a"}] * 10_000}
    one_more = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    for messages, status in (([ten_thousand] * 5, 200), ([ten_thousand] * 5 + [one_more], 400)):
        body = {**HELLO, "messages": messages}
        reply = CLIENT.post(f"{live.url}/v1/messages", json=body, timeout=30)
        assert reply.status_code == status
    assert reply.json()["error"]["type"] == "invalid_request_error"
    assert "at most 50000 content blocks" in reply.json()["error"]["message"]
    assert len(upstream.posts) == 1
    assert counted(live.url, "claude_proxy_limit_hits_total")['{limit="entries"}'] == 1


PASSTHROUGH = {"CLAUDE_PROXY_MODE": "passthrough"}


@pytest.mark.fault("rate")
class TestRates:
    @pytest.mark.parametrize("kind", ["KEY", "ADDRESS"])
    def test_more_than_allowed_are_refused(self, server, upstream, kind):
        live = server(**{f"CLAUDE_PROXY_RATE_LIMIT_PER_{kind}": "3/minute"})
        assert [ask(live.url, stream=False).status_code for _ in range(3)] == [200] * 3
        for stream in (True, False):
            reply = ask(live.url, stream=stream)
            assert 50 <= assert_refused(reply) <= 60
            assert f"CLAUDE_PROXY_RATE_LIMIT_PER_{kind}" in reply.json()["error"]["message"]
        assert len(upstream.posts) == 3
        hits = counted(live.url, "claude_proxy_limit_hits_total")
        assert hits[f'{{limit="rate_{kind.lower()}"}}'] == 2

    def test_they_are_refused_before_their_body_is_read(self, server):
        live = server(CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/minute")
        assert ask(live.url).is_success
        assert ask_without_a_body(live.port).startswith(b"HTTP/1.1 429 ")

    def test_openai_clients_get_their_own_shape(self, server):
        live = server(CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/minute")
        CLIENT.get(f"{live.url}/v1/models")
        reply = CLIENT.get(f"{live.url}/v1/models")
        assert reply.status_code == 429 and int(reply.headers["retry-after"]) > 1
        assert reply.json()["error"]["code"] == "rate_limit_exceeded"

    def test_after_the_wait_it_works_again(self, server):
        live = server(CLAUDE_PROXY_RATE_LIMIT_PER_KEY="2/second")
        replies = [ask(live.url) for _ in range(3)]
        wait = assert_refused(replies[-1])
        assert wait == 1
        time.sleep(wait + 0.05)
        assert ask(live.url).is_success

    def test_each_key_has_its_own_rate(self, server):
        live = server(CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/minute", **PASSTHROUGH)
        assert [ask(live.url, key).status_code for key in ("k-1", "k-2", "k-1")] == [200, 200, 429]

    def test_a_second_key_beside_the_spent_one_changes_nothing(self, server, upstream):
        live = server(CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/minute", **PASSTHROUGH)
        bearer = {"authorization": "Bearer k-1"}
        assert ask(live.url, "sk-ant-other", **bearer).is_success
        assert ask(live.url, "sk-ant-another", **bearer).status_code == 429
        assert ask(live.url, "k-1").status_code == 429
        assert upstream.last.headers["authorization"] == "Bearer k-1"

    def test_in_fixed_mode_all_spend_one_key(self, server):
        live = server(CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/minute")
        assert [ask(live.url, key).status_code for key in ("a", "b")] == [200, 429]

    def test_what_is_open_and_the_metrics_do_not_count(self, server):
        rate = "1/minute"
        live = server(
            CLAUDE_PROXY_RATE_LIMIT_PER_KEY=rate, CLAUDE_PROXY_RATE_LIMIT_PER_ADDRESS=rate
        )
        for path in ("/", "/health", "/livez", "/openapi.json", "/metrics") * 2:
            assert CLIENT.get(live.url + path).is_success
        assert CLIENT.head(f"{live.url}/v1").is_success
        assert ask(live.url).is_success
        for path in ("/v1/models", "/test-connection", "/nowhere"):
            assert CLIENT.get(live.url + path).status_code == 429
        assert CLIENT.get(f"{live.url}/health").is_success

    def test_wrong_keys_count_for_their_address(self, server):
        live = server(
            CLAUDE_PROXY_AUTH_KEY="the-right-one",
            CLAUDE_PROXY_RATE_LIMIT_PER_ADDRESS="2/minute",
            CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/minute",
        )
        guesses = [ask(live.url, f"guess-{n}").status_code for n in range(3)]
        assert guesses == [401, 401, 429]

    def test_off_is_off(self, upstream):
        app = create_app(settings_for(upstream))
        assert app.state.services.rates is None
        assert not any(entry.cls is limits.RateLimit for entry in app.user_middleware)

    def test_forwarded_addresses_count_behind_a_trusted_proxy_alone(self, server):
        rate = {"CLAUDE_PROXY_RATE_LIMIT_PER_ADDRESS": "1/minute", "CLAUDE_PROXY_AUTH_KEY": "k"}
        for trusted, statuses in (("", [200, 429]), ("127.0.0.0/8", [200, 200])):
            live = server(CLAUDE_PROXY_TRUSTED_PROXIES=trusted, **rate)
            replies = [ask(live.url, "k", **{"x-forwarded-for": f"9.9.9.{n}"}) for n in (1, 2)]
            assert [reply.status_code for reply in replies] == statuses


ADDRESSES = [
    # why, the peer, X-Forwarded-For, whose requests these are
    ("the peer", "9.1.1.1", (), "9.1.1.1"),
    ("a stranger's claim", "9.1.1.1", ("7.7.7.7",), "9.1.1.1"),
    ("a trusted proxy's word", "10.0.0.1", ("7.7.7.7",), "7.7.7.7"),
    ("what a client wrote itself", "10.0.0.1", ("1.1.1.1, 7.7.7.7",), "7.7.7.7"),
    ("two proxies", "10.0.0.1", ("1.1.1.1, 7.7.7.7, 10.9.0.2",), "7.7.7.7"),
    ("a header for each hop", "10.0.0.1", ("1.1.1.1", "7.7.7.7", "10.9.0.2"), "7.7.7.7"),
    ("nobody but proxies", "10.0.0.1", ("10.9.0.2",), "10.9.0.2"),
    ("no header", "10.0.0.1", (), "10.0.0.1"),
    ("nonsense", "10.0.0.1", ("7.7.7.7, unknown",), "10.0.0.1"),
    ("a port", "10.0.0.1", ("7.7.7.7:1234",), "7.7.7.7"),
    ("IPv6 with a port", "10.0.0.1", ("[2001:db8:1:2:3:4:5:6]:1",), "2001:db8:1:2::/64"),
    ("a customer's network", "2001:db8:1:2::9", (), "2001:db8:1:2::/64"),
    ("IPv4 in IPv6's clothes", "::ffff:9.1.1.1", (), "9.1.1.1"),
    ("a Unix socket", None, ("7.7.7.7",), "local"),
]


@pytest.mark.parametrize(
    ("why", "peer", "forwarded", "found"), ADDRESSES, ids=[row[0] for row in ADDRESSES]
)
def test_whose_address_counts(why, peer, forwarded, found):
    subject = limits.by_address(("10.0.0.0/8",))
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    scope = {"client": (peer, 1) if peer else None, "headers": headers}
    scope[KEY] = Context(path="/", headers=dict(headers), send=None)
    assert subject(scope, scope[KEY]) == found


WAITS = [
    # the last window's count and time left, this one's, limit, seconds; the wait
    ((0, 0.0, 10, 90.0), 10, 60, 30.0),
    ((10, 30.0, 5, 90.0), 10, 60, 0.0),
    ((10, 60.0, 5, 120.0), 10, 60, 30.0),
    ((10, 60.0, 0, 120.0), 10, 60, 0.0),
    ((0, 0.0, 20, 120.0), 10, 60, 90.0),
]


@pytest.mark.parametrize(("window", "limit", "seconds", "wait"), WAITS)
def test_how_long_to_wait(window, limit, seconds, wait):
    found = limits.seconds_to_wait(*window, limit=limit, seconds=seconds)
    assert found == pytest.approx(wait)


class TestMemory:
    def test_windows_slide(self, monkeypatch):
        now = 1000.0
        monkeypatch.setattr(limits.time, "monotonic", lambda: now)
        counters = limits.MemoryCounters()

        def hits(number):
            asked = [counters.acquire_sliding_window_entry("k", 10, 60) for _ in range(number)]
            return sum(finished(one) for one in asked)

        assert hits(15) == 10
        now += 60  # A minute later all of them still count, and fade.
        assert hits(15) == 0
        now += 30
        assert hits(15) == 5
        now += 300
        assert hits(15) == 10

    def test_it_is_bounded(self, monkeypatch):
        monkeypatch.setattr(limits, "_MAX_SUBJECTS", 100)
        counters = limits.MemoryCounters()
        for number in range(1000):
            assert finished(counters.acquire_sliding_window_entry(f"k{number}", 1, 60))
        assert len(counters._windows) == 100
        assert not finished(counters.acquire_sliding_window_entry("k999", 1, 60))


def finished(coroutine):
    """What a coroutine that never waits returns."""
    with pytest.raises(StopIteration) as end:
        coroutine.send(None)
    return end.value.value


@pytest.fixture
def redis_url():
    return os.environ.get("TEST_REDIS_URL") or missing("TEST_REDIS_URL names no Redis")


class Door:
    """A TCP way to `target`, which may be closed, silent or open."""

    def __init__(self, target):
        parts = urlsplit(target)
        self.target = parts.hostname, parts.port or 6379
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = parts._replace(netloc=f"127.0.0.1:{self.port}").geturl()
        self.mode, self.accepted = "open", []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.accepted.append(client)
                if self.mode == "closed":
                    client.close()
                elif self.mode == "open":
                    server = socket.create_connection(self.target)
                    self.accepted.append(server)
                    for pair in ((client, server), (server, client)):
                        threading.Thread(target=pipe, args=pair, daemon=True).start()

    def turn(self, mode):
        """How it is from now on; who is inside is put out."""
        self.mode = mode
        for sock in self.accepted:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self.accepted.clear()

    def close(self):
        self.turn("closed")
        self.listener.close()


def pipe(source, sink):
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)


@pytest.fixture
def door(redis_url):
    opened = Door(redis_url)
    yield opened
    opened.close()


def unique_key():
    # Counts of an earlier run, which Redis may still hold, are under other hashes.
    return f"test-{time.time_ns()}"


@pytest.mark.fault("rate")
class TestRedis:
    @pytest.mark.parametrize("kind", ["KEY", "ADDRESS"])
    def test_two_servers_share_one_rate(self, server, redis_url, kind):
        key = unique_key()
        shared = {
            "CLAUDE_PROXY_AUTH_KEY": key,
            "CLAUDE_PROXY_RATE_LIMIT_STORAGE": redis_url,
            f"CLAUDE_PROXY_RATE_LIMIT_PER_{kind}": "4/minute",
        }
        urls = [server(**shared).url for _ in range(2)]
        statuses = [ask(urls[n % 2], key).status_code for n in range(6)]
        assert statuses == [200] * 4 + [429] * 2
        assert 50 <= assert_refused(ask(urls[0], key)) <= 60

    def test_no_key_and_no_address_is_stored(self, server, redis_url):
        from redis import Redis

        key = unique_key()
        live = server(
            CLAUDE_PROXY_AUTH_KEY=key,
            OPENAI_API_KEY=f"up-{key}",
            CLAUDE_PROXY_RATE_LIMIT_STORAGE=redis_url,
            CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1000/minute",
            CLAUDE_PROXY_RATE_LIMIT_PER_ADDRESS="1000/minute",
        )
        with Redis.from_url(redis_url) as redis:
            before = set(redis.keys("*"))
            assert ask(live.url, key).is_success
            made = b" ".join(set(redis.keys("*")) - before).decode()
            assert made.count("claude-proxy:") == 2
            assert key not in made and "127.0.0.1" not in made
            assert all(0 < redis.ttl(name) <= 120 for name in set(redis.keys("*")) - before)

    @pytest.mark.parametrize("mode", ["closed", "silent"])
    def test_without_redis_requests_pass(self, server, door, mode):
        door.turn(mode)
        live = server(
            CLAUDE_PROXY_RATE_LIMIT_STORAGE=door.url, CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/minute"
        )
        with capture_logs() as lines:
            started = time.monotonic()
            assert [ask(live.url).status_code for _ in range(10)] == [200] * 10
            # A second for the first; the others do not wait for what is down.
            assert time.monotonic() - started < 4
        assert [line["event"] for line in lines].count("rate_store_failed") == 1
        assert counted(live.url, "claude_proxy_rate_uncounted_total") == {"": 10}

    def test_redis_may_come_back(self, server, door, monkeypatch):
        monkeypatch.setattr(limits, "_REST_SECONDS", 0.1)
        live = server(
            OPENAI_API_KEY=unique_key(),
            CLAUDE_PROXY_RATE_LIMIT_STORAGE=door.url,
            CLAUDE_PROXY_RATE_LIMIT_PER_KEY="2/minute",
        )
        assert ask(live.url).is_success
        door.turn("closed")
        assert [ask(live.url).status_code for _ in range(3)] == [200] * 3
        door.turn("open")
        time.sleep(0.2)
        assert [ask(live.url).status_code for _ in range(2)] == [200, 429]

    def test_a_crowd_shares_few_connections(self, server, redis_url):
        from redis import Redis

        live = server(
            OPENAI_API_KEY=unique_key(),
            CLAUDE_PROXY_RATE_LIMIT_STORAGE=redis_url,
            CLAUDE_PROXY_RATE_LIMIT_PER_KEY="20/minute",
        )
        statuses = []

        def client():
            statuses.append(ask(live.url).status_code)

        threads = [threading.Thread(target=client) for _ in range(60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(statuses) == [200] * 20 + [429] * 40
        with Redis.from_url(redis_url) as redis:
            names = [client["name"] for client in redis.client_list()]
        assert 1 <= names.count("claude-proxy") <= limits._STORE_CONNECTIONS


class TestSettings:
    def test_a_missing_package_is_named(self, upstream, monkeypatch):
        monkeypatch.setattr(limits, "find_spec", lambda name: None)
        settings = settings_for(
            upstream,
            CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/second",
            CLAUDE_PROXY_RATE_LIMIT_STORAGE="redis://h",
        )
        with pytest.raises(SettingsError, match=r"needs limits and redis.*claude-proxy\[redis\]"):
            create_app(settings)

    def test_memory_needs_no_package(self, upstream, monkeypatch):
        monkeypatch.setattr(limits, "find_spec", lambda name: None)
        app = create_app(settings_for(upstream, CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/second"))
        assert app.state.services.rates is not None

    def test_a_bad_address_is_told_without_its_password(self, upstream):
        settings = settings_for(
            upstream,
            CLAUDE_PROXY_RATE_LIMIT_PER_KEY="1/second",
            CLAUDE_PROXY_RATE_LIMIT_STORAGE="redis://:pa55word@h/0?socket_timeout=soon",
        )
        with pytest.raises(SettingsError, match="not an address") as caught:
            create_app(settings)
        assert "pa55word" not in str(caught.value)
