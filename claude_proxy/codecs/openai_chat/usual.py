"""The usual chunk of a Chat stream, parsed straight into the few fields that matter.

Nine of ten chunks hold a piece of text, of reasoning, or of one call's arguments, and nothing
else. Parsing those into typed fields, without a dict for each of their objects, halves the cost
of a chunk. The types below list all that may stand in such a chunk: of a choice or a delta with
one more key, or a value of another kind, this module says `None`, and whoever knows everything
that upstreams send reads it again.
"""

from typing import Any, Literal

import msgspec

from claude_proxy.codecs.openai_chat.calls import Piece


class Function(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    function: Function
    index: int | None = None
    id: str | None = None
    type: Literal["function"] | None = None


class Delta(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[Call] | None = None
    role: str | None = None
    refusal: None = None
    function_call: None = None


class _Choice(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    delta: Delta
    index: Literal[0] | None = None
    finish_reason: Literal[""] | None = None
    logprobs: None = None
    stop_reason: None = None  # vLLM
    token_ids: None = None  # vLLM
    native_finish_reason: None = None  # OpenRouter
    content_filter_results: Any = None  # Azure


class _Chunk(msgspec.Struct, gc=False):
    """What else stands beside the choices, such as id and model, is read from no chunk."""

    choices: tuple[_Choice]
    usage: None = None
    x_groq: None = None
    error: None = None


_decode = msgspec.json.Decoder(_Chunk).decode


def usual_delta(payload: bytes) -> Delta | None:
    """The delta of a usual chunk; `None` for any other payload, JSON or not."""
    try:
        return _decode(payload).choices[0].delta
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def as_piece(call: Call) -> Piece | None:
    """What `read_piece` makes of the same entry."""
    function = call.function
    id, name, arguments = call.id or "", function.name or "", function.arguments or ""
    return Piece(call.index, id, name, arguments) if id or name or arguments else None
