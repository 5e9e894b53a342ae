"""A correction by itself: what it may be, what it changes, how it is told."""

from dataclasses import fields, replace
from typing import Literal

import pytest

from claude_proxy.learning import Correction, corrected
from claude_proxy.learning import correction as correction_module
from claude_proxy.learning.correction import DROPPABLE
from claude_proxy.learning.names import refused
from claude_proxy.profiles import GENERIC, Profile

PLAIN = Profile("plain", session_field="session_id")

SAMPLES = [
    (Correction("without", "temperature"), "temperature is not sent"),
    (Correction("without", "tools.strict"), "tools.strict is not sent"),
    (Correction("schema_without", "const"), "schemas have no const"),
    (Correction("without_betas", "a-2025-01-01"), "the beta a-2025-01-01 is not asked for"),
    (
        Correction("max_tokens_field", "max_completion_tokens"),
        "the limit of output tokens is sent as max_completion_tokens",
    ),
    (Correction("max_output_tokens", 4096), "at most 4096 output tokens"),
    (Correction("max_stops", 0), "at most 0 stop sequences"),
    (Correction("efforts", ("low", "high")), "only these levels of reasoning: low, high"),
    (Correction("effort_with_tools", "none"), "with tools only the effort none"),
    (Correction("system_messages", "first"), "later system messages are sent as user text"),
    (Correction("reasoning_history", "reasoning_content"), "earlier reasoning is sent back"),
    (Correction("strict_schemas", False), "schemas are not marked strict"),
    (Correction("stream_usage", False), "usage is not asked for in streams"),
    (Correction("user_field", None), "no user is named"),
    (Correction("session_field", None), "no session is named"),
    (Correction("tool_name_length", 32), "tool names of at most 32 characters"),
    (Correction("tool_id_length", 9), "tool call ids of at most 9 characters"),
]


@pytest.mark.pitfall(21)
@pytest.mark.parametrize(("correction", "sentence"), SAMPLES, ids=lambda one: str(one)[:40])
def test_a_correction_changes_its_field_and_says_so(correction, sentence):
    assert correction.legal
    assert correction.sentence == sentence and sentence.isascii()
    changed = corrected(PLAIN, [correction])
    assert changed != PLAIN and correction.apply(changed) == changed
    different = {
        field.name
        for field in fields(Profile)
        if getattr(changed, field.name) != getattr(PLAIN, field.name)
    }
    # What belongs to a field goes with it.
    assert different - {"reasoning_missing"} == {correction.field}


def test_earlier_reasoning_can_be_dropped_again():
    drop = Correction("reasoning_history", "drop")
    sends = replace(PLAIN, reasoning_history="reasoning")
    assert drop.legal and drop.apply(sends) == PLAIN
    assert drop.sentence == "earlier reasoning is not sent back"


@pytest.mark.parametrize("name", ["model", "messages", "tools", "tool_choice", "stream"])
def test_what_makes_the_request_is_never_left_out(name):
    assert name not in DROPPABLE
    assert not Correction("without", name).legal
    assert refused(name) == ()


@pytest.mark.parametrize(
    "correction",
    [
        Correction("name", "other"),
        Correction("max_output_tokens", 255),
        Correction("max_output_tokens", True),
        Correction("stream_usage", True),
        Correction("stream_usage", 0),
        Correction("efforts", ()),
        Correction("efforts", "low"),
        Correction("efforts", ("low", "furious")),
        Correction("reasoning_history", "somewhere"),
    ],
)
def test_other_fields_and_values_are_not_learned(correction):
    assert not correction.legal


@pytest.mark.parametrize(
    ("name", "learned"),
    [
        ("", None),
        (".[]", None),
        ("stop", ("max_stops", 0)),
        ("reasoningEffort", ("without", "reasoning_effort")),
        ("reasoning_effort", ("without", "reasoning_effort")),
        ("stream_options.include_usage", ("stream_usage", False)),
        ("tools[3].function.strict", ("strict_schemas", False)),
        ("tools.3.function.parameters.user", None),
        ("response_format.json_schema.strict", ("strict_schemas", False)),
        ("messages.31.assistant.reasoning_content", ("reasoning_history", "drop")),
        ("messages.0.user.name", None),
        ("no_such_field", None),
    ],
)
def test_a_refused_name_is_understood(name, learned):
    found = [(correction.field, correction.value) for correction in refused(name)]
    assert found == ([learned] if learned else [])


REQUEST = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize(
    ("correction", "more", "path"),
    [
        (
            Correction("effort_with_tools", "none"),
            {"tools": [{"name": "a"}]},
            "output_config.effort",
        ),
        (
            Correction("system_messages", "first"),
            {"messages": [{"role": "system", "content": "Hi"}]},
            "messages",
        ),
    ],
)
def test_changes_that_the_encoder_does_not_tell_are_told(correction, more, path):
    assert correction.note({**REQUEST, **more}) == (path, correction.sentence)
    assert correction.note(REQUEST) is None


def test_the_others_are_told_by_the_encoder_or_lose_nothing():
    request = {**REQUEST, "tools": [{"name": "a"}]}
    assert Correction("without", "temperature").note(request) is None
    assert Correction("stream_usage", False).note(request) is None


def test_the_generic_profile_is_the_one_that_needs_no_correction_of_system_messages():
    assert Correction("system_messages", "first").apply(GENERIC) == GENERIC


def test_a_field_of_another_type_is_not_learned(monkeypatch):
    images = Correction("vision", "told")
    monkeypatch.setitem(correction_module._TYPES, "vision", Literal["parts", "told"])
    assert images.legal
    monkeypatch.setitem(correction_module._TYPES, "vision", int | None)
    assert not images.legal
    monkeypatch.delitem(correction_module._TYPES, "vision")
    assert not images.legal
