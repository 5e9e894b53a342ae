"""What is read of a request: of those of the real client, and of others that nobody has checked."""

from typing import Any

import pytest

from claude_proxy.routing import Asked
from tests.routing.capture import SESSION, as_sub, asked, captured, text

SIDES = [
    # capture, side call
    ("title_haikuenv", "title"),
    ("hooks", "hook"),
    ("websearch", "web_search"),
    ("sub_code_reviewer", ""),
    ("sub_fork", ""),
    ("nested", ""),
    ("parallel", ""),
    ("tools", ""),
    ("jsonschema", ""),
]


@pytest.mark.parametrize(("name", "side"), SIDES)
def test_side_calls_of_the_real_client(name: str, side: str) -> None:
    assert asked(captured(name)).side_call == side


def test_a_prompt_hook_is_known_by_what_it_wants_to_hear() -> None:
    properties = {name: {"type": "string"} for name in ("ok", "reason", "impossible")}
    body = {"output_config": {"format": {"schema": {"type": "object", "properties": properties}}}}
    assert asked(body).side_call == "hook"
    assert asked({**body, "tools": [{"name": "Read"}]}).side_call == ""


SUMMARY = (
    "Your task is to create a detailed summary of the conversation so far. <summary>…</summary>"
)


def test_a_compaction_is_asked_for_in_the_last_message() -> None:
    last = {"role": "user", "content": SUMMARY}
    later = [{"role": "assistant", "content": "ok"}, {"role": "user", "content": "go on"}]
    assert asked({"messages": [last]}).side_call == "compaction"
    assert asked({"messages": [last, {"role": "system", "content": "x"}]}).side_call == "compaction"
    assert asked({"messages": [last, *later]}).side_call == ""
    assert asked({}, x_claude_code_request_class="compaction").side_call == "compaction"


def test_talk_about_the_tag_is_no_compaction() -> None:
    html = {"role": "user", "content": "What does <summary> do in HTML?"}
    assert asked({"messages": [html]}).side_call == ""


def test_the_compacted_conversation_of_the_real_client_is_none() -> None:
    assert asked(captured("compact")).side_call == ""


IMAGE = {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([IMAGE], True),
        ([{"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}], True),
        ([text('the word "image"')], False),
        ([{"type": "tool_result", "tool_use_id": "t", "content": 'an "image"'}], False),
        ('"image"', False),
    ],
)
def test_images(content: Any, found: bool) -> None:
    assert asked({"messages": [{"role": "user", "content": content}]}).images is found


@pytest.mark.parametrize("name", ["image_read", "image_url_stdin"])
def test_images_of_the_real_client(name: str) -> None:
    assert asked(captured(name)).images
    assert not asked(captured("tools")).images


@pytest.mark.parametrize(
    ("thinking", "on"),
    [
        ({"type": "adaptive"}, True),
        ({"type": "enabled", "budget_tokens": 1024}, True),
        ({"type": "disabled"}, False),
        (None, False),
        ("on", False),
    ],
)
def test_thinking(thinking: Any, on: bool) -> None:
    assert asked({"thinking": thinking}).thinking is on


def test_effort() -> None:
    assert asked(captured("effort_max")).effort == "max"
    assert asked({"output_config": {"effort": 3}}).effort == ""


def test_length_is_estimated_only_where_the_bytes_leave_it_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(
        "claude_proxy.routing.asked.estimate_tokens", lambda body: counted.append(1) or 1500
    )
    body = {"messages": [{"role": "user", "content": "word " * 1000}]}
    request = asked(body)
    assert not request.longer_than(5000) and counted == []
    assert request.longer_than(1000) and not request.longer_than(1600) and counted == [1]


def test_pictures_do_not_make_a_prompt_long() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}
    body = {"messages": [{"role": "user", "content": [{"type": "image", "source": source}]}]}
    assert not asked(body).longer_than(10_000)


def test_a_request_that_nobody_can_read_has_its_bytes() -> None:
    assert asked({"messages": 3, "system": "x" * 6000}).longer_than(1000)


def test_subagents_are_known_by_header_or_by_mark() -> None:
    main, sub = captured("parallel"), captured("sub_code_reviewer")
    assert asked(sub).is_subagent and as_sub(main).is_subagent
    assert not asked(main).is_subagent
    assert (as_sub(main).run, asked(main).run) == ("a853893b325be6ed6", "")
    assert (as_sub(main).session, asked(main).session) == (SESSION, "")


def test_the_billing_note_is_no_prompt() -> None:
    prompts = list(asked(captured("sub_code_reviewer")).prompts())
    assert len(prompts) == 2 and not any("billing" in each for each in prompts)


WRONG: list[Any] = [None, 3, "text", [], [3], [None], {}, [{}], [{"text": 3}], [[]], True]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_wrong_shapes_are_not_found(wrong: Any) -> None:
    names = ("messages", "system", "tools", "thinking", "output_config")
    look_at_all(asked(dict.fromkeys(names, wrong)))
    look_at_all(asked({"messages": [{"role": "user", "content": wrong}, wrong]}))
    look_at_all(asked({"output_config": {"format": wrong, "effort": wrong}}))
    look_at_all(asked({"output_config": {"format": {"schema": wrong}}}))


def look_at_all(request: Asked) -> None:
    for name in ("is_subagent", "images", "thinking", "effort", "side_call", "last_user"):
        getattr(request, name)
    request.longer_than(1)
    list(request.first_texts())
    list(request.last_texts())
