"""What a scripted model says in one turn, and how that looks on the wire."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal

from tests.upstream import DONE, Reply

Json = dict[str, Any]
Chunk = Json | str | bytes | float


@dataclass(frozen=True, slots=True)
class Say:
    """One answer. `calls` are (name, arguments); `ids` default to new ones, None leaves one out.

    `gap` and `silence` are seconds: before each chunk, and before the first one that says
    something. `stop_after` chunks the stream breaks off as `breaks` says.
    """

    text: str = ""
    calls: tuple[tuple[str, Json | str], ...] = ()
    reasoning: str = ""
    ids: tuple[str | None, ...] | None = None
    interleaved: bool = False
    usage: bool = True
    gap: float = 0.0
    silence: float = 0.0
    stop_after: int | None = None
    breaks: Literal["cut", "hang", "error"] = "cut"
    reply: Reply | None = None
    """Goes out as it is, whatever was asked for."""


def to_reply(say: Say, body: Json) -> Reply:
    """The answer in the form that was asked for: whole or streamed, with usage or without."""
    if say.reply is not None:
        return say.reply
    if not body.get("stream"):
        return Reply(_whole(say, body), delay=say.silence)
    options = body.get("stream_options") or {}
    usage = bool(options.get("include_usage"))
    chunks: list[Chunk] = [*_chunks(say, str(body.get("model")), usage)]
    if say.stop_after is None:
        return Reply(stream=_paced([*chunks, DONE], say))
    broken = chunks[: say.stop_after]
    if say.breaks == "error":
        return Reply(stream=_paced([*broken, _BREAK], say))
    return Reply(stream=_paced(broken, say), end=say.breaks)


_BREAK: Json = {"error": {"message": "the engine stopped", "type": "server_error", "code": 500}}


def _paced(chunks: list[Chunk], say: Say) -> list[Chunk]:
    role, *rest = chunks
    spread = [item for chunk in rest for item in ((say.gap, chunk) if say.gap else (chunk,))]
    return [role, say.silence, *spread]


def _usage(say: Say) -> Json:
    said = max(1, len(say.text) // 4 + 12 * len(say.calls))
    return {
        "prompt_tokens": 321,
        "completion_tokens": said,
        "total_tokens": 321 + said,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": len(say.reasoning) // 4},
    }


def _ids(say: Say) -> tuple[str | None, ...]:
    return say.ids or tuple(f"call_{uuid.uuid4().hex[:16]}" for _ in say.calls)


def _arguments(arguments: Json | str) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _whole(say: Say, body: Json) -> Json:
    message: Json = {"role": "assistant", "content": say.text or None}
    if say.reasoning:
        message["reasoning_content"] = say.reasoning
    if say.calls:
        message["tool_calls"] = [
            {
                "id": id or "",
                "type": "function",
                "function": {"name": name, "arguments": _arguments(arguments)},
            }
            for (name, arguments), id in zip(say.calls, _ids(say), strict=True)
        ]
    finish = "tool_calls" if say.calls else "stop"
    answer = _envelope(str(body.get("model")), "chat.completion")
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    return {**answer, "usage": _usage(say)} if say.usage else answer


def _envelope(model: str, kind: str) -> Json:
    id = f"chatcmpl-{uuid.uuid4().hex[:20]}"
    return {"id": id, "object": kind, "created": 1_760_000_000, "model": model}


def _chunks(say: Say, model: str, include_usage: bool) -> Iterator[Json]:
    base = _envelope(model, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**base, "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"reasoning_content": piece}) for piece in _pieces(say.reasoning, 6))
    yield from (chunk({"content": piece}) for piece in _pieces(say.text, 5))
    yield from (chunk({"tool_calls": [fragment]}) for fragment in _fragments(say))
    yield chunk({}, "tool_calls" if say.calls else "stop")
    if say.usage and include_usage:
        yield {**base, "choices": [], "usage": _usage(say)}


def _fragments(say: Say) -> Iterator[Json]:
    """The tool calls in pieces, one call after the other or all at the same time."""
    queues = [
        list(_call(index, name, arguments, id))
        for index, ((name, arguments), id) in enumerate(zip(say.calls, _ids(say), strict=True))
    ]
    if say.interleaved:
        for round in zip_longest(*queues):
            yield from (fragment for fragment in round if fragment is not None)
        return
    for queue in queues:
        yield from queue


def _call(index: int, name: str, arguments: Json | str, id: str | None) -> Iterator[Json]:
    head: Json = {"index": index, "type": "function"}
    if id is not None:
        head["id"] = id
    yield {**head, "function": {"name": name, "arguments": ""}}
    for piece in _pieces(_arguments(arguments), 7):
        yield {"index": index, "function": {"arguments": piece}}


def _pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]
