"""A conversation's requests begin with the same bytes, so that upstreams' prompt caches hold.

Every request of a conversation of twenty turns is compared with the one before it: all its bytes
up to the end of what had been said stand at the start of the next request, but for what the client
itself changed.
"""

import json
import os.path
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from claude_proxy.codecs import openai_chat, openai_responses
from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps, dumps_body, loads_body
from tests.conversation import Step, twenty_turns
from tests.request_cases import NAMED

Encode = Callable[[dict[str, Any]], bytes]

STEPS = twenty_turns()


def chat(**fields: Any) -> Encode:
    """The bytes of a Chat request, as the server makes them of the client's bytes."""
    profile = replace(NAMED["openai/gpt-4o"], **fields)

    def encode(body: dict[str, Any]) -> bytes:
        request = decode_request(loads_body(dumps(body)))
        return dumps_body(openai_chat.encode_request(request, profile=profile))

    return encode


def responses(**fields: Any) -> Encode:
    """The bytes of a Responses request."""
    profile = replace(NAMED["openai/gpt-5.4"], **fields)

    def encode(body: dict[str, Any]) -> bytes:
        request = decode_request(loads_body(dumps(body)))
        return dumps_body(openai_responses.encode_request(request, profile=profile))

    return encode


def unmarked(encode: Encode) -> Encode:
    """The same without the marks, which are no part of the prompt that is cached."""
    return lambda body: encode(body).replace(b',"cache_control":{"type":"ephemeral"}', b"")


LANGUAGES: dict[str, Encode] = {
    "chat": chat(),
    "chat, one system message": chat(system_messages="first"),
    "chat, with marks": unmarked(chat(cache_control="content_parts")),
    "chat, reasoning sent back": chat(reasoning_history="reasoning_content"),
    "responses": responses(),
    "responses, media in user messages": responses(result_media="user"),
}
"""What makes the bytes for an upstream; another language is one more row."""

each_language = pytest.mark.parametrize("encode", LANGUAGES.values(), ids=LANGUAGES.keys())


def said(raw: bytes) -> bytes:
    """A request without the brackets and quotes that end its JSON."""
    return raw.rstrip(b']}"')


def common(first: bytes, second: bytes) -> int:
    return len(os.path.commonprefix([first, second]))


def test_the_conversation_is_long_and_holds_all_that_changes() -> None:
    assert len(STEPS) >= 20
    changes = [step.changed for step in STEPS if step.changed]
    assert changes == ["tools, reminder", "image beside an earlier text", "compaction"]
    told = json.dumps([step.body for step in STEPS])
    for kind in ("tool_result", "image", "thinking", "tool_reference", "cache_control"):
        assert f'"type": "{kind}"' in told or f'"{kind}"' in told


@pytest.mark.pitfall(34)
@each_language
def test_each_request_begins_with_the_last_one(encode: Encode) -> None:
    sizes = []
    for before, after in zip(STEPS, STEPS[1:], strict=False):
        if after.changed:
            continue
        first, second = encode(before.body), encode(after.body)
        assert common(first, second) >= len(said(first))
        sizes.append(len(second) - len(first))
    assert len(sizes) >= 16 and all(size > 0 for size in sizes)


def changed_step(what: str) -> tuple[Step, Step]:
    at = next(index for index, step in enumerate(STEPS) if step.changed == what)
    return STEPS[at - 1], STEPS[at]


@each_language
def test_a_reminder_breaks_the_prefix_only_where_it_stood(encode: Encode) -> None:
    before, after = changed_step("tools, reminder")
    # With the tools of the next request, only the reminder is different.
    first, second = encode({**before.body, "tools": after.body["tools"]}), encode(after.body)
    words = b"Now load a tool."
    # Where texts are parts, the part ends before it.
    assert 0 <= common(first, second) - first.index(words) - len(words) <= len(b'"}')


@each_language
def test_a_loaded_tool_leaves_those_before_it_in_their_places(encode: Encode) -> None:
    before, after = changed_step("tools, reminder")
    first, second = encode(before.body), encode(after.body)
    names = [tool["name"] for tool in after.body["tools"]]
    assert names.index("WebFetch") < names.index("Write")
    assert common(first, second) >= first.index(b'"name":"Write"')
    assert second.index(b'"name":"Write"') < second.index(b'"name":"WebFetch"')


@each_language
def test_an_image_beside_an_earlier_text_changes_only_that_message(encode: Encode) -> None:
    before, after = changed_step("image beside an earlier text")
    first, second = encode(before.body), encode(after.body)
    assert common(first, second) >= first.rindex(b'"role":')


@each_language
def test_after_a_compaction_system_prompt_and_tools_are_still_the_same(encode: Encode) -> None:
    _, after = changed_step("compaction")
    billing = [step.body["system"][0]["text"] for step in (STEPS[0], after)]
    assert billing[0] != billing[1]
    loaded = {**STEPS[0].body, "tools": after.body["tools"]}
    sizes = STEPS[0].body["system"][2]["text"], after.body["system"][2]["text"]
    # The captures tell only how long the prompts were; here they are the same.
    compacted = json.loads(json.dumps(after.body).replace(sizes[1], sizes[0]))
    first, second = encode(loaded), encode(compacted)
    assert common(first, second) >= first.index(b'"role":"user"')


@each_language
def test_a_moved_mark_changes_nothing(encode: Encode) -> None:
    body = STEPS[5].body
    unmarked = json.loads(json.dumps(body).replace(', "cache_control": {"type": "ephemeral"}', ""))
    assert unmarked != body
    assert encode(unmarked) == encode(body)


@pytest.mark.pitfall(34)
@each_language
def test_keys_in_another_order_change_nothing(encode: Encode) -> None:
    body = STEPS[8].body
    assert encode(dict(reversed(body.items()))) == encode(body)


@pytest.mark.pitfall(34)
@pytest.mark.parametrize(
    "line",
    [
        "x-anthropic-billing-header: cc_version=2.1.329.e8d; cc_entrypoint=cli;",
        "x-anthropic-billing-header: cc_version=2.1.90; cc_entrypoint=cli; cch=ab12c;",
        "x-anthropic-billing-header: cc_version=2.1.90; cch=00000; cc_workload=cron;\nYou are",
    ],
)
@each_language
def test_the_billing_line_never_arrives(encode: Encode, line: str) -> None:
    body = STEPS[0].body
    system = [{**body["system"][0], "text": line}, *body["system"][1:]]
    assert b"x-anthropic-billing" not in encode({**body, "system": system})
