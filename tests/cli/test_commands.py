"""The real command as a process: statuses, signals, and real HTTP."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.process import healthy, started
from tests.upstream import eventually

COMMAND = (sys.executable, "-m", "claude_proxy")
SERVE = ("-m", "claude_proxy", "--port", "{port}")
NOWHERE = "http://127.0.0.1:9/v1"
PATIENCE = 20.0  # seconds; far above what any of this takes

posix = pytest.mark.skipif(os.name != "posix", reason="signals and sh are of POSIX systems")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Nothing of the machine's settings; the home is the test's own."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "no_proxy": "*"}


def run(environ: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *words],
        env=environ,
        cwd=environ["HOME"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_the_version_needs_no_server(environ: dict[str, str]) -> None:
    code = (
        "import sys; from claude_proxy.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pydantic', 'starlette', 'uvicorn', 'httpx', 'aiohttp', 'structlog'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"claude-proxy, version \d+\.\d+\.\d+\n\[\]\n", done.stdout)


def test_the_help_names_all_commands(environ: dict[str, str]) -> None:
    done = run(environ, "--help")
    assert done.returncode == 0
    names = re.findall(r"^  (\w+) {2,}\w", done.stdout, re.MULTILINE)
    assert names == ["serve", "demo", "setup", "run", "env", "config", "doctor", "route"]


USAGE = [
    (("dmeo",), "No such command 'dmeo'"),
    (("--prot", "1"), "No such option '--prot'"),
    (("serve", "extra"), "unexpected extra argument"),
    (("--port", "70000"), "must be a whole number from 1 to 65535"),
    (("--config", "none.toml"), "none.toml cannot be read"),
    (("--host", "192.0.2.1"), "Cannot listen on 192.0.2.1:8085"),
]


@pytest.mark.parametrize(("words", "says"), USAGE)
def test_wrong_use_is_status_2(environ: dict[str, str], words: tuple[str, ...], says: str) -> None:
    done = run(environ, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.fault("bind")
def test_an_unsafe_address_refuses_to_start(environ: dict[str, str]) -> None:
    done = run({**environ, "OPENAI_API_KEY": "k"}, "--host", "0.0.0.0")
    assert done.returncode == 2
    assert "CLAUDE_PROXY_AUTH_KEY" in done.stderr


def test_a_taken_port_is_status_2(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        done = run(environ, "--host", "127.0.0.1", "--port", str(sock.getsockname()[1]))
    assert done.returncode == 2
    assert "is taken" in done.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
@pytest.mark.parametrize("listens", ["127.0.0.1", "0.0.0.0"])
def test_a_proxy_does_not_ask_itself(environ: dict[str, str], host: str, listens: str) -> None:
    given = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_FORWARD_URL": f"http://{host}:9/v1"}
    done = run({**environ, **given}, "--host", listens, "--port", "9")
    assert done.returncode == 2
    assert "ANTHROPIC_FORWARD_URL is the address of this proxy itself" in done.stderr


def test_workers_without_the_extra_are_told(tmp_path: Path, environ: dict[str, str]) -> None:
    # A finder that hides gunicorn, as if the extra were not installed.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, importlib.machinery as m\n"
        "class Hide(m.PathFinder):\n"
        "    @classmethod\n"
        "    def find_spec(cls, name, path=None, target=None):\n"
        "        return None if name == 'gunicorn' else super().find_spec(name, path, target)\n"
        "sys.meta_path[:] = [Hide if f is m.PathFinder else f for f in sys.meta_path]\n"
    )
    done = run({**environ, "PYTHONPATH": str(tmp_path)}, "--workers", "2")
    assert done.returncode == 2
    assert "pip install 'claude-proxy[production]'" in done.stderr


@posix
def test_serving_until_ctrl_c() -> None:
    with started(None, "--base-url", NOWHERE, argv=SERVE) as process:
        assert eventually(lambda: f"Warning: {NOWHERE} does not answer" in process.log())
        process.signal(signal.SIGINT)
        assert process.wait() == 130
        assert f"listens   0.0.0.0:{process.port} " in process.log()


@posix
def test_workers_serve_with_the_options() -> None:
    pytest.importorskip("gunicorn", reason="needs the extra `production`")
    words = ("--workers", "2", "--base-url", NOWHERE, "--big-model", "b")
    with started(None, *words, argv=SERVE, OPENAI_API_KEY="k") as process:
        with urllib.request.urlopen(f"{process.url}/v1/models") as answer:
            assert b'"id":"b"' in answer.read()
        assert process.end() == 0
        assert "opus -> b" in process.log()


def test_the_demo_shows_an_answer_with_a_tool_call(environ: dict[str, str]) -> None:
    done = run(environ, "demo", "--once")
    assert done.returncode == 0
    assert "SCRIPTED" in done.stdout
    assert 'tool_use get_weather {"city": "Paris", "unit": "celsius"}' in done.stdout
    assert "stop_reason=tool_use" in done.stdout
    assert "assistant: It is 18 degrees with light rain in Paris now." in done.stdout
    assert "stop_reason=end_turn" in done.stdout


def test_the_demo_takes_nothing_from_the_user(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:9\n")
    done = run({**environ, "OPENAI_API_KEY": "k", "CLAUDE_PROXY_PORT": "x"}, "demo", "--once")
    assert done.returncode == 0


@posix
def test_the_demo_serves_on_until_ctrl_c() -> None:
    argv = ("-m", "claude_proxy", "demo", "--port", "{port}")
    with started(None, argv=argv) as process:
        assert eventually(lambda: "until Ctrl-C" in process.log(), PATIENCE)
        assert healthy(process.url)
        process.signal(signal.SIGINT)
        assert process.wait() == 130


def test_a_taken_demo_port_is_status_2(environ: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        done = run(environ, "demo", "--once", "--port", str(sock.getsockname()[1]))
    assert done.returncode == 2


STATUSES = [
    (("sh", "-c", "exit 7"), 7),
    (("sh", "-c", "exit 0"), 0),
    (("sh", "-c", "kill -9 $$"), 137),
    (("sh", "-c", "kill -TERM $$"), 143),
    (("no-such-command",), 127),
]


@posix
@pytest.mark.parametrize(("words", "status"), STATUSES)
def test_run_ends_with_the_childs_status(
    environ: dict[str, str], words: tuple[str, ...], status: int
) -> None:
    assert run(environ, "run", "--base-url", NOWHERE, "--", *words).returncode == status


def test_run_names_a_missing_command(environ: dict[str, str]) -> None:
    done = run({**environ, "OPENAI_API_KEY": "k"}, "run", "no-such-command")
    assert "the command 'no-such-command' was not found" in done.stderr


@posix
def test_run_tells_what_cannot_be_started(environ: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    done = run(environ, "run", "--base-url", NOWHERE, str(program))
    assert done.returncode == 126
    assert "cannot be started" in done.stderr


def test_run_without_a_key_is_status_2(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=k\n")
    done = run(environ, "run", "--", "sh", "-c", "exit 0")
    assert done.returncode == 2
    assert "There is no key for https://api.openai.com/v1" in done.stderr


@posix
def test_run_leaves_a_login_at_anthropic_to_the_client(environ: dict[str, str]) -> None:
    script = (
        'import os; print(*(n for n in sorted(os.environ) if n.startswith(("ANTH", "CLAUDE_C"))))'
    )
    given = {**environ, "CLAUDE_PROXY_BACKEND": "anthropic", "CLAUDE_CODE_OAUTH_TOKEN": "t"}
    done = run(given, "run", sys.executable, "-c", script)
    assert done.stdout == "ANTHROPIC_BASE_URL CLAUDE_CODE_OAUTH_TOKEN\n"


@posix
@pytest.mark.parametrize("mode", ["fixed", "passthrough"])
def test_run_needs_no_mode(environ: dict[str, str], mode: str) -> None:
    done = run({**environ, "CLAUDE_PROXY_MODE": mode}, "run", "--base-url", NOWHERE, "true")
    assert (done.returncode, len(done.stderr.splitlines())) == (0, 1)


@posix
def test_run_serves_its_child_only(environ: dict[str, str]) -> None:
    script = (
        'import os, urllib.request as u, urllib.error\n'
        'url = os.environ["ANTHROPIC_BASE_URL"] + "/v1/models"\n'
        'def status(key):\n'
        '    try: return u.urlopen(u.Request(url, headers={"x-api-key": key})).status\n'
        '    except urllib.error.HTTPError as e: return e.code\n'
        'print(status("wrong"), status(os.environ["ANTHROPIC_AUTH_TOKEN"]))\n'
        'print(url.split(":")[1], "ANTHROPIC_API_KEY" in os.environ)\n'
    )  # fmt: skip
    given = {**environ, "ANTHROPIC_API_KEY": "sk-ant-x"}
    done = run(given, "run", "--base-url", NOWHERE, sys.executable, "-c", script)
    assert done.stdout == "401 200\n//127.0.0.1 False\n"


@posix
def test_run_logs_to_the_state_folder_and_not_to_the_terminal(environ: dict[str, str]) -> None:
    script = 'import os, urllib.request as u; u.urlopen(os.environ["ANTHROPIC_BASE_URL"]+"/health")'
    done = run(environ, "run", "--base-url", NOWHERE, sys.executable, "-c", script)
    log = Path(environ["HOME"], ".local", "state", "claude-proxy", "run.log")
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(log) in done.stderr
    assert "/health" in [json.loads(line).get("path") for line in log.read_text().splitlines()]


@posix
def test_run_works_without_a_log(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    given = {**environ, "XDG_STATE_HOME": str(tmp_path / "file")}
    done = run(given, "run", "--base-url", NOWHERE, "true")
    assert done.returncode == 0
    assert "Warning: no log" in done.stderr


@posix
def test_run_sets_a_large_log_aside(environ: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "claude-proxy"
    folder.mkdir()
    (folder / "run.log").write_text("x" * 5_000_001)
    run({**environ, "XDG_STATE_HOME": str(tmp_path)}, "run", "--base-url", NOWHERE, "true")
    assert (folder / "run.log.1").stat().st_size == 5_000_001
    assert (folder / "run.log").stat().st_size < 5_000_000


@posix
@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 5), (signal.SIGTERM, 6)])
def test_signals_are_the_childs(environ: dict[str, str], sent: int, status: int) -> None:
    """Ctrl-C reaches the whole group: the child decides. SIGTERM to us alone is passed on."""
    script = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (time.sleep(0.3), sys.exit(5)))\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(6))\n"
        "print('ready', flush=True)\n"
        "time.sleep(20)\n"
    )
    words = ("run", "--base-url", NOWHERE, "--", sys.executable, "-c", script)
    process = subprocess.Popen(
        [*COMMAND, *words],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if sent == signal.SIGINT:
        os.killpg(process.pid, sent)
    else:
        process.send_signal(sent)
    assert process.wait(PATIENCE) == status
    process.stdout.close()
