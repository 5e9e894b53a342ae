"""Marks for a prompt cache: where they go, how many, and that nothing else depends on them."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps, loads_body
from claude_proxy.codecs.openai_chat.request import encode_request
from tests.chat_rules import unmarked
from tests.codecs.openai_chat.test_request import bodies
from tests.request_cases import NAMED, load_captures, load_cases

Json = dict[str, Any]

MARK = {"type": "ephemeral"}
CACHED = {"cache_control": MARK}
PLAIN = NAMED["generic"]
MARKED = replace(PLAIN, cache_control="content_parts")


def encoded(body: Json, profile: Any = MARKED) -> tuple[Json, list[tuple[str, str]]]:
    notes: list[tuple[str, str]] = []
    request = decode_request({"model": "m", "max_tokens": 1, **body})
    chat = encode_request(request, profile=profile, on_drop=lambda *note: notes.append(note))
    return chat, notes


def text(words: str, **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


def messages(*content: Json, role: str = "user", **more: Any) -> Json:
    return encoded({"messages": [{"role": role, "content": [*content]}], **more})[0]


def marks(chat: Json) -> int:
    return dumps(chat).count(b'"cache_control"')


@pytest.mark.pitfall(34)
def test_system_texts_are_parts_and_keep_their_marks() -> None:
    billing = "x-anthropic-billing-header: a\nOne."
    system = [text(billing, **CACHED), text("Two."), text("Three.", **CACHED)]
    chat = messages(text("Hi"), system=system)
    assert chat["messages"] == [
        {
            "role": "system",
            "content": [text("One.", **CACHED), text("Two."), text("Three.", **CACHED)],
        },
        {"role": "user", "content": [text("Hi")]},
    ]


def test_a_leading_system_message_keeps_its_mark_in_the_prompt() -> None:
    marked = {"role": "system", "content": [text("B", cache_control={"type": "ephemeral"})]}
    body = {"system": "A", "messages": [marked, {"role": "user", "content": "hi"}]}
    system, user = encoded(body)[0]["messages"]
    assert system["content"] == [text("A"), text("B", cache_control={"type": "ephemeral"})]
    assert user["role"] == "user"


def test_a_tool_is_marked_beside_its_function() -> None:
    tools = [{"name": "A", "input_schema": {}}, {"name": "B", "input_schema": {}, **CACHED}]
    chat = messages(text("Hi"), tools=tools)
    assert ["cache_control" in tool for tool in chat["tools"]] == [False, True]
    assert chat["tools"][1]["cache_control"] == MARK


def test_a_result_is_marked_in_its_own_message() -> None:
    inner = [text("a"), text("b", **CACHED)]
    history = [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "A"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": []}]},
    ]
    result = history[1]["content"][0]
    for marked in ({"content": "a\nb", **CACHED}, {"content": inner}):
        result.clear()
        result.update({"type": "tool_result", "tool_use_id": "a", **marked})
        chat, _ = encoded({"messages": history})
        assert chat["messages"][1]["content"] == [text("a\nb", **CACHED)]
    result["tool_use_id"] = "other"
    result.update(CACHED)
    assert marks(encoded({"messages": history})[0]) == 1


def test_images_reminders_and_earlier_answers_keep_theirs() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://a.example/b"}, **CACHED}
    chat, notes = encoded(
        {
            "messages": [
                {"role": "user", "content": [image]},
                {"role": "assistant", "content": [text("One."), text("Two.", **CACHED)]},
                {"role": "system", "content": [text("Be quick."), text("Now.", **CACHED)]},
            ]
        }
    )
    first, second, third = chat["messages"]
    assert first["content"][0]["cache_control"] == MARK
    assert second["content"] == [text("One."), text("Two.", **CACHED)]
    reminder = "<system-reminder>\nBe quick.\n\nNow.\n</system-reminder>"
    assert third == {"role": "user", "content": [text(reminder, **CACHED)]}
    assert notes == []


def test_the_last_four_are_sent() -> None:
    system = [text(str(number), **CACHED) for number in range(3)]
    tools = [{"name": "A", "input_schema": {}, **CACHED}]
    content = [text(str(number), **CACHED) for number in range(2)]
    body = {"system": system, "tools": tools, "messages": [{"role": "user", "content": content}]}
    chat, notes = encoded(body)
    assert marks(chat) == 4
    assert "cache_control" not in chat["tools"][0]
    assert [*map(len, chat["messages"][0]["content"])] == [2, 3, 3]
    assert notes == [("cache_control", "only the last 4 marks are sent")]
    del body["tools"]
    assert marks(encoded(body)[0]) == 4


def test_a_mark_has_a_type_and_a_time() -> None:
    long = {"type": "ephemeral", "ttl": "1h", "scope": "global"}
    chat = messages(text("Hi", cache_control=long))
    assert chat["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_the_mark_of_the_whole_request_is_sent() -> None:
    body = {"messages": [{"role": "user", "content": "Hi"}], **CACHED}
    assert encoded(body) == (
        {
            "model": "m",
            "max_tokens": 1,
            "cache_control": MARK,
            "messages": [{"role": "user", "content": [text("Hi")]}],
        },
        [],
    )
    assert "cache_control" not in encoded(body, PLAIN)[0]


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": [text("Hi", cache_control=True)]}]},
        {"messages": [{"role": "user", "content": "Hi"}], "cache_control": "yes"},
        {
            "messages": [
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "a", "name": "A", **CACHED}],
                }
            ]
        },
    ],
)
def test_a_mark_without_a_place_is_noted(body: Json) -> None:
    chat, notes = encoded(body)
    assert marks(chat) == 0
    assert [why for _, why in notes if why == "not part of Chat Completions"]


BODIES = [*(case.messages for case in load_cases()), *load_captures().values()]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_without_marks_it_is_the_same_request(body: Json) -> None:
    before = copy.deepcopy(body)
    assert unmarked(encoded(body)[0]) == encoded(body, PLAIN)[0]
    assert body == before
    if "cache_control" in dumps(body).decode():
        assert marks(encoded(body)[0]) <= 4


@settings(max_examples=200, deadline=None)
@given(bodies)
def test_any_conversation_is_the_same_without_marks(body: Json) -> None:
    assert unmarked(encoded(body)[0]) == encoded(body, PLAIN)[0]


def test_shared_parts_are_marked_every_time() -> None:
    system = [text("a" * 20_000, **CACHED)] * 3
    tools = [{"name": "A", "input_schema": {}, **CACHED}]
    raw = dumps({"system": system, "tools": tools, "messages": [{"role": "user", "content": "a"}]})
    few = dumps(
        {"system": system, "messages": [{"role": "user", "content": [text("a", **CACHED)]}]}
    )
    assert [marks(encoded(loads_body(each))[0]) for each in (raw, few, raw, few)] == [4] * 4
    more = dumps(
        {"system": system * 2, "tools": tools, "messages": [{"role": "user", "content": "a"}]}
    )
    first, second = encoded(loads_body(more)), encoded(loads_body(more))
    assert first == second and marks(first[0]) == 4


def test_a_call_without_words_has_no_marks_to_lose() -> None:
    parts = [text(str(number), **CACHED) for number in range(6)]
    call = {"type": "tool_use", "id": "t1", "name": "A", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "done"}
    body = {
        "messages": [
            {"role": "user", "content": parts},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    }
    chat, notes = encoded(body)
    assert marks(chat) == 4 and [path for path, _ in notes] == ["cache_control"]
    assert chat["messages"][1]["content"] is None
