"""Where two prompts differ, by hashes of their parts."""

import json
from typing import Any

import pytest

from claude_proxy.codecs.prompt_parts import Change, Parts, change, parts_of, place, same_talk
from tests.codecs.test_prompt_prefix import STEPS, Encode, each_language

SYSTEM = {"role": "system", "content": "You are X. " * 500}
LONG = "x" * 1000
TOOLS = [
    {"type": "function", "function": {"name": name, "description": text, "parameters": {}}}
    for name, text in {"a": "", "b": "", "c": LONG}.items()
]


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def raw(*messages: Any, tools: Any = TOOLS, **more: Any) -> bytes:
    body = {"model": "m", "tools": tools, **more, "messages": [SYSTEM, *messages]}
    return json.dumps(body, separators=(",", ":")).encode()


BEFORE = raw(user("one"), user("two"), user("three"))


def broken_at(before: bytes, now: bytes) -> str | None:
    """The path of the change, if it is the same conversation."""
    old, new = parts_of(before), parts_of(now)
    found = change(old, new)
    return place(now, new, found) if found and same_talk(old, new, found) else None


def swapped(system: str) -> bytes:
    return BEFORE.replace(json.dumps(SYSTEM["content"]).encode(), json.dumps(system).encode())


CHANGED = {
    "a tool in another place": (raw(*map(user, ("one", "two")), tools=TOOLS[::-1]), "tools.0"),
    "a new tool": (raw(user("one"), tools=[*TOOLS, {"type": "x"}]), "tools.3"),
    "the description of a tool": (
        raw(user("one"), tools=[TOOLS[0], {**TOOLS[1], "description": "x"}, TOOLS[2]]),
        "tools.1",
    ),
    "the system prompt": (swapped("You are Y. " * 500), "messages.0.content"),
    "the description of a long tool": (
        BEFORE.replace(LONG.encode(), f"{LONG}y".encode()),
        "tools.2.function.description",
    ),
    "the end of the system prompt": (
        swapped("You are X. " * 499 + "You are Z. "),
        "messages.0.content@5120",
    ),
    "an earlier message": (raw(user("one"), user("2"), user("three")), "messages.2"),
}


@pytest.mark.pitfall(34)
@pytest.mark.parametrize(("now", "path"), CHANGED.values(), ids=CHANGED)
def test_a_change_before_the_conversation_goes_on_is_found(now: bytes, path: str) -> None:
    found = broken_at(BEFORE, now)
    assert found is not None and found.startswith(path)


SAME = {
    "nothing": BEFORE,
    "more messages": raw(*map(user, ("one", "two", "three", "four"))),
    "another limit": raw(*map(user, ("one", "two", "three")), max_tokens=3),
    "a mark in front": BEFORE.replace(
        b'{"role":"user","content":"two"', b'{"cache_control":null,"role":"user","content":"two"'
    ),
    "a mark": BEFORE.replace(b'"content":"two"', b'"content":"two","cache_control":{"a":1}'),
    "fewer messages": raw(user("one")),
}


@pytest.mark.pitfall(34)
@pytest.mark.parametrize("now", SAME.values(), ids=SAME)
def test_a_prompt_that_goes_on_has_no_change(now: bytes) -> None:
    assert change(parts_of(BEFORE), parts_of(now)) is None


@pytest.mark.pitfall(34)
@pytest.mark.parametrize(
    "now",
    [raw(user("other"), user("things")), raw(user("one"), user("again")), raw(user("summary"))],
    ids=["another conversation", "rewound", "compacted"],
)
def test_another_conversation_is_no_break(now: bytes) -> None:
    assert change(parts_of(BEFORE), parts_of(now)) is not None
    assert broken_at(BEFORE, now) is None


@pytest.mark.pitfall(34)
@each_language
def test_a_real_session_breaks_only_where_its_client_changes_it(encode: Encode) -> None:
    # A compaction is another conversation; the others change what had been sent before.
    broken = [
        after.changed
        for before, after in zip(STEPS, STEPS[1:], strict=False)
        if broken_at(encode(before.body), encode(after.body))
    ]
    assert set(broken) <= {"tools, reminder", "image beside an earlier text"}
    assert "tools, reminder" in broken


def test_nothing_of_the_content_is_kept() -> None:
    kept = parts_of(raw(user("very secret words")))
    assert b"secret" not in b"".join(kept.hashes) and "secret" not in "".join(kept.names)
    assert {len(each) % 8 for each in kept.hashes} == {0}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"tools":{}}', b'{"messages":3}', b"\xff"])
def test_what_is_no_prompt_has_few_parts(body: bytes) -> None:
    assert len(parts_of(body).names) <= 1
    assert change(Parts((), (), 0), parts_of(body)) is None


def test_anthropics_own_fields_are_read() -> None:
    body = b'{"system": [{"type": "text", "text": "a"}], "messages": [{"role": "user"}]}'
    assert parts_of(body).names == ("system.0", "messages.0")
    assert parts_of(body).talk == 1
    other = body.replace(b'"a"', b'"b"')
    assert broken_at(body, other) == "system.0"
    assert change(parts_of(body), parts_of(other)) == Change(0, 0)
