"""The real Claude Code in front of Anthropic itself: not a byte of what it says is changed."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from claude_proxy.settings import load_settings
from tests.anthropic_api import AnthropicApi
from tests.conftest import running
from tests.e2e.client import ClaudeCode, furnish
from tests.messages_upstream import event, message, said
from tests.upstream import Received, Reply, serving

pytestmark = pytest.mark.slow

LOGIN = "sk-ant-oat01-client-0123456789"
KEY = "sk-ant-api03-client-0123456789"
OWN = "sk-ant-api03-server-0123456789"


@dataclass
class Wire:
    """A relay in front of the server, which keeps what the client says. Mutable."""

    port: int = 0
    said: list[bytearray] = field(default_factory=list)
    """One for each connection."""

    @property
    def bodies(self) -> list[bytes]:
        return [body for raw in self.said for body in _bodies(bytes(raw))]


def _bodies(raw: bytes) -> Iterator[bytes]:
    """The bodies of the POSTs among the requests of one connection."""
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        size = int(found[1]) if found else 0
        if head.startswith(b"POST"):
            yield rest[:size]
        raw = rest[size:]


@contextmanager
def relayed(port: int) -> Iterator[Wire]:
    wire = Wire()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire.port = listener.getsockname()[1]
        threading.Thread(target=_accept, args=(listener, port, wire), daemon=True).start()
        yield wire
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, wire: Wire) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            wire.said.append(bytearray())
            talk = (client, socket.create_connection(("127.0.0.1", port)), wire.said[-1])
            threading.Thread(target=_talk, args=talk, daemon=True).start()


def _talk(client: socket.socket, server: socket.socket, heard: bytearray) -> None:
    with client, server:
        back = threading.Thread(target=_move, args=(server, client, bytearray()), daemon=True)
        back.start()
        _move(client, server, heard)
        back.join(20)


def _move(source: socket.socket, target: socket.socket, keep: bytearray) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            keep += data
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def speak(got: Received) -> Reply:
    """Thinks, calls Bash once, and tells what came of it."""
    last = got.json["messages"][-1]
    results = [each for m in got.json["messages"] for each in _results(m["content"])]
    if not got.json.get("stream"):
        return Reply(message(f"whole {last['role']}"))
    if results:
        return Reply(stream=said("DONE ", str(results[-1]["content"])))
    tools = [tool.get("name") for tool in got.json.get("tools", ())]
    return Reply(stream=call() if "Bash" in tools else said("a title"))


class BreaksOff:
    """Ends its first answer in mid-text; the client then asks for a whole one."""

    def __init__(self) -> None:
        self.answers = iter([[*said("half of ")[:4], CUT]])

    def __call__(self, got: Received) -> Reply:
        if not got.json.get("tools"):
            return Reply(stream=said("a title"))
        return Reply(stream=next(self.answers, said("FOLDED-", "WHOLE")))


CUT = event("error", error={"type": "api_error", "message": "Internal server error"})


def _results(content: Any) -> list[dict[str, Any]]:
    blocks = content if isinstance(content, list) else []
    return [block for block in blocks if block.get("type") == "tool_result"]


def call() -> list[bytes]:
    whole = said("x", stop="tool_use")
    tool = {"type": "tool_use", "id": "toolu_01", "name": "Bash", "input": {}}
    arguments = '{"command": "echo BASH-$((40+2))", "description": "adds"}'
    return [
        whole[0],
        event("content_block_start", index=0, content_block=THOUGHT),
        delta(0, "thinking_delta", thinking="hm"),
        delta(0, "signature_delta", signature="Eq=="),
        event("content_block_stop", index=0),
        event("content_block_start", index=1, content_block=tool),
        delta(1, "input_json_delta", partial_json=arguments[:9]),
        delta(1, "input_json_delta", partial_json=arguments[9:]),
        event("content_block_stop", index=1),
        *whole[-2:],
    ]


def delta(index: int, kind: str, **fields: str) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


THOUGHT = {"type": "thinking", "thinking": "", "signature": ""}
WAYS = [
    pytest.param({}, {"ANTHROPIC_API_KEY": KEY}, {"x-api-key": KEY}, id="client's key"),
    pytest.param(
        {},
        {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": LOGIN},
        {"authorization": f"Bearer {LOGIN}"},
        id="login",
    ),
    pytest.param(
        {"ANTHROPIC_API_KEY": OWN, "CLAUDE_PROXY_AUTH_KEY": "a-key"},
        {"ANTHROPIC_API_KEY": "a-key"},
        {"x-api-key": OWN},
        id="server's key",
    ),
]


@pytest.mark.parametrize(("server", "client", "shown"), WAYS)
def test_claude_code_does_not_see_us(
    binary: Path,
    tmp_path: Path,
    server: dict[str, str],
    client: dict[str, str],
    shown: dict[str, str],
) -> None:
    furnish(tmp_path)
    with serving(AnthropicApi()) as api:
        api.answer(speak)
        environ = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_FORWARD_URL": api.url, **server}
        settings = load_settings(environ=environ, trusted_folder=False)
        with running(settings) as live, relayed(live.port) as wire:
            claude = ClaudeCode(binary, f"http://127.0.0.1:{wire.port}", KEY, tmp_path)
            run = claude.run("add 40 and 2", env=client)
        assert run.says("DONE BASH-42"), run
        posts = api.posts
        assert len(posts) >= 2 and sorted(wire.bodies) == sorted(post.body for post in posts)
        for post in posts:
            found = {
                n: post.headers[n] for n in ("x-api-key", "authorization") if n in post.headers
            }
            assert found == shown
            assert post.headers["user-agent"].startswith("claude-cli/")
            assert post.headers["x-app"] == "cli" and "x-claude-code-session-id" in post.headers
            assert "claude-code-20250219" in post.headers["anthropic-beta"]
            assert "anthropic-dangerous-direct-browser-access" not in post.headers
            assert post.json["model"].startswith("claude-")
        main = next(post for post in posts if post.json.get("tools"))
        assert "x-anthropic-billing-header:" in main.json["system"][0]["text"]
        thought = {**THOUGHT, "thinking": "hm", "signature": "Eq=="}
        turns = [m["content"] for m in posts[-1].json["messages"] if m["role"] == "assistant"]
        assert thought in turns[-1]


def test_what_it_asks_for_without_a_stream_is_folded(binary: Path, tmp_path: Path) -> None:
    furnish(tmp_path)
    with serving(AnthropicApi()) as api:
        api.answer(BreaksOff())
        environ = {
            "CLAUDE_PROXY_BACKEND": "anthropic",
            "ANTHROPIC_FORWARD_URL": api.url,
            "ANTHROPIC_DEMOTE_NONSTREAMING": "true",
        }
        settings = load_settings(environ=environ, trusted_folder=False)
        with running(settings) as live, relayed(live.port) as wire:
            claude = ClaudeCode(binary, f"http://127.0.0.1:{wire.port}", KEY, tmp_path)
            run = claude.run("say it")
        assert run.says("FOLDED-WHOLE"), run
        asked = [json.loads(body).get("stream", False) for body in wire.bodies]
        assert False in asked
        assert all(post.json["stream"] for post in api.posts)
