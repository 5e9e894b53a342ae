"""Calls and results of a conversation, as the CLI takes them."""

from typing import Any

import pytest

from claude_proxy.codecs.claude_cli import encode_request
from tests.codecs.claude_cli.plays import CLI, text
from tests.codecs.claude_cli.test_cli_talk import PNG, result

Json = dict[str, Any]
Told = list[tuple[str, list[str]]]
Note = tuple[str, str]

ALONE = "a tool call without a result"
UNKNOWN = "the result of an unknown call, sent as user text"
SECOND = "a second result of one call, sent as user text"
SAME = "the same result a second time"
NONE = "!(no result: the call was interrupted)"


def call(id: str) -> Json:
    return {"type": "tool_use", "id": id, "name": "Read", "input": {}}


def told(*contents: Any) -> tuple[Told, list[Note]]:
    """Who says what of a conversation that the user begins: `call ID`, `ID: RESULT` with a `!` for
    one that failed, and texts. And what is noted."""
    roles, notes = ("user", "assistant"), list[Note]()
    messages = [{"role": roles[at % 2], "content": said} for at, said in enumerate(contents)]
    request: Any = {"model": "opus", "max_tokens": 9, "messages": messages}
    document = encode_request(
        request, profile=CLI, on_drop=lambda path, why: notes.append((path, why))
    )
    lines = [*document["history"], document["last"]]
    return [(line["type"], [*map(_words, line["message"]["content"])]) for line in lines], notes


def _words(block: Json) -> str:
    match block["type"]:
        case "tool_use":
            return f"call {block['id']}"
        case "tool_result":
            failed = "!" if block.get("is_error") else ""
            inner = "".join(map(_words, block["content"]))
            return f"{block['tool_use_id']}: {failed}{inner}"
        case "text":
            said: str = block["text"]
            return said
    return str(block["type"])


def test_results_stand_in_the_order_of_their_calls_and_first() -> None:
    said = [text("And?"), result("b", "two"), result("a", "one")]
    lines, notes = told("Go", [call("a"), call("b")], said)
    assert lines[1:] == [
        ("assistant", ["call a", "call b"]),
        ("user", ["a: one", "b: two", "And?", " "]),
    ]
    assert notes == []


def test_a_call_without_a_result_is_told_as_interrupted() -> None:
    lines, notes = told("Go", [call("a"), call("b")], [result("b", "two")], "So.", "Next")
    assert lines[2] == ("user", [f"a: {NONE}", "b: two"])
    assert notes == [("messages.1.content.0", ALONE)]


def test_a_call_that_is_the_last_word_is_told_as_interrupted() -> None:
    lines, notes = told("Go", [text("I look."), call("a")])
    assert lines[1:] == [("assistant", ["I look.", "call a"]), ("user", [f"a: {NONE}"])]
    assert notes == [("messages.1.content.1", ALONE)]


def test_a_late_result_goes_to_its_call() -> None:
    lines, notes = told("Go", [call("a")], "Wait", "So.", [result("a", "late"), text("Next")])
    assert lines[2:] == [
        ("user", ["a: late", "Wait", " "]),
        ("assistant", ["So."]),
        ("user", ["Next", " "]),
    ]
    assert notes == []


def test_a_turn_that_was_nothing_but_late_results_is_none() -> None:
    lines, _ = told("Go", [call("a")], "Wait", "So.", [result("a", "late")], "Well.", "Next")
    assert lines[3:] == [("assistant", ["So.", "Well."]), ("user", ["Next", " "])]


def test_the_result_of_an_unknown_call_is_text() -> None:
    lines, notes = told("Go", "So.", [text("Next"), result("x", "out")])
    words = "[result of an unknown tool call x]\nout"
    assert lines[2] == ("user", ["Next", words, " "])
    assert notes == [("messages.2.content.1", UNKNOWN)]


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (result("x"), ["\n(no output)"]),
        (result("x", "bad", is_error=True), ["\n[tool error]\nbad"]),
        (result("x", [text("see"), PNG]), ["\nsee", "image"]),
        (result("x", [PNG, text("it")]), ["\n", "image", "it"]),
    ],
)
def test_all_of_an_unknown_result_is_told(block: Json, words: list[str]) -> None:
    lines, _ = told([block])
    first, *more = words
    assert lines == [("user", [f"[result of an unknown tool call x]{first}", *more, " "])]


def test_a_result_before_its_call_is_that_of_an_unknown_one() -> None:
    lines, notes = told([result("a", "early")], [call("a")], "Next")
    assert lines[0] == ("user", ["[result of an unknown tool call a]\nearly", " "])
    assert lines[2] == ("user", [f"a: {NONE}", "Next", " "])
    assert [why for _, why in notes] == [UNKNOWN, ALONE]


def test_a_second_result_is_text_and_the_same_again_is_none() -> None:
    second = [result("a", "one"), result("a", "one"), result("a", "two")]
    lines, notes = told("Go", [call("a")], second)
    words = "[result of an unknown tool call a]\ntwo"
    assert lines[2] == ("user", ["a: one", words, " "])
    assert notes == [("messages.2.content.1", SAME), ("messages.2.content.2", SECOND)]


def test_one_id_in_many_turns_is_a_call_in_each() -> None:
    lines, notes = told(
        "Go", [call("a")], [result("a", "1")], [call("a")], [result("a", "2")], [call("a")], "?"
    )
    assert [said for role, said in lines if role == "user"][1:] == [
        ["a: 1"],
        ["a: 2"],
        [f"a: {NONE}", "?", " "],
    ]
    assert notes == [("messages.5.content.0", ALONE)]


def test_the_latest_of_two_turns_with_one_id_is_answered_first() -> None:
    results = [result("a", "new"), result("a", "old")]
    lines, notes = told("Go", [call("a")], "Wait", [call("a")], results)
    assert lines[2] == ("user", ["a: old", "Wait", " "])
    assert lines[4] == ("user", ["a: new"])
    assert notes == []


def test_one_id_twice_in_a_turn_has_its_results_in_order() -> None:
    results = [result("a", "1"), result("a", "2")]
    assert told("Go", [call("a"), call("a")], results)[0][2] == ("user", ["a: 1", "a: 2"])
