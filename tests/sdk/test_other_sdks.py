"""Official SDKs that cannot live in our own environment: an old Python one, and JavaScript."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LiveServer
from tests.parts import CACHE, missing
from tests.sdk.conftest import KEY
from tests.upstream import (
    Received,
    Reply,
    Upstream,
    call,
    call_stream,
    chunk,
    completion,
    refusal,
    text_stream,
)

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


class Model:
    """Answers by the last word of the user (mutable: it refuses "once" once)."""

    def __init__(self) -> None:
        self.refused = False

    def __call__(self, request: Received) -> Reply:
        messages = request.json["messages"]
        asked = next(m["content"] for m in reversed(messages) if m["role"] == "user")
        word = asked if isinstance(asked, str) else asked[-1]["text"]
        if messages[-1]["role"] == "tool":
            return self.text(request, f"result {messages[-1]['content']}")
        match word:
            case "tool":
                return self.tool(request)
            case "json":
                return self.text(request, '{"number": 42}')
            case "limit":
                return refusal(429, "slow down")
            case "broken":
                return Reply(
                    stream=[chunk({"content": "x"}), {"error": {"message": "engine stopped"}}]
                )
            case "once" if not self.refused:
                self.refused = True
                return refusal(429, "slow down", retry_after="1")
        return self.text(request, "one ", "two")

    def text(self, request: Received, *pieces: str) -> Reply:
        if request.json.get("stream"):
            return Reply(stream=text_stream(*pieces))
        return Reply(completion("".join(pieces)))

    def tool(self, request: Received) -> Reply:
        add = call("add", {"a": 2, "b": 3})
        if request.json.get("stream"):
            return Reply(stream=call_stream(add))
        return Reply(completion(None, calls=[add]))


def check(*command: str | Path, cwd: Path = HERE) -> str:
    """What a program prints; its errors too when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_old_python_sdk_passes_its_checks(live: LiveServer, upstream: Upstream) -> None:
    python = CACHE / "anthropic-0.125" / "bin" / "python"
    if not python.exists():
        missing(f"no environment with anthropic 0.125.0 in {CACHE}: run .ci/parts")
    upstream.answer(Model())
    assert "OLD-SDK-OK 0.125.0" in check(python, HERE / "old_sdk.py", live.url, KEY)


def test_javascript_sdk_passes_its_checks(live: LiveServer, upstream: Upstream) -> None:
    node, modules = shutil.which("node"), CACHE / "js" / "node_modules"
    if node is None or not modules.exists():
        missing(f"no node, or no @anthropic-ai/sdk in {CACHE}: run .ci/parts")
    upstream.answer(Model())
    shutil.copy(HERE / "js" / "check.mjs", CACHE / "js" / "check.mjs")
    assert "JS-SDK-OK" in check(node, "check.mjs", live.url, KEY, cwd=CACHE / "js")
