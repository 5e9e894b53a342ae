"""Parts that many requests share are translated once, and nobody can tell."""

import pytest

from claude_proxy import anthropic_messages, openai_chat, profile_for
from claude_proxy.codecs.jsonio import Shared, dumps, dumps_body, loads, loads_body
from claude_proxy.errors import RequestError

BILLING = "x-anthropic-billing-header: cc_version=1\nYou are brief."
CACHED = {"cache_control": {"type": "ephemeral"}}
BODY = {
    "model": "gpt-4o",
    "max_tokens": 5,
    "system": [{"type": "text", "text": BILLING, **CACHED}, {"type": "text", "text": "é" * 9000}],
    "tools": [
        {"name": "a.b", "description": "ü" * 9000, "input_schema": {"type": "object"}, **CACHED},
        {"name": "a.b", "input_schema": {}},
        {"type": "web_search_20250305", "name": "web_search"},
        {"name": "c", "strict": True, "input_schema": {"anyOf": []}},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi", **CACHED}]},
        {
            "role": "system",
            "content": [
                {
                    "type": "tool_addition",
                    "tool": {
                        "type": "tool_definition",
                        "definition": {"name": "late", "input_schema": {}},
                    },
                }
            ],
        },
    ],
}


def encode(body, model="gpt-4o"):
    notes = []
    request = anthropic_messages.decode_request(body)
    profile = profile_for("https://api.openai.com/v1", model)
    chat = openai_chat.encode_request(request, profile=profile, on_drop=lambda *n: notes.append(n))
    return chat, notes


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5", "qwen3"])
def test_the_translation_and_its_notes_are_the_same_every_time(model):
    raw = dumps(BODY)
    plain = encode(loads(raw), model)
    assert len(plain[1]) >= 5
    for _ in range(3):
        shared = loads_body(raw)
        assert isinstance(shared["tools"], Shared) and isinstance(shared["system"], Shared)
        assert encode(shared, model) == plain
    assert loads_body(raw) == BODY


def test_a_shared_part_that_is_wrong_is_wrong_every_time():
    raw = dumps({**BODY, "tools": [{"name": 5, "description": "a" * 20_000}]})
    for _ in range(2):
        with pytest.raises(RequestError, match="tools.0.name"):
            anthropic_messages.decode_request(loads_body(raw))


def test_shared_tools_are_written_once():
    raw = dumps({**BODY, "messages": BODY["messages"][:1]})
    chat, _ = encode(loads_body(raw))
    again, _ = encode(loads_body(raw))
    assert isinstance(chat["tools"], Shared) and chat["tools"] is again["tools"]
    assert dumps_body(chat) == dumps_body(again) == dumps(chat)
