"""OpenAI's clients that cannot live in our own environment: JavaScript, LangChain, and `llm`."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LiveServer, running, settings_for
from tests.parts import CACHE, missing
from tests.sdk.conftest import KEY, VARIABLES
from tests.sdk.openai_models import ChatModel, MessagesModel, Model
from tests.sdk.test_other_sdks import HERE, check
from tests.upstream import Upstream, serving

pytestmark = pytest.mark.slow

VENV = CACHE / "openai-clients" / "bin"
MODELS: dict[str, type[Model]] = {"chat": ChatModel, "messages": MessagesModel}


@pytest.fixture(scope="module", params=MODELS)
def live(request: pytest.FixtureRequest) -> Iterator[LiveServer]:
    dialect = request.param
    with serving(Upstream()) as upstream:
        upstream.answer(MODELS[dialect]())
        settings = settings_for(upstream, **VARIABLES, CLAUDE_PROXY_UPSTREAM_DIALECT=dialect)
        with running(settings) as server:
            yield server


def installed(name: str) -> Path:
    program = VENV / name
    if not program.exists():
        missing(f"no langchain-openai and llm in {CACHE}: run .ci/parts")
    return program


def test_javascript_sdk_passes_its_checks(live: LiveServer) -> None:
    node, folder = shutil.which("node"), CACHE / "js_openai"
    if node is None or not (folder / "node_modules").exists():
        missing(f"no node, or no openai in {folder}: run .ci/parts")
    shutil.copy(HERE / "js_openai" / "check.mjs", folder / "check.mjs")
    assert "JS-OPENAI-OK" in check(node, "check.mjs", live.url, KEY, cwd=folder)


def test_langchain_passes_its_checks(live: LiveServer) -> None:
    found = check(installed("python"), HERE / "langchain_client.py", live.url, KEY)
    assert "LANGCHAIN-OK" in found


@pytest.fixture
def llm(live: LiveServer, tmp_path: Path) -> "Llm":
    entry = {"model_id": "ours", "model_name": "claude-sonnet-5-5", "api_base": f"{live.url}/v1"}
    entry |= {"supports_tools": True, "api_key_name": "ours"}
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([entry]))
    return Llm(installed("llm"), tmp_path)


class Llm:
    """The command `llm` with a configuration of its own."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program = program
        self._environ = {**os.environ, "LLM_USER_PATH": str(folder)}

    def __call__(self, *arguments: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
        command = [self._program, "prompt", "-m", "ours", "--key", key, *arguments]
        return subprocess.run(
            command, env=self._environ, capture_output=True, text=True, timeout=120, input=""
        )


def test_llm_chats_whole_and_streamed(llm: Llm) -> None:
    for more in ((), ("--no-stream",)):
        done = llm("text", *more)
        assert (done.returncode, done.stdout.strip()) == (0, "one two"), done.stderr


def test_llm_runs_tools(llm: Llm) -> None:
    function = "def add(a: int, b: int) -> int:\n    return a + b\n"
    done = llm("tool", "--functions", function)
    assert (done.returncode, done.stdout.strip()) == (0, "result 5"), done.stderr


def test_llm_tells_what_went_wrong(llm: Llm) -> None:
    refused = llm("text", key="wrong")
    assert refused.returncode != 0 and "Missing or wrong key" in refused.stderr
    broken = llm("broken")
    assert broken.returncode != 0 and "engine stopped" in broken.stderr
