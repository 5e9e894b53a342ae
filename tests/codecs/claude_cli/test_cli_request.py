"""Messages requests → what a process of the CLI is given."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.claude_cli import encode_request, tool_names
from claude_proxy.codecs.claude_cli.words import INERT, cli_model
from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.errors import RequestError
from claude_proxy.profiles import profile_for
from claude_proxy.profiles.claude_cli import ADDRESS
from tests.codecs.claude_cli.plays import CLI
from tests.codecs.openai_chat.test_request import bodies
from tests.fuzz.law import law
from tests.request_cases import load_captures, load_cases

Json = dict[str, Any]

FILES = sorted((Path(__file__).parents[2] / "cases/claude_cli/request").glob("*.json"))
CASES = [case for path in FILES for case in json.loads(path.read_text(encoding="utf-8"))]
CAPTURES = load_captures()


def body(**more: Any) -> Any:
    return {
        "model": "opus",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi"}],
        **more,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_golden(case: Json) -> None:
    dropped: list[list[str]] = []
    request = decode_request(copy.deepcopy(case["messages"]))
    profile = profile_for(ADDRESS, case["messages"]["model"])
    document = encode_request(
        request, profile=profile, on_drop=lambda path, why: dropped.append([path, why])
    )
    assert document == case["cli"]
    assert dropped == case["dropped"]
    assert request == case["messages"]


def broken(document: Json) -> list[str]:
    """What the CLI could not take, or would take for something else."""
    lines = [*document["history"], document["last"]]
    wrong = ["roles do not alternate"] if _repeated([line["type"] for line in lines]) else []
    for line in lines:
        content = line["message"]["content"]
        texts = [block["text"] for block in content if block["type"] == "text"]
        if line["type"] == "user" and texts and content[-1] != INERT:
            wrong.append("a text that could be a command")
        if not content or not all(texts):
            wrong.append("nothing is said")
        if line["type"] == "user" and line.get("shouldQuery", True) != (line is lines[-1]):
            wrong.append("asks at the wrong place")
        if b"cache_control" in dumps(content):
            wrong.append("a mark of the prompt cache")
    return wrong + _unpaired(lines)


def _unpaired(lines: list[Json]) -> list[str]:
    """Calls whose results are not what the user says next, and results of no call."""
    wrong = []
    asked: list[str] = []
    for line in lines:
        content = line["message"]["content"]
        answered = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        if answered != asked:
            wrong.append(f"{asked} was called, but {answered} answered")
        asked = [block["id"] for block in content if block["type"] == "tool_use"]
    return wrong + (["calls are the last word"] if asked else [])


def _repeated(roles: list[str]) -> bool:
    return any(one == other for one, other in zip(roles, roles[1:], strict=False))


@law(bodies, few=200)
def test_any_request_gives_lines_that_the_cli_can_take(request: Json) -> None:
    before = copy.deepcopy(request)
    try:
        document = encode_request(decode_request({**request, "model": "opus"}), profile=CLI)
    except RequestError as error:
        assert error.status == 400
        return
    assert broken(document) == []
    assert request == before
    assert loads(dumps(document)) == document


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.name)
def test_requests_of_the_other_codecs_give_usable_lines(case: Any) -> None:
    try:
        request = decode_request({**case.messages, "model": "opus"})
        document = encode_request(request, profile=CLI)
    except RequestError as error:
        assert error.status == 400
        return
    assert broken(document) == []


@pytest.mark.parametrize("capture", CAPTURES.values(), ids=CAPTURES.keys())
def test_requests_of_claude_code_give_usable_lines(capture: Json) -> None:
    request = decode_request({**capture, "model": "opus"}, require_max_tokens=False)
    document = encode_request(request, profile=CLI)
    assert broken(document) == []
    assert "x-anthropic-billing-header" not in document["start"]["system"]


@pytest.mark.parametrize(
    "name",
    ["opus", "claude-code-cli/haiku", "claude-opus-4-20250514", "us.anthropic.claude-x-v1:0"],
)
def test_models_of_the_cli(name: str) -> None:
    assert cli_model(name) == name.removeprefix("claude-code-cli/")


@pytest.mark.parametrize(
    "name", ["gpt-4o", "--model", "-p claude", "claude x", "claude;ls", "", "x" * 200 + "claude"]
)
def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        cli_model(name)
    assert caught.value.status == 404
    assert len(caught.value.message) < 250


def test_a_request_that_says_nothing_is_refused() -> None:
    with pytest.raises(RequestError, match="no content"):
        encode_request(body(messages=[{"role": "user", "content": ""}]), profile=CLI)


def test_threads_are_refused() -> None:
    with pytest.raises(RequestError, match="thread"):
        encode_request(body(thread={"id": "t"}), profile=CLI)


def test_names_are_told_once_and_used_again() -> None:
    request = body(tools=[{"name": "odd.name", "input_schema": {"type": "object"}}])
    names = tool_names(request, profile=CLI)
    (wire,) = names
    assert names == {wire: "odd.name"}
    document = encode_request(request, profile=CLI, renamed=names)
    assert document["start"]["tools"][0]["name"] == wire


def test_the_tool_for_schemas_is_none_of_the_clients() -> None:
    request = body(output_config={"format": {"type": "json_schema", "schema": {}}})
    assert tool_names(request, profile=CLI) == {"StructuredOutput": ""}


def test_a_session_beside_the_request_counts_first() -> None:
    user = {"user_id": "u"}
    beside = encode_request(body(metadata=user), profile=CLI, session="s1")["session"]
    assert beside == encode_request(body(), profile=CLI, session="s1")["session"]
    assert beside != encode_request(body(metadata=user), profile=CLI)["session"]
    assert "session" not in encode_request(body(), profile=CLI)
