"""Earlier reasoning in a client's assistant message → thinking blocks.

Messages wants every thinking block back with its signature. Our own answers give it beside the
text in `reasoning_details`, in OpenRouter's form, and clients that know it send it back; LiteLLM's
`thinking_blocks` hold the blocks themselves. A text alone proves nothing, and is left out.
"""

from collections.abc import Iterator

from claude_proxy.codecs.openai_chat.content import as_objects
from claude_proxy.codecs.openai_chat.context import Notes
from claude_proxy.types import Json

DETAILS_FORMAT = "anthropic-claude-v1"
"""OpenRouter's name for the signatures of Messages."""

_TEXTS = ("reasoning_content", "reasoning", "reasoning_text")
_LISTS = ("thinking_blocks", "reasoning_details")
REASONING_FIELDS = (*_TEXTS, *_LISTS)


def earlier_thinking(message: Json, path: str, notes: Notes) -> list[Json]:
    """The signed blocks; what has no signature is noted."""
    for name in _LISTS:
        found = [_block(entry) for entry in as_objects(message.get(name))]
        blocks = [block for block in found if block is not None]
        if len(blocks) < len(found):
            notes.once("thinking", f"{path}.{name}", "earlier reasoning without a signature")
        if blocks:
            return blocks
    for name in _texts(message):
        notes.once("thinking", f"{path}.{name}", "earlier reasoning without a signature")
    return []


def _texts(message: Json) -> Iterator[str]:
    yield from (name for name in _TEXTS if message.get(name))


def _block(entry: Json) -> Json | None:
    if entry.get("format") not in (None, DETAILS_FORMAT):
        return None
    match entry.get("type"):
        case "thinking":
            return _thinking(entry.get("thinking"), entry.get("signature"))
        case "reasoning.text":
            return _thinking(entry.get("text"), entry.get("signature"))
        case "redacted_thinking" | "reasoning.encrypted":
            data = entry.get("data")
            redacted = isinstance(data, str) and data
            return {"type": "redacted_thinking", "data": data} if redacted else None
    return None


def _thinking(text: object, signature: object) -> Json | None:
    if not isinstance(signature, str) or not signature:
        return None
    said = text if isinstance(text, str) else ""
    return {"type": "thinking", "thinking": said, "signature": signature}
