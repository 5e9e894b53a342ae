"""What the server says when it starts."""

import socket
import threading
from collections.abc import Iterator

import pytest

from claude_proxy.cli.banner import banner, check_upstream, upstream_problem
from claude_proxy.settings import Settings, SettingsError, load_settings


def lines(**environ: str) -> str:
    settings = load_settings(environ=environ, trusted_folder=False)
    return "\n".join(banner(settings, settings.port))


SAID = [
    (
        {},
        "mode      passthrough: each client's key goes to the upstream (auto: OPENAI_API_KEY is",
    ),
    ({"OPENAI_API_KEY": "k"}, "mode      fixed: the server's key is used for all clients (auto:"),
    ({"CLAUDE_PROXY_MODE": "passthrough"}, "goes to the upstream\n"),
    ({"OPENAI_BASE_URL": "http://h/v1"}, "upstream  http://h/v1\n"),
    ({"AZURE_API_VERSION": "2024-10-21"}, "/v1 (Azure, api-version 2024-10-21)"),
    (
        {"OPENAI_BASE_URL": "https://h.example/anthropic"},
        "(Messages, without translation: https://h.example/anthropic/v1/messages)",
    ),
    ({"BIG_MODEL": "b"}, "models    opus -> b, sonnet -> b, haiku -> gpt-4o-mini"),
    ({}, "listens   0.0.0.0:8085 (each client brings its own key)"),
    (
        {
            "CLAUDE_PROXY_SUBAGENTS": "a:b,c:d",
            "CLAUDE_PROXY_ROUTES": '[{"images": true, "model": "m"}]',
            "CLAUDE_PROXY_UPSTREAMS": '{"lab": {"base_url": "http://h/v1"}}',
        },
        "routing   1 rule, 2 agents, more upstreams: lab\n",
    ),
    ({"PORT": "9"}, "export ANTHROPIC_BASE_URL=http://127.0.0.1:9\n"),
    ({"HOST": "::1"}, "export ANTHROPIC_BASE_URL=http://[::1]:8085\n"),
    ({}, "export ANTHROPIC_API_KEY='<your key for the upstream>'"),
    ({"OPENAI_API_KEY": "k"}, "export ANTHROPIC_API_KEY=anything"),
    (
        {"OPENAI_API_KEY": "k", "CLAUDE_PROXY_AUTH_KEY": "secret"},
        "export ANTHROPIC_API_KEY='<CLAUDE_PROXY_AUTH_KEY>'",
    ),
    ({"CLAUDE_PROXY_BACKEND": "anthropic"}, "(auto: ANTHROPIC_API_KEY is not set)"),
    (
        {"CLAUDE_PROXY_BACKEND": "anthropic"},
        "(Messages, without translation: https://api.anthropic.com/v1/messages)",
    ),
    (
        {"CLAUDE_PROXY_BACKEND": "anthropic", "SMALL_MODEL": "claude-x"},
        "models    opus -> itself, sonnet -> itself, haiku -> claude-x",
    ),
    ({"CLAUDE_PROXY_BACKEND": "anthropic"}, "(its login or key at Anthropic is passed on)"),
    (
        {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_API_KEY": "k"},
        "export ANTHROPIC_API_KEY=anything",
    ),
    ({"CLAUDE_PROXY_PROT": "1"}, "Warning: CLAUDE_PROXY_PROT"),
]


@pytest.mark.parametrize(("environ", "says"), SAID)
def test_the_banner_says(environ: dict[str, str], says: str) -> None:
    assert says in lines(**environ)


def test_the_banner_is_ascii_and_holds_no_key() -> None:
    text = lines(OPENAI_API_KEY="canary", CLAUDE_PROXY_AUTH_KEY="canary")
    assert text.isascii()
    assert "canary" not in text


def test_an_unsafe_address_has_no_banner() -> None:
    with pytest.raises(SettingsError):
        lines(OPENAI_API_KEY="k", HOST="0.0.0.0")


@pytest.fixture(autouse=True)
def no_web_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def answering() -> Iterator[str]:
    """An address where one request is answered with 401."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


@pytest.fixture
def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return f"http://127.0.0.1:{port}/v1"


def test_any_status_is_an_answer(answering: str) -> None:
    assert upstream_problem(answering) is None


def test_this_machine_is_asked_without_the_web_proxy(
    answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert upstream_problem(answering) is None


def test_a_closed_port_is_a_problem(closed: str) -> None:
    assert upstream_problem(closed) == "Connection refused"


def test_silence_is_a_problem(silent: str) -> None:
    assert upstream_problem(silent, patience=0.05) == "timed out"


def test_the_check_warns(closed: str) -> None:
    said: list[str] = []
    check_upstream(Settings(openai_base_url=closed), said.append).join()
    assert said == [f"Warning: {closed} does not answer: Connection refused"]


def test_the_check_is_quiet_when_all_is_well(answering: str) -> None:
    said: list[str] = []
    check_upstream(Settings(openai_base_url=answering), said.append).join()
    assert said == []


def test_a_cli_that_is_not_there_is_told() -> None:
    said: list[str] = []
    settings = Settings(backend="claude-cli", cli_command="no-such-claude")
    check_upstream(settings, said.append).join()
    assert said == ["Warning: CLAUDE_PROXY_CLI_COMMAND: there is no program no-such-claude."]
    lines = "\n".join(banner(settings, 1))
    assert "no-such-claude, the Claude Code CLI of this machine" in lines
    assert "the login of the server's own CLI" in lines
    assert "opus -> opus, sonnet -> sonnet, haiku -> haiku" in lines


def test_the_banner_needs_no_loading() -> None:
    assert "fixed" in "\n".join(banner(Settings(openai_api_key="k"), 1))  # type: ignore[arg-type]
