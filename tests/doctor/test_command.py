"""The real command against scripted models: report, statuses, the written table, recordings."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from click.testing import CliRunner

from claude_proxy.cli import main
from claude_proxy.doctor.probes import CALLS
from claude_proxy.settings import load_settings
from tests.conftest import UPSTREAM_KEY, LiveServer
from tests.doctor.model import Model
from tests.doctor.spoken import Passed, Responses
from tests.upstream import Received, Reply, Upstream, refusal

CONSOLE = Path(sys.executable).with_name("claude-proxy")
PATIENCE = 60.0
HELLO = {"max_tokens": 90_000, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def environ(tmp_path: Path, upstream: Upstream) -> dict[str, str]:
    upstream.models = ["large", "small"]
    upstream.answer(Model())
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "OPENAI_BASE_URL": f"{upstream.url}/v1",
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "CLAUDE_PROXY_BIG_MODEL": "large",
        "CLAUDE_PROXY_SMALL_MODEL": "small",
    } | {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


Doctor = Callable[..., Done]


@pytest.fixture
def doctor(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """`claude-proxy doctor WORDS` in this process; nothing of it holds the key."""
    monkeypatch.chdir(environ["HOME"])

    def run(*words: str, **more: str) -> Done:
        with monkeypatch.context() as patch:
            for name in os.environ:
                patch.delenv(name)
            for name, value in {**environ, **more}.items():
                patch.setenv(name, value)
            done = CliRunner().invoke(main, ["doctor", *words])
        assert UPSTREAM_KEY not in done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        return Done(done.exit_code, done.stdout, done.stderr)

    return run


def test_the_console_script(environ: dict[str, str], upstream: Upstream) -> None:
    name = [str(CONSOLE)] if CONSOLE.exists() else [sys.executable, "-m", "claude_proxy"]
    words = ["doctor", "--tier", "small"]
    done = subprocess.run(
        [*name, *words], env=environ, cwd=environ["HOME"], capture_output=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout
    assert b"Claude Code works here" in done.stdout
    assert done.stderr.startswith(b"About ")


def test_the_report(doctor: Doctor, upstream: Upstream) -> None:
    done = doctor()
    assert done.returncode == 0, done.stdout
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert f"Upstream {upstream.url}/v1\n" in done.stdout
    assert "  ok          models             2 are listed, yours among them.\n" in done.stdout
    assert "Model large (opus, sonnet)\n" in done.stdout
    assert "Model small (haiku)\n" in done.stdout
    assert "  ok          tool               calls tools.\n" in done.stdout
    assert "\nClaude Code works here, with 2 limits. (" in done.stdout
    assert f"About {2 * CALLS} small calls (large, small), some" in done.stderr


def test_for_machines(doctor: Doctor, upstream: Upstream) -> None:
    done = doctor("--json", "--tier", "small")
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], report["written"]) == (0, 0, None)
    assert report["upstream"] == f"{upstream.url}/v1"
    [model] = report["models"]
    assert (model["model"], model["tiers"], model["profile"]) == ("small", ["haiku"], "generic")
    assert {finding["state"] for finding in model["findings"]} == {"ok", "unsupported"}
    assert report["calls"] == len(upstream.posts)
    assert {post.json["model"] for post in upstream.posts} == {"small"}


def test_models_by_name(doctor: Doctor, upstream: Upstream) -> None:
    upstream.models = [{"id": "third", "context_length": 32768, "max_output_tokens": 4096}]
    done = doctor("--model", "third", "--yes")
    assert "Model third\n" in done.stdout
    assert "  ok          limits             third: window 32,768, output 4,096.\n" in done.stdout
    assert {post.json["model"] for post in upstream.posts} == {"third"}


def test_without_probes_no_model_is_asked(doctor: Doctor, upstream: Upstream) -> None:
    done = doctor("--no-probes")
    assert done.returncode == 0
    assert "no model was asked" in done.stdout
    assert upstream.posts == []


def profiles_file(environ: dict[str, str]) -> Path:
    return Path(environ["HOME"]) / ".config/claude-proxy/profiles.toml"


def test_what_was_found_is_written_and_used(
    doctor: Doctor,
    upstream: Upstream,
    environ: dict[str, str],
    server: Callable[..., LiveServer],
) -> None:
    odd = Model(limit_field="max_completion_tokens", stream_options=False, stop=False, cap=8192)
    upstream.answer(odd)
    told = doctor("--tier", "big")
    assert told.returncode == 1
    assert "Claude Code will not work: text, stream." in told.stdout
    assert '-> profile: max_tokens_field = "max_completion_tokens"' in told.stdout
    assert "claude-proxy doctor --write" in told.stdout
    assert not profiles_file(environ).exists()

    written = doctor("--tier", "big", "--write")
    assert written.returncode == 0, written.stdout
    assert f"Written to {profiles_file(environ)}" in " ".join(written.stdout.split())
    [table] = tomllib.loads(profiles_file(environ).read_text())["profiles"].values()
    assert table == {
        "hosts": [upstream.url.removeprefix("http://")],
        "models": ["large"],
        "max_tokens_field": "max_completion_tokens",
        "max_output_tokens": 8192,
        "cap_assumed": False,
        "max_stops": 0,
        "stream_usage": False,
    }

    again = doctor("--tier", "big")
    assert again.returncode == 0, again.stdout
    assert "does not know this yet" not in again.stdout

    live = server(load_settings(environ=environ, trusted_folder=False))
    body = {**HELLO, "model": "claude-opus-5", "stream": True, "stop_sequences": ["x"]}
    answer = httpx.post(f"{live.url}/v1/messages", json=body)
    assert answer.is_success
    sent = upstream.last.json
    assert sent["max_completion_tokens"] == 8192
    assert {"max_tokens", "stop", "stream_options"}.isdisjoint(sent)
    assert "max_stops" not in json.dumps(sent)
    # The other model is spoken to as before.
    httpx.post(f"{live.url}/v1/messages", json={**body, "model": "claude-haiku-5"})
    assert upstream.last.json["max_tokens"] == 32_000


def test_what_is_no_longer_so_is_forgotten(
    doctor: Doctor, upstream: Upstream, environ: dict[str, str]
) -> None:
    upstream.answer(Model(stop=False))
    assert doctor("--tier", "big", "--tier", "small", "--write").returncode == 0
    assert profiles_file(environ).read_text().count("max_stops = 0") == 2
    upstream.answer(Model())
    assert "not sent to this model" in doctor("--tier", "big").stdout
    assert doctor("--tier", "big", "--write", "--fresh").returncode == 0
    assert profiles_file(environ).read_text().count("max_stops = 0") == 1


def test_what_the_user_says_himself_wins(
    doctor: Doctor, upstream: Upstream, environ: dict[str, str]
) -> None:
    upstream.answer(Model(stream_options=False))
    (Path(environ["HOME"]) / "claude-proxy.toml").write_text(
        "[profiles.mine]\nmodels = ['large']\nstream_usage = true\n"
    )
    done = doctor("--tier", "big", "--write")
    assert done.returncode == 1
    assert "for large, your own settings of profiles win over this: stream_usage." in done.stderr


def test_a_file_of_ones_own(doctor: Doctor, upstream: Upstream, environ: dict[str, str]) -> None:
    upstream.answer(Model(stop=False))
    path = Path(environ["HOME"]) / "here/found.toml"
    done = doctor("--tier", "big", "--output", str(path))
    assert "max_stops = 0" in path.read_text()
    assert not profiles_file(environ).exists()
    settings = load_settings(
        environ={**environ, "CLAUDE_PROXY_PROFILES_FILE": str(path)}, trusted_folder=False
    )
    finder = settings.profile_finder()
    assert finder.find("default", settings.openai_base_url, "large").max_stops == 0
    assert done.returncode == 0


def test_a_file_of_somebody_else_is_left_alone(doctor: Doctor, environ: dict[str, str]) -> None:
    path = Path(environ["HOME"]) / "pyproject.toml"
    path.write_text("[project]\nname = 'x'\n")
    done = doctor("--output", str(path))
    assert done.returncode == 2
    assert "is not ours to write" in done.stderr
    assert path.read_text() == "[project]\nname = 'x'\n"


def test_a_model_without_tools_is_told(doctor: Doctor, upstream: Upstream) -> None:
    upstream.answer(Model(tools=False))
    done = doctor("--tier", "big", "--write")
    assert done.returncode == 1
    assert "  failed      tool               refused: tools are not supported" in done.stdout
    assert "Claude Code will not work: tool, tool result." in done.stdout


MISCONFIGURED: list[tuple[dict[str, str], str]] = [
    ({"OPENAI_BASE_URL": "ftp://x"}, "OPENAI_BASE_URL (environment OPENAI_BASE_URL)"),
    ({"CLAUDE_PROXY_HOST": "0.0.0.0"}, "the server would refuse to start"),
    ({"OPENAI_API_KEY": "", "OPENAI_BASE_URL": "https://llm.example/v1"}, "Set OPENAI_API_KEY"),
    ({"CLAUDE_PROXY_PROFILE": "nobody"}, "is no profile"),
]


@pytest.mark.parametrize(("more", "says"), MISCONFIGURED)
def test_wrong_settings_are_status_2(
    doctor: Doctor, upstream: Upstream, more: dict[str, str], says: str
) -> None:
    done = doctor(**more)
    assert done.returncode == 2
    assert says in done.stdout + done.stderr
    assert upstream.requests == []


def test_unknown_variables_are_told(doctor: Doctor) -> None:
    done = doctor("--no-probes", CLAUDE_PROXY_BIG_MODLE="x")
    assert "degraded    warning" in done.stdout
    assert "did you mean CLAUDE_PROXY_BIG_MODEL?" in " ".join(done.stdout.split())


def test_an_upstream_that_is_not_there(doctor: Doctor) -> None:
    done = doctor(OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 1
    assert "  failed      connection         nothing listens on 127.0.0.1:9.\n" in done.stdout
    assert "-> Check OPENAI_BASE_URL" in done.stdout


def test_a_named_upstream(doctor: Doctor, upstream: Upstream, environ: dict[str, str]) -> None:
    (Path(environ["HOME"]) / "claude-proxy.toml").write_text(
        f'[upstreams.b]\nbase_url = "{upstream.url}/other"\napi_key = "sk-of-b-0123456789"\n'
    )
    done = doctor("--upstream", "b", "--tier", "big", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert done.returncode == 0, done.stdout
    assert upstream.last.path == "/other/chat/completions"
    assert upstream.last.headers["authorization"] == "Bearer sk-of-b-0123456789"
    assert doctor("--upstream", "c").returncode == 2


def leaky(received: Received) -> Reply:
    """An upstream that tells key and account in everything it says."""
    told = f"key {UPSTREAM_KEY} of org-Abc123Def456 in proj_Abc123Def456"
    if "stop" in received.json:
        return refusal(400, told)
    reply = Model()(received)
    if isinstance(reply.body, dict):
        reply.body["user_id"] = "somebody"
        reply.body["system_fingerprint"] = told
    headers = {"openai-organization": "me", "x-ratelimit-remaining": "9", "set-cookie": "a=b"}
    return Reply(reply.body, stream=reply.stream, headers={**reply.headers, **headers})


def test_recordings_hold_no_key(doctor: Doctor, upstream: Upstream, tmp_path: Path) -> None:
    upstream.answer(leaky)
    done = doctor("--tier", "big", "--record", str(tmp_path / "kept"))
    assert done.returncode == 0
    files = sorted((tmp_path / "kept").iterdir())
    assert len(files) == len(upstream.requests)
    text = "".join(path.read_text() for path in files)
    for secret in (UPSTREAM_KEY, "org-Abc", "proj_Abc", "somebody", "openai-organization", "a=b"):
        assert secret not in text, secret
    assert "x-ratelimit-remaining" in text
    entry: Any = json.loads(files[1].read_text())
    assert files[1].name == "002-large-text.json"
    assert entry["probe"] == "text"
    assert entry["request"]["body"] == upstream.posts[0].json
    assert entry["response"]["status"] == 200


def test_an_upstream_of_messages(
    doctor: Doctor,
    upstream: Upstream,
    environ: dict[str, str],
    server: Callable[..., LiveServer],
    tmp_path: Path,
) -> None:
    def managed(body: Any) -> bool:
        return "context_management" in body

    refusing = Passed(rules=((managed, "context_management: Extra inputs are not permitted"),))
    upstream.answer(refusing)
    environ["CLAUDE_PROXY_UPSTREAM_DIALECT"] = "messages"
    kept = tmp_path / "kept"
    done = doctor("--tier", "big", "--write", "--record", str(kept))
    assert done.returncode == 0, done.stdout
    assert "Model large (opus), asked in Messages, without translation\n" in done.stdout
    assert '-> profile: without = ["context_management"]' in done.stdout
    [table] = tomllib.loads(profiles_file(environ).read_text())["profiles"].values()
    assert table["without"] == ["context_management"]
    text = "".join(path.read_text() for path in kept.iterdir())
    assert UPSTREAM_KEY not in text and '"anthropic-version"' in text
    assert "context-management-" in text

    live = server(load_settings(environ=environ, trusted_folder=False))
    body = {**HELLO, "model": "claude-opus-5", "context_management": {"edits": []}}
    answer = httpx.post(f"{live.url}/v1/messages?beta=true", json=body)
    assert answer.is_success
    assert "context_management" not in upstream.last.json
    assert "context_management=" in answer.headers["x-claude-proxy-notes"]


def test_an_upstream_of_the_responses_api(
    doctor: Doctor, upstream: Upstream, environ: dict[str, str]
) -> None:
    upstream.answer(Responses(reasons=True, encrypts=True))
    environ["CLAUDE_PROXY_UPSTREAM_DIALECT"] = "responses"
    done = doctor("--tier", "small", "--json", "--write")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["models"][0]["dialect"] == "responses"
    assert {post.path for post in upstream.posts} == {"/v1/responses"}
    [table] = tomllib.loads(profiles_file(environ).read_text())["profiles"].values()
    assert table["reasoning_items"] == "encrypted"
    again = doctor("--tier", "small")
    assert "Model small (haiku), asked in the Responses API\n" in again.stdout
    assert "does not know this yet" not in again.stdout
    assert upstream.last.json["include"] == ["reasoning.encrypted_content"]
