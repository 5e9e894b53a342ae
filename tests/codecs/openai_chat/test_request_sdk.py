"""Everything that the newest official SDK can put into a request arrives or is told."""

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic.types import ContentBlockParam, ToolUnionParam, message_create_params
from anthropic.types.beta import BetaContentBlockParam, BetaToolUnionParam
from anthropic.types.beta import message_create_params as beta_message_create_params
from typing_extensions import get_type_hints

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.blocks import CARRIED
from claude_proxy.codecs.openai_chat.client_tools import CLIENT_TOOLS
from claude_proxy.codecs.openai_chat.fields import CARRIED_FIELDS, DROPPED_FIELDS
from claude_proxy.codecs.openai_chat.reading import HISTORY_BLOCKS
from claude_proxy.codecs.openai_chat.request import encode_request
from claude_proxy.codecs.openai_chat.told import TELLERS
from claude_proxy.codecs.openai_chat.tools import SERVER_TOOLS
from tests.chat_rules import broken_rules
from tests.request_cases import NAMED
from tests.sdk_samples import Sampler, type_names, typed_dicts

GPT_4O = NAMED["openai/gpt-4o"]
KNOWN_BLOCKS = {*HISTORY_BLOCKS, *CARRIED, *TELLERS}
TOOL_TYPES = ("custom", *CLIENT_TOOLS, *SERVER_TOOLS)

BLOCKS = [*typed_dicts(ContentBlockParam), *typed_dicts(BetaContentBlockParam)]
TOOLS = [*typed_dicts(ToolUnionParam), *typed_dicts(BetaToolUnionParam)]
PARAMS = (
    message_create_params.MessageCreateParamsBase,
    beta_message_create_params.MessageCreateParamsBase,
)

UNTOLD = {
    *("type", "role", "id", "tool_use_id", "signature", "cache_control", "citations"),
    *("caller", "transformations", "trigger", "stop_reason", "toolset_name", "media_type"),
    *("encrypted_content", "encrypted_stdout", "data", "retrieved_at", "file_type"),
    *("definition", "description", "input_schema", "tools"),
}
"""Fields whose strings the model does not read: marks of the protocol, encrypted payloads, hints,
and the definitions of tools, which are sent as tools or noted."""


def encoded(content: list[Any], role: str = "user", **more: Any) -> tuple[str, list[str]]:
    """The Chat request of one message as JSON text, and the reasons of the notes."""
    message = {"role": role, "content": content}
    request = decode_request({"model": "m", "max_tokens": 1, "messages": [message], **more})
    reasons: list[str] = []
    chat = encode_request(request, profile=GPT_4O, on_drop=lambda _, why: reasons.append(why))
    assert broken_rules(chat) == []
    return dumps_text(chat), reasons


def strings(value: Any, field: str = "") -> Iterator[str]:
    """The strings that the model should get to know."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in UNTOLD:
                yield from strings(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner, field)
    elif isinstance(value, str) and value.startswith(f"{field}-"):
        yield value


def test_the_lists_of_the_sdk_are_read() -> None:
    assert (len(BLOCKS), len(TOOLS)) > (30, 30)


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.__name__)
def test_every_block_of_the_sdk_is_known(kind: Any) -> None:
    assert KNOWN_BLOCKS.issuperset(type_names(kind))


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.__name__)
def test_every_variant_of_every_block_reaches_the_model(kind: Any) -> None:
    for sample in Sampler().samples(kind):
        if sample["type"] in ("thinking", "redacted_thinking"):
            continue
        told, reasons = encoded([sample])
        assert "unknown block type, sent as JSON text" not in reasons
        assert [text for text in strings(sample) if text not in told] == []


@pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.__name__)
def test_every_tool_of_the_sdk_is_sent_as_a_function_or_noted(kind: Any) -> None:
    for sample in Sampler().samples(kind):
        for name in type_names(kind) or ("custom",):
            told, reasons = encoded(
                [{"type": "text", "text": "Hi"}], tools=[{**sample, "type": name}]
            )
            assert "unknown tool type without a schema" not in reasons
            assert '"type":"function"' in told or reasons


def test_every_tool_type_has_its_row() -> None:
    names = {name for kind in TOOLS for name in type_names(kind)}
    assert [name for name in names if not name.startswith(TOOL_TYPES)] == []


@pytest.mark.parametrize("params", PARAMS, ids=lambda params: params.__module__)
def test_every_field_of_the_sdk_is_known(params: Any) -> None:
    known = {*CARRIED_FIELDS, *DROPPED_FIELDS, "cache_control", "thread"}
    assert known.issuperset(get_type_hints(params))
