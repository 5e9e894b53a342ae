"""Everything that the newest Anthropic SDK can put into a request arrives here too, or is told."""

from typing import Any

import pytest

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_responses import encode_request
from tests.codecs.openai_chat.test_request_sdk import BLOCKS, TOOLS, strings
from tests.request_cases import NAMED
from tests.responses_rules import broken_rules
from tests.sdk_samples import Sampler, type_names

GPT_5 = NAMED["openai/gpt-5"]


def encoded(content: list[Any], **more: Any) -> tuple[str, list[str]]:
    """The Responses request of one message as JSON text, and the reasons of the notes."""
    message = {"role": "user", "content": content}
    request = decode_request({"model": "m", "max_tokens": 16, "messages": [message], **more})
    reasons: list[str] = []
    sent = encode_request(request, profile=GPT_5, on_drop=lambda _, why: reasons.append(why))
    assert broken_rules(sent) == []
    return dumps_text(sent), reasons


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.__name__)
def test_every_variant_of_every_block_reaches_the_model(kind: Any) -> None:
    for sample in Sampler().samples(kind):
        if sample["type"] in ("thinking", "redacted_thinking"):
            continue
        told, reasons = encoded([sample])
        assert "unknown block type, sent as JSON text" not in reasons
        assert [text for text in strings(sample) if text not in told] == []


@pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.__name__)
def test_every_tool_is_sent_as_a_function_or_noted(kind: Any) -> None:
    for sample in Sampler().samples(kind):
        for name in type_names(kind) or ("custom",):
            tools = [{**sample, "type": name}]
            told, reasons = encoded([{"type": "text", "text": "Hi"}], tools=tools)
            assert "unknown tool type without a schema" not in reasons
            assert '"type":"function"' in told or reasons
