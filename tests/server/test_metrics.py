"""`/metrics`: what it counts, under which names, who may see it, and several workers' sum."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from claude_proxy import create_app
from claude_proxy.server import metrics, metrics_share
from claude_proxy.server.context import Context
from claude_proxy.server.metrics import COUNTERS, GAUGES, HISTOGRAMS, LIMITS, Metrics
from claude_proxy.settings import SettingsError
from tests.conftest import settings_for
from tests.process import COMMAND, GUNICORN, HELLO, post, started
from tests.server.test_connections import Wire, whole
from tests.upstream import Reply, chunk, completion, ending, eventually, refusal, usage

# One for all: a client of its own for each request costs more than most tests.
CLIENT = httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0))


def scrape(url, **headers):
    """All samples: {name{label="value",…}: number}, read by the client library's own parser."""
    reply = CLIENT.get(f"{url}/metrics", headers=headers, timeout=20)
    assert reply.status_code == 200
    found = {}
    for family in text_string_to_metric_families(reply.text):
        assert family.type != "unknown" and family.documentation
        for sample in family.samples:
            labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
            name = sample.name.removeprefix("claude_proxy_") + (f"{{{labels}}}" if labels else "")
            assert name not in found
            found[name] = sample.value
    return found


def ask(url, path="/v1/messages", **fields):
    return CLIENT.post(url + path, json={**HELLO, **fields}, timeout=20)


def requests_of(endpoint, status, method="POST"):
    return f'requests_total{{endpoint="{endpoint}",method="{method}",status="{status}"}}'


class TestRequests:
    def test_are_counted_by_endpoint_method_and_status(self, server, upstream):
        url = server().url
        ask(url)
        ask(url, "/anthropic/v1/messages")  # the same endpoint under another name
        ask(url, max_tokens=0)
        ask(url, "/v1/messages/count_tokens")
        CLIENT.get(f"{url}/v1/models/a/b?limit=secret")
        CLIENT.request("PROPFIND", f"{url}/health")
        found = scrape(url)
        assert found[requests_of("/v1/messages", 200)] == 2
        assert found[requests_of("/v1/messages", 400)] == 1
        assert found[requests_of("/v1/messages/count_tokens", 200)] == 1
        assert found[requests_of("/v1/models/{id}", 404, "GET")] == 1
        assert found[requests_of("/health", 405, "other")] == 1

    def test_no_label_is_a_clients_invention(self, server):
        url = server().url
        for n in range(5):
            CLIENT.get(f"{url}/made-up-{n}")
            ask(url, f"/v1/models/made-up-{n}/v1/messages")
        text = CLIENT.get(f"{url}/metrics").text
        assert "made-up" not in text
        assert scrape(url)[requests_of("other", 404, "GET")] == 5

    def test_their_time_is_in_buckets(self, server, upstream):
        url = server().url
        upstream.play(Reply(completion("ok"), delay=0.3))
        ask(url)
        upstream.play(Reply(completion("ok")))
        ask(url)
        found = scrape(url)
        name = 'request_duration_seconds_{}{{endpoint="/v1/messages"{}}}'
        buckets = [
            found[name.format("bucket", f',le="{bound}"')]
            for bound in (*map(float, metrics.BUCKETS), "+Inf")
        ]
        assert buckets == sorted(buckets) and buckets[-1] == 2
        assert found[name.format("count", "")] == 2
        assert 0.3 <= found[name.format("sum", "")] < 5
        assert found[name.format("bucket", ',le="0.25"')] <= 1

    def test_those_in_flight_are_shown(self, server, upstream):
        live = server()
        upstream.play(Reply(stream=[chunk({"content": "a"}), 30]))
        client = post(live.port)
        assert upstream.wait_posts(1)
        found = scrape(live.url)
        assert (found["requests_in_flight"], found["streams_in_flight"]) == (1, 1)
        time.sleep(0.1)  # The server listens for a disconnect only when an answer takes long.
        client.close()
        assert eventually(lambda: scrape(live.url)["disconnects_total"] == 1)
        found = scrape(live.url)
        assert (found["requests_in_flight"], found["streams_in_flight"]) == (0, 0)
        assert found[requests_of("/v1/messages", 200)] == 1

    def test_who_leaves_before_the_answer_is_499(self, server, upstream):
        live = server()
        upstream.play(Reply(delay=30))
        with pytest.raises(httpx.ReadTimeout):
            CLIENT.post(f"{live.url}/v1/messages", json=HELLO, timeout=0.3)
        assert eventually(lambda: scrape(live.url).get(requests_of("/v1/messages", 499)) == 1)


class TestErrors:
    CASES = {
        "the client's": ({"max_tokens": 0}, Reply(), "invalid_request_error", "client"),
        "the upstream's": ({}, refusal(429, "slow down"), "rate_limit_error", "upstream"),
        "in a stream": (
            {"stream": True},
            Reply(stream=[chunk({"content": "a"}), {"error": {"message": "no"}}]),
            "api_error",
            "upstream",
        ),
        "a cut": (
            {"stream": True},
            Reply(stream=[chunk({"content": "a"})], end="cut"),
            "api_error",
            "upstream",
        ),
    }

    @pytest.mark.parametrize("case", CASES)
    def test_have_a_type_and_a_side(self, server, upstream, case):
        fields, reply, kind, side = self.CASES[case]
        upstream.play(reply)
        url = server().url
        ask(url, **fields)
        found = scrape(url)
        errors = {name: n for name, n in found.items() if name.startswith("errors_total")}
        assert errors == {f'errors_total{{side="{side}",type="{kind}"}}': 1}

    def test_a_bug_is_the_proxys(self):
        def crash(request):
            raise LookupError("a bug")

        import asyncio

        settings = settings_for(FakeUpstream())
        app = create_app(settings, transport=httpx.MockTransport(crash))

        async def talk():
            transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as c:
                assert (await c.post("/v1/messages", json=HELLO)).status_code == 500
                return (await c.get("/metrics")).text

        text = asyncio.run(talk())
        assert 'claude_proxy_errors_total{side="proxy",type="api_error"} 1.0' in text

    def test_a_body_that_is_too_large_hits_its_limit(self, server):
        url = server(CLAUDE_PROXY_MAX_BODY_BYTES="50").url
        assert ask(url).status_code == 413
        assert scrape(url)['limit_hits_total{limit="body"}'] == 1

    def test_every_limit_is_there_from_the_start(self, server):
        found = scrape(server().url)
        assert all(found[f'limit_hits_total{{limit="{limit}"}}'] == 0 for limit in LIMITS)


class FakeUpstream:
    url = "http://127.0.0.1:9"


class TestUpstream:
    def test_attempts_and_reconnects(self, server):
        wire = Wire(lambda client, number: whole(client) if number == 1 else False)
        url = server(OPENAI_BASE_URL=wire.url).url
        assert [ask(url).status_code for _ in range(2)] == [200, 200]
        found = scrape(url)
        wire.listener.close()
        assert found["upstream_attempts_total"] == 3 == wire.requests
        assert found["upstream_reconnects_total"] == 1

    def test_fallbacks(self, server, upstream):
        upstream.play(refusal(503, "busy"), Reply(completion("ok")))
        url = server(CLAUDE_PROXY_FALLBACKS="other").url
        assert ask(url).status_code == 200
        found = scrape(url)
        assert found["fallbacks_total"] == 1 and found["upstream_attempts_total"] == 2
        assert found['tokens_total{kind="output",model="other"}'] == 7

    def test_dropped_hints(self, server):
        url = server().url
        ask(url, top_k=5)
        assert scrape(url)["dropped_hints_total"] == 1

    @pytest.mark.parametrize("stream", [True, False])
    def test_tokens_by_the_upstreams_model(self, server, upstream, stream):
        counts = usage(prompt=100, answer=7, cached=60)
        play = [chunk({"content": "a"}, "stop"), {**chunk({}), "choices": [], "usage": counts}]
        upstream.play(Reply(stream=play) if stream else Reply({**completion("a"), "usage": counts}))
        url = server().url
        ask(url, stream=stream)
        found = scrape(url)
        tokens = [
            found[f'tokens_total{{kind="{kind}",model="gpt-4o-mini"}}']
            for kind in ("input", "cached", "output")
        ]
        assert tokens == [40, 60, 7]

    def test_time_to_the_first_token_is_no_ping(self, server, upstream):
        upstream.play(Reply(stream=[0.6, chunk({"content": "a"}), 1, *ending("stop")]))
        url = server(CLAUDE_PROXY_HOLD_SECONDS="0.1", CLAUDE_PROXY_PING_SECONDS="0.1").url
        assert "event: ping" in ask(url, stream=True).text
        name = 'time_to_first_token_seconds_{}{{model="gpt-4o-mini"}}'
        found = scrape(url)
        assert found[name.format("count")] == 1
        assert 0.6 <= found[name.format("sum")] < 1.6

    def test_whole_answers_have_no_first_token(self, server):
        url = server().url
        ask(url)
        assert not [name for name in scrape(url) if name.startswith("time_to_first")]

    def test_models_that_clients_name_are_bounded(self):
        numbers = Metrics(Nothing(), ["configured"], None)
        for n in range(300):
            numbers.observe("/v1/messages", "POST", answered_by(f"m-{n}"), 0.1)
        numbers.observe("/v1/messages", "POST", answered_by("configured"), 0.1)
        counts = numbers.snapshot().counts
        models = {key[1] for key in counts if key[0] == "tokens"}
        assert len(models) == 101 and {"configured", "m-0", "other"} <= models
        assert counts["tokens", "other", "output"] == 201 * 3

    def test_models_that_do_not_work_get_no_line(self, server, upstream):
        upstream.play(refusal(404, "no such model"))
        url = server().url
        ask(url, model="made-up")
        assert "made-up" not in CLIENT.get(f"{url}/metrics").text


class Nothing:
    def live_counts(self):
        return {}

    def live_gauges(self):
        return {}


def answered_by(model):
    context = Context(path="/v1/messages", headers={}, send=None, status=200)
    context.facts = {
        "upstream_model": model,
        "input_tokens": 1,
        "cached_tokens": 2,
        "output_tokens": 3,
    }
    return context


@pytest.mark.fault("metrics")
class TestAccess:
    def test_it_needs_the_key(self, server):
        url = server(CLAUDE_PROXY_AUTH_KEY="the-key").url
        for headers in ({}, {"x-api-key": "wrong"}):
            assert CLIENT.get(f"{url}/metrics", headers=headers).status_code == 401
        assert CLIENT.head(f"{url}/metrics").status_code == 401
        assert scrape(url, authorization="Bearer the-key")["workers"] == 1

    ELSEWHERE = ({"x-forwarded-for": "127.0.0.1"}, {"forwarded": "for=127.0.0.1"})

    @pytest.mark.parametrize("elsewhere", ELSEWHERE, ids=str)
    def test_in_passthrough_mode_no_made_up_key_will_do(self, server, elsewhere):
        url = server(CLAUDE_PROXY_MODE="passthrough").url
        for key in ({}, {"x-api-key": "any"}):
            assert scrape(url, **key)["workers"] == 1  # from this machine
            reply = CLIENT.get(f"{url}/metrics", headers={**key, **elsewhere})
            assert reply.status_code == 403 and reply.headers["x-should-retry"] == "false"
            assert "Set CLAUDE_PROXY_AUTH_KEY" in reply.json()["error"]["message"]
            assert CLIENT.head(f"{url}/metrics", headers=elsewhere).status_code == 403

    def test_in_passthrough_mode_no_foreign_host_will_do(self, server):
        url = server(CLAUDE_PROXY_MODE="passthrough").url
        headers = {"host": "evil.example", "x-api-key": "any"}
        assert CLIENT.get(f"{url}/metrics", headers=headers).status_code == 403

    @pytest.mark.parametrize("trust", ["false", "true"])
    def test_in_passthrough_mode_the_servers_key_will_do(self, server, trust):
        environ = {"CLAUDE_PROXY_AUTH_KEY": "the-key", "CLAUDE_PROXY_TRUST_PROXY": trust}
        url = server(CLAUDE_PROXY_MODE="passthrough", **environ).url
        for headers in ({}, {"x-api-key": "any"}):
            assert CLIENT.get(f"{url}/metrics", headers=headers).status_code == 401
        from_elsewhere = {"authorization": "Bearer the-key", **self.ELSEWHERE[0]}
        assert scrape(url, **from_elsewhere)["workers"] == 1

    def test_a_proxy_in_front_may_check_the_clients(self, server):
        url = server(CLAUDE_PROXY_MODE="passthrough", CLAUDE_PROXY_TRUST_PROXY="true").url
        assert CLIENT.get(f"{url}/metrics", headers=self.ELSEWHERE[0]).status_code == 401
        assert scrape(url, **{"x-api-key": "any"}, **self.ELSEWHERE[0])["workers"] == 1

    def test_both_formats_are_offered(self, server):
        url = f"{server().url}/metrics"
        assert CLIENT.get(url).headers["content-type"].startswith("text/plain; version=0.0.4")
        reply = CLIENT.get(url, headers={"accept": "application/openmetrics-text; version=1.0.0"})
        assert reply.headers["content-type"].startswith("application/openmetrics-text")
        assert reply.text.endswith("# EOF\n")
        assert CLIENT.head(url).content == b""


def test_the_page_tells_every_name():
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
    told = {}
    for line in page.splitlines():
        if line.startswith("| `claude_proxy_"):
            name, labels, help = (cell.strip() for cell in line.strip("|").split("|"))
            told[name.strip("`")] = tuple(re.findall(r"`(\w+)`", labels)), help
    real = {f"claude_proxy_{name}_total": (row[1], row[0]) for name, row in COUNTERS.items()}
    real |= {f"claude_proxy_{name}": (row[1], row[0]) for name, row in HISTOGRAMS.items()}
    real |= {f"claude_proxy_{name}": ((), help) for name, help in GAUGES.items()}
    real["claude_proxy_build_info"] = ("version",), "This version."
    assert told == real
    assert all(f"`{limit}`" in page for limit in LIMITS)


def test_what_few_need_is_not_loaded_by_the_start():
    program = (
        "import sys; from claude_proxy import create_app, load_settings\n"
        "create_app(load_settings(environ={}, trusted_folder=False))\n"
        "heavy = {'prometheus_client', 'limits', 'redis', 'httpx'} & sys.modules.keys()\n"
        "sys.exit(' '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stderr) == (0, "")


class TestShare:
    def test_two_servers_are_summed_by_either(self, server, tmp_path):
        folder = str(tmp_path / "new")
        urls = [server(CLAUDE_PROXY_METRICS_DIR=folder).url for _ in range(2)]
        for n, url in enumerate(urls):
            for _ in range(n + 1):
                ask(url)
        name = requests_of("/v1/messages", 200)
        assert eventually(lambda: [scrape(url)[name] for url in urls] == [3, 3])
        found = scrape(urls[0])
        assert found["workers"] == 2
        assert found['request_duration_seconds_count{endpoint="/v1/messages"}'] == 3
        assert not [name for name in found if name.startswith("process_")]

    def test_no_sum_is_less_than_the_one_before(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(metrics_share, "_WRITE_SECONDS", 60)
        urls = [server(CLAUDE_PROXY_METRICS_DIR=str(tmp_path)).url for _ in range(2)]
        seen = []
        for n in range(10):
            ask(urls[n % 2])
            ask(urls[n % 2])
            seen.append(scrape(urls[n % 2]).get(requests_of("/v1/messages", 200), 0))
        assert seen == sorted(seen) and seen[-1] == 20

    def test_the_dead_are_remembered_without_their_gauges(self, tmp_path):
        for number in (1, 2):
            dying(tmp_path, number)
        assert len(list(tmp_path.glob("*.json"))) == 2
        own = ({("requests",): 5}, {}, {"workers": 1})
        share = metrics_share.Share(str(tmp_path))
        for _ in range(2):
            assert share.total(own)[0] == {("requests",): 3}
            assert share.total(own)[2] == {}
        assert not list(tmp_path.glob("*.json")), "files of the dead must not pile up"

    def test_a_folder_that_was_emptied_is_filled_again(self, server, tmp_path, monkeypatch):
        monkeypatch.setattr(metrics_share, "_WRITE_SECONDS", 0.05)
        folder = tmp_path / "folder"
        url = server(CLAUDE_PROXY_METRICS_DIR=str(folder)).url
        ask(url)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        assert scrape(url)[requests_of("/v1/messages", 200)] == 1
        assert len(list(folder.glob("*.json"))) == 1

    def test_what_is_no_file_of_ours_is_left_alone(self, tmp_path):
        (tmp_path / "claude-proxy-1-x.json").write_bytes(b"{ half")
        (tmp_path / "counter_1.db").write_bytes(b"x")
        own = ({}, {}, {})
        assert metrics_share.Share(str(tmp_path)).total(own) == own
        assert (tmp_path / "counter_1.db").exists()

    def test_a_bad_folder_is_told_at_the_start(self, tmp_path):
        (tmp_path / "file").touch()
        settings = settings_for(FakeUpstream(), CLAUDE_PROXY_METRICS_DIR=str(tmp_path / "file/x"))
        with pytest.raises(SettingsError, match="CLAUDE_PROXY_METRICS_DIR"):
            create_app(settings)


def dying(folder, number):
    """A process that shares a number and is killed."""
    program = (
        "import asyncio, os, signal, sys\n"
        "from claude_proxy.server.metrics_share import Share\n"
        "async def main():\n"
        "    share = Share(sys.argv[1])\n"
        "    share.start(lambda: ({('requests',): int(sys.argv[2])}, {}, {'workers': 1}))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", program, str(folder), str(number)]
    assert subprocess.run(command).returncode == -signal.SIGKILL


@contextmanager
def workers(upstream, argv=COMMAND, **environ):
    """A server with two workers, both known to the metrics; ended in order."""
    with started(upstream, "--workers", "2", argv=argv, **environ) as process:
        assert eventually(lambda: scrape(process.url)["workers"] == 2, 30)
        yield process
        process.end()


@pytest.mark.slow
class TestWorkers:
    STARTS = {
        "the command": COMMAND,
        "gunicorn with our worker": GUNICORN,
        "gunicorn with another": (*GUNICORN, "-k", "uvicorn_worker.UvicornWorker"),
    }

    @pytest.mark.parametrize("start", STARTS)
    def test_numbers_add_up_and_outlive_their_worker(self, upstream, tmp_path, start):
        environ = {"TMPDIR": str(tmp_path)}
        if start == "gunicorn with another":
            environ["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path / "own")
        name = requests_of("/v1/messages", 200)
        with workers(upstream, argv=self.STARTS[start], **environ) as process:
            url = process.url
            assert [ask(url).status_code for _ in range(40)] == [200] * 40
            assert eventually(lambda: scrape(url)[name] == 40, 10)
            assert [scrape(url)[name] for _ in range(10)] == [40] * 10
            os.kill(max(set(process.group()) - {process.pid}), signal.SIGKILL)
            assert eventually(lambda: still(url, name) == (40, 2), 20)
        if start != "gunicorn with another":
            assert not list(tmp_path.iterdir()), "the folder goes with the server"

    def test_two_workers_share_one_rate_through_redis(self, upstream, tmp_path):
        from tests.parts import missing

        redis = os.environ.get("TEST_REDIS_URL") or missing("TEST_REDIS_URL names no Redis")
        environ = {
            "TMPDIR": str(tmp_path),
            "OPENAI_API_KEY": f"sk-{time.time_ns()}",
            "CLAUDE_PROXY_RATE_LIMIT_STORAGE": redis,
            "CLAUDE_PROXY_RATE_LIMIT_PER_KEY": "10/minute",
        }
        with workers(upstream, **environ) as process:
            url = process.url
            statuses = [ask(url).status_code for _ in range(30)]
            assert statuses == [200] * 10 + [429] * 20
            assert eventually(
                lambda: scrape(url).get('limit_hits_total{limit="rate_key"}') == 20, 10
            )


def still(url, name):
    try:
        found = scrape(url)
    except httpx.TransportError:
        return None
    return found[name], found["workers"]
