"""SIGHUP: the next request goes by the new settings, and those that run by their own."""

import json
import os
import pty
import signal
import sys
from pathlib import Path

import httpx
import pytest

from claude_proxy import create_app, load_settings
from tests.conftest import UPSTREAM_KEY
from tests.process import GUNICORN, free_port, healthy, post, read_until, started
from tests.upstream import Reply, Upstream, eventually, serving, text_stream

FAKE = Path(__file__).parents[1] / "backends" / "fake_claude.py"
HELLO = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def other():
    with serving(Upstream()) as started_:
        yield started_


def write(folder, upstream, **more):
    lines = {"openai_base_url": f"{upstream.url}/v1", "openai_api_key": UPSTREAM_KEY, **more}
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in lines.items())
    (folder / "claude-proxy.toml").write_text(text)


def ask(url, **headers):
    body = {**HELLO, "model": "claude-opus-5-5"}
    return httpx.post(f"{url}/v1/messages", json=body, headers=headers, timeout=20)


def models(upstream):
    return [each.json["model"] for each in upstream.posts]


def reload(process, word="reloaded", count=1):
    process.signal(signal.SIGHUP)
    assert eventually(lambda: process.log().count(word) >= count, 10), process.log()


class TestProcess:
    def test_the_next_request_goes_elsewhere(self, upstream, other, tmp_path):
        write(tmp_path, upstream, big_model="one")
        with started(None, folder=tmp_path) as process:
            ask(process.url)
            (tmp_path / "claude-proxy.toml").write_text(
                f'openai_base_url = "{upstream.url}/v1"\nopenai_api_key = "{UPSTREAM_KEY}"\n'
                f'big_model = "two@lab"\n[upstreams.lab]\nbase_url = "{other.url}/v1"\n'
            )
            reload(process)
            ask(process.url)
            assert process.end() == 0
        assert (models(upstream), models(other)) == (["one"], ["two"])
        assert "CLAUDE_PROXY_BIG_MODEL; CLAUDE_PROXY_UPSTREAMS" in process.log()
        assert UPSTREAM_KEY not in process.log()

    def test_the_cli_is_told_its_tools_from_the_next_request_on(self, tmp_path):
        def write(way):
            lines = {"backend": "claude-cli", "cli_command": str(FAKE), "cli_tools": way}
            lines["cli_env"] = f"FAKE_CLAUDE_LOG={tmp_path / 'runs'}"
            text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in lines.items())
            (tmp_path / "claude-proxy.toml").write_text(text)

        def world(process):
            tool = {"name": "look", "input_schema": {"type": "object"}}
            said = [{"role": "user", "content": "[[world]]"}]
            body = {"model": "opus", "max_tokens": 9, "messages": said, "tools": [tool]}
            answer = httpx.post(f"{process.url}/v1/messages", json=body, timeout=20)
            return json.loads(answer.json()["content"][0]["text"])

        write("mcp")
        with started(None, folder=tmp_path) as process:
            before = world(process)
            write("prompt")
            reload(process)
            after = world(process)
        assert "CLAUDE_PROXY_CLI_TOOLS" in process.log()
        assert "--mcp-config" in before["argv"] and "--mcp-config" not in after["argv"]
        assert '{"name":"look"' in after["heard"][0]["request"]["systemPrompt"]

    @pytest.mark.parametrize(
        "text",
        [
            "this is no TOML",
            'big_modle = "x"\nmode = "fixed"\n',
            '[[routes]]\nimages = true\nupstream = "nowhere"\n',
            # Without a key of the server's it would hand on the clients'.
            "",
            'openai_api_key = "sk-new-0123456789"\nclient_keys = { a = "b0123456789" }\n',
        ],
    )
    def test_wrong_settings_change_nothing(self, upstream, tmp_path, text):
        write(tmp_path, upstream, big_model="one")
        with started(None, folder=tmp_path) as process:
            (tmp_path / "claude-proxy.toml").write_text(text)
            reload(process, "reload_refused")
            assert ask(process.url).status_code == 200
            write(tmp_path, upstream, big_model="two")
            reload(process)
            ask(process.url)
        assert models(upstream) == ["one", "two"]
        assert "sk-new" not in process.log()

    def test_clients_keys_are_handed_on_only_by_the_users_own_word(self, upstream, other, tmp_path):
        write(tmp_path, upstream)
        with started(None, folder=tmp_path) as process:
            (tmp_path / "claude-proxy.toml").unlink()
            reload(process, "reload_refused")
            assert "set CLAUDE_PROXY_MODE=passthrough" in process.log()
            assert ask(process.url).status_code == 200 and len(upstream.posts) == 1
            write(tmp_path, other, mode="passthrough")
            reload(process)
            ask(process.url, **{"x-api-key": "sk-own-0123456789"})
        assert other.last.headers["authorization"] == "Bearer sk-own-0123456789"

    def test_a_stream_goes_on_by_its_own_settings(self, upstream, other, tmp_path):
        role, *rest = text_stream("first ", "last")
        upstream.play(Reply(stream=[role, rest[0], 4.0, *rest[1:]]))
        write(tmp_path, upstream, connect_timeout=9.0)
        with started(None, folder=tmp_path) as process:
            client = post(process.port)
            assert b"first " in read_until(client, b"first ")
            write(tmp_path, other, connect_timeout=5.0)
            reload(process)
            assert ask(process.url).status_code == 200 and len(other.posts) == 1
            assert process.health()["in_flight"] == 1
            rest_of_it = read_until(client, b"message_stop")
            assert b"last" in rest_of_it and b"error" not in rest_of_it
            assert eventually(lambda: process.health()["in_flight"] == 0)

    def test_counters_never_go_back(self, upstream, tmp_path):
        def attempts(process):
            text = httpx.get(f"{process.url}/metrics").text
            lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
            found = {name: float(value) for name, value in lines}
            posts = [name for name in found if "requests_total" in name and "POST" in name]
            attempts = found["claude_proxy_upstream_attempts_total"]
            return attempts, sum(found[name] for name in posts)

        write(tmp_path, upstream)
        with started(None, folder=tmp_path) as process:
            ask(process.url)
            before = attempts(process)
            for number, seconds in enumerate((5.0, 6.0, 6.0), 1):
                write(tmp_path, upstream, connect_timeout=seconds)
                reload(process, count=number)
                after = attempts(process)
                assert after >= before
                ask(process.url)
                before = attempts(process)
                assert before[0] >= after[0] + 1 and before[1] == after[1] + 1

    def test_what_takes_a_restart_is_said(self, upstream, tmp_path):
        write(tmp_path, upstream)
        with started(None, folder=tmp_path) as process:
            write(tmp_path, upstream, workers=4, header_timeout=3.0, max_body_bytes=10)
            reload(process)
            assert "CLAUDE_PROXY_WORKERS has changed, which takes a restart" in process.log()
            assert "CLAUDE_PROXY_HEADER_TIMEOUT has changed" in process.log()
            assert ask(process.url).status_code == 413

    def test_a_new_client_key_holds_at_once(self, upstream, tmp_path):
        write(tmp_path, upstream)
        with started(None, folder=tmp_path) as process:
            write(tmp_path, upstream, auth_key="a-new-key-0123456789")
            reload(process)
            assert ask(process.url).status_code == 401
            assert ask(process.url, **{"x-api-key": "a-new-key-0123456789"}).status_code == 200

    def test_options_of_the_command_still_win(self, upstream, tmp_path):
        write(tmp_path, upstream, small_model="s1")
        with started(None, "--big-model", "option", folder=tmp_path) as process:
            write(tmp_path, upstream, big_model="file")
            reload(process)
            ask(process.url)
        assert models(upstream) == ["option"]

    def test_a_terminal_that_closes_ends_the_server(self, upstream, tmp_path):
        write(tmp_path, upstream)
        port = free_port()
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(tmp_path)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Ignored under nohup, and inherited.
            environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
            program = [sys.executable, "-m", "claude_proxy", "--port", str(port)]
            os.execve(sys.executable, program, environ)  # noqa: S606
        try:
            seen = b""
            while b"ANTHROPIC_API_KEY" not in seen:
                seen += os.read(terminal, 4096)
            assert eventually(lambda: healthy(f"http://127.0.0.1:{port}"), 15)
        finally:
            os.close(terminal)
        assert eventually(lambda: os.waitpid(pid, os.WNOHANG)[0] == pid, 15)


@pytest.mark.slow
class TestGunicorn:
    def pids(self, process):
        return [pid for pid in process.group() if pid != process.pid]

    def test_all_workers_get_the_new_settings(self, upstream, tmp_path):
        write(tmp_path, upstream, big_model="one")
        with started(None, "--workers", "2", argv=GUNICORN, folder=tmp_path) as process:
            ask(process.url)
            first = set(self.pids(process))
            write(tmp_path, upstream, big_model="two")
            process.signal(signal.SIGHUP)
            assert eventually(
                lambda: len(now := set(self.pids(process))) == 2 and not now & first, 30
            )
            for _ in range(6):
                assert ask(process.url).status_code == 200
        assert models(upstream) == ["one", *["two"] * 6]

    def test_counters_of_workers_that_went_are_kept(self, upstream, tmp_path):
        def posts(process):
            text = httpx.get(f"{process.url}/metrics").text
            lines = [line.split() for line in text.splitlines() if "requests_total{" in line]
            return sum(float(value) for name, value in lines if "POST" in name)

        write(tmp_path, upstream)
        with started(None, "--workers", "2", argv=GUNICORN, folder=tmp_path) as process:
            for _ in range(4):
                ask(process.url)
            assert eventually(lambda: posts(process) == 4, 10)
            first = set(self.pids(process))
            process.signal(signal.SIGHUP)
            assert eventually(lambda: not set(self.pids(process)) & first, 30)
            for _ in range(4):
                ask(process.url)
            assert eventually(lambda: posts(process) == 8, 10)

    def test_wrong_settings_end_nobody(self, upstream, tmp_path):
        write(tmp_path, upstream, big_model="one")
        with started(None, "--workers", "2", argv=GUNICORN, folder=tmp_path) as process:
            first = set(self.pids(process))
            (tmp_path / "claude-proxy.toml").write_text("no TOML")
            process.signal(signal.SIGHUP)
            assert eventually(
                lambda: len(now := set(self.pids(process))) == 2 and not now & first, 30
            )
            assert "reload refused" in process.log()
            assert [ask(process.url).status_code for _ in range(4)] == [200] * 4
        assert models(upstream) == ["one"] * 4

    def test_one_worker_alone(self, upstream, tmp_path):
        write(tmp_path, upstream, big_model="one")
        with started(None, "--workers", "1", argv=GUNICORN, folder=tmp_path) as process:
            (worker,) = self.pids(process)
            write(tmp_path, upstream, big_model="two")
            os.kill(worker, signal.SIGHUP)
            assert eventually(lambda: "reloaded" in process.log(), 10)
            ask(process.url)
            assert self.pids(process) == [worker]
        assert models(upstream) == ["two"]


class TestEmbedded:
    @pytest.mark.anyio
    async def test_an_app_is_given_other_settings(self):
        def answer(request):
            return httpx.Response(404, json={"error": {"message": "no"}})

        def settings(**environ):
            return load_settings(environ={"OPENAI_API_KEY": "k" * 12, **environ}, cwd=None)

        app = create_app(settings(), transport=httpx.MockTransport(answer))
        before = app.state.services
        assert app.state.reload(settings(CLAUDE_PROXY_BIG_MODEL="new")).big_model == "gpt-4o"
        after = app.state.services
        assert after is not before and after.models.big == "new"
        assert after.backend is before.backend and after.metrics is before.metrics
        assert app.state.drain is after.drain
        app.state.reload(settings(CLAUDE_PROXY_CONNECT_TIMEOUT="3"))
        assert app.state.services.backend is before.backend
        await app.state.aclose()
