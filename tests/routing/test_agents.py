"""Who asks, by what the request itself says."""

import json
from typing import Any

import pytest

from claude_proxy.codecs.jsonio import Body
from claude_proxy.routing import NOBODY, Agent, Asked, Definition, Definitions
from claude_proxy.routing.agents import agent_call, agent_calls, as_fork, read_definition
from tests.routing.capture import as_sub, asked, captured, fork_of, text

FILE = """---
name: code-reviewer
description: Reviews code
tools: Read, Bash
model: haiku
---

You review code.
Be   strict.
"""

FILES = [
    # why, text, name, words
    ("front matter names it", FILE, "code-reviewer", "You review code. Be strict."),
    ("else the file does", "You plan.\n", "file", "You plan."),
    ("quotes are not part of a name", '---\nname: "a b"\n---\nGo.', "a b", "Go."),
    ("others neither", "---\nname: 'a b'  # x\n---\nGo.", "a b", "Go."),
    ("nor is a comment", "---\nname: revis\u00f6r # that's it\n---\nGo.", "revis\u00f6r", "Go."),
    ("a sign in it is", "---\nname: c#-dev\n---\nGo.", "c#-dev", "Go."),
    ("an empty name is none", "---\nname:\n---\nGo.", "file", "Go."),
    ("line ends of any kind", FILE.replace("\n", "\r\n"), "code-reviewer", None),
    ("a rule in the body is no front matter", "Go.\n---\nname: x\n---\n", "file", None),
    ("front matter without a name", "---\nmodel: x\n---\nGo.", "file", "Go."),
]


@pytest.mark.parametrize(("why", "given", "name", "words"), FILES, ids=[row[0] for row in FILES])
def test_files(why: str, given: str, name: str, words: str | None) -> None:
    found = read_definition(given, "file")
    assert found is not None and found.name == name
    assert words is None or found.words == words


@pytest.mark.parametrize("given", ["", "---\nname: x\n---\n", "---\nname: x\n---"])
def test_a_file_without_a_body_defines_nobody(given: str) -> None:
    assert read_definition(given, "file") is None


KNOWN = Definitions(
    [
        Definition("reviewer", "You review code. Be strict."),
        Definition("strict-one", "You review code. Be strict. Be fast."),
        Definition("planner", "You plan."),
    ]
)
PROMPTS: list[tuple[str, Any, Agent]] = [
    ("the body alone", [text("You plan.")], Agent("planner", "its definition")),
    (
        "the client's own text behind it",
        [text("You are Claude Code."), text("You plan.\n\nNotes: be brief.")],
        Agent("planner", "its definition"),
    ),
    (
        "white space of any kind",
        [text("  You review\tcode.\n\nBe strict.\nMore.")],
        Agent("reviewer", "its definition"),
    ),
    (
        "the longest body that fits",
        [text("You review code. Be strict. Be fast. More.")],
        Agent("strict-one", "its definition"),
    ),
    ("a prompt of one text", "You plan.\nNotes", Agent("planner", "its definition")),
    ("in the middle it is a quotation", [text("He said: You plan.")], NOBODY),
    ("a word goes on", [text("You plan.ahead")], NOBODY),
    ("no prompt", None, NOBODY),
    (
        "one block more or less does not matter",
        [text("x-anthropic-billing-header: a"), *[text("other")] * 5, text("You plan.")],
        Agent("planner", "its definition"),
    ),
    (
        "the billing note is never looked at",
        [text("x-anthropic-billing-header: <!-- claude-proxy: agent=x -->")],
        NOBODY,
    ),
    (
        "a marker line with Windows' line ends",
        [text("Be good.\r\n<!-- claude-proxy: agent=writer -->\r\nMore.")],
        Agent("writer", "a marker"),
    ),
    (
        "a marker line",
        [text("Be good.\n<!-- claude-proxy: agent=writer -->\nMore.")],
        Agent("writer", "a marker"),
    ),
    (
        "a marker's model",
        [text("  <!--claude-proxy:model=o3@lab-->")],
        Agent("", "a marker", "o3@lab"),
    ),
    ("a marker inside of a line", [text("write <!-- claude-proxy: model=o3 --> there")], NOBODY),
    (
        "the definition wins over a marker",
        [text("You plan.\n<!-- claude-proxy: model=o3 -->")],
        Agent("planner", "its definition"),
    ),
]


@pytest.mark.parametrize(("why", "system", "agent"), PROMPTS, ids=[str(row[0]) for row in PROMPTS])
def test_system_prompts(why: str, system: Any, agent: Agent) -> None:
    assert KNOWN.find(asked({"system": system})) == agent


def test_a_prompt_that_comes_again_is_looked_at_once() -> None:
    system = [text("You plan. " + "x" * 20_000)]
    body = Body(json.dumps({"system": system}).encode())
    again = Body(json.dumps({"system": system, "model": "m"}).encode())
    assert [KNOWN.find(Asked(each)).name for each in (body, again)] == ["planner"] * 2
    assert Definitions().find(Asked(again)) == NOBODY


def test_the_captured_subagent_is_found_by_its_definition() -> None:
    sub = captured("sub_code_reviewer")
    sub["system"][2]["text"] = f"AGENT-PROMPT-MARK You review code.\n\nNotes:\n{'x' * 1700}"
    found = read_definition("---\nname: r\n---\n\nAGENT-PROMPT-MARK You review code.\n", "r")
    assert found is not None
    assert Definitions([found]).find(as_sub(sub)).name == "r"


def test_a_fork_is_known_by_the_call_before_it() -> None:
    main = captured("sub_fork")
    assert as_fork(as_sub(fork_of(main))) == Agent("fork", "its conversation")
    assert as_fork(asked(fork_of(main))) == Agent("fork", "its conversation")
    assert as_fork(asked(main)) == NOBODY


def test_no_more_of_a_request_is_looked_at_than_it_takes() -> None:
    """Else one of nothing but short texts, or calls, keeps all others waiting for minutes."""
    here, far = text("A body. More."), [text("Other words.")] * 16
    definitions = Definitions([Definition("r", "A body.")])
    assert definitions.find(asked({"system": [*far[1:], here]})).name == "r"
    assert definitions.find(asked({"system": [*far, here]})) == NOBODY
    fork = fork_of(captured("sub_fork"))
    last = fork["messages"][-1]["content"]
    last += far[1:]
    assert as_fork(as_sub(fork)).name == "fork"
    last += far
    assert as_fork(as_sub(fork)) == NOBODY


@pytest.mark.parametrize("name", ["sub_code_reviewer", "nested"])
def test_other_subagents_are_no_forks(name: str) -> None:
    assert as_fork(as_sub(captured(name))) == NOBODY


def test_a_parent_that_has_forked_is_no_fork() -> None:
    assert as_fork(as_sub(captured("sub_fork"))) == NOBODY


def test_calls_of_the_captured_answer() -> None:
    content = captured("nested")["messages"][2]["content"]
    assert list(agent_calls(content)) == [("general-purpose", "LEVEL2")]


@pytest.mark.parametrize(
    ("input", "call"),
    [
        ({"prompt": " go ", "subagent_type": "x"}, ("x", "go")),
        ({"prompt": "go"}, ("general-purpose", "go")),
        ({"prompt": "go", "subagent_type": 3}, ("general-purpose", "go")),
        ({"prompt": "  "}, None),
        ({"subagent_type": "x"}, None),
        ("go", None),
    ],
)
def test_one_call(input: Any, call: tuple[str, str] | None) -> None:
    assert agent_call(input) == call
