"""An answer in Messages as its upstream wrote it, read as clients read it: strictly."""

from typing import Any

from claude_proxy.codecs import anthropic_messages
from claude_proxy.codecs.blocks import no_usage
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.errors import STATUS, ProtocolError, UpstreamError
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message

_DONE = b"[DONE]"
"""OpenAI's last event, which some send here too, and clients pass over."""

_EMPTY: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}
"""What may be missing in a block without harm."""


def message_of(body: bytes, *, streamed: bool) -> Message:
    """The message. Raises `ProtocolError` for what is none, and what was said in its place."""
    try:
        return _folded(body) if streamed else _whole(loads(body))
    except (ValueError, KeyError, TypeError, AttributeError):
        what = "a stream of Messages events" if streamed else "a message"
        raise ProtocolError(f"The upstream's answer is not {what}.") from None


def _whole(body: Json) -> Message:
    if body.get("type") == "error":
        raise _said(body)
    message: Any = {
        "stop_reason": None,
        **body,
        "content": [_block(block) for block in body["content"]],
        "usage": {**no_usage(), **(body.get("usage") or {})},
    }
    found: Message = message
    return found


def _block(block: Json) -> Any:
    return {**_EMPTY.get(block["type"], {}), **block}


def _folded(body: bytes) -> Message:
    decoder, fold = SSEDecoder(), MessageFold()
    for payload in [*decoder.feed(body), *decoder.close()]:
        if payload.strip() == _DONE:
            continue
        event = loads(payload)
        if event.get("type") == "error":
            raise _said(event)
        fold.feed(_event(event))
    if not fold.complete:
        raise ProtocolError("The upstream ended its answer before it was complete.")
    return fold.message


def _event(event: Any) -> Any:
    if event["type"] == "message_start":
        message = event["message"]
        return {**event, "message": {**message, "usage": message.get("usage") or no_usage()}}
    if event["type"] == "message_delta":
        return {**event, "usage": event.get("usage") or no_usage()}
    if event["type"] == "content_block_start":
        return {**event, "content_block": _block(event["content_block"])}
    return event


def _said(envelope: Json) -> UpstreamError:
    kind = envelope["error"].get("type")
    return anthropic_messages.decode_error(STATUS.get(kind, 502), dumps(envelope))
