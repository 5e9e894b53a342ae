"""Answers as Chat Completions providers write them, each with its own oddities."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.providers.said import CACHED, Said, answer_tokens, pieces, prompt_tokens
from tests.upstream import DONE, Play, chunk

Json = dict[str, Any]

FORMAT = "anthropic-claude-v1"
TAGGED = "<think>\n{}\n</think>\n\n"


@dataclass(frozen=True, slots=True)
class Wire:
    """How one provider writes. The defaults are OpenAI's ways."""

    reasoning: Literal[
        "none", "reasoning_content", "reasoning", "tags", "parts", "details", "signed"
    ] = "none"
    """Where the thought stands; "signed": on the calls or the text, readable for itself only."""
    thinks_between: bool = False
    """Whether a part of the thought comes in a stream only before the second call."""
    signed_in: str = "google"
    """The name in `extra_content` under which a signature stands."""
    index: Literal["counted", "zero", "missing", "shifted"] = "counted"
    """Of calls; "shifted": the arguments have another one than their head (agno PR#8880)."""
    arguments: Literal["pieces", "name first", "whole", "object", "with finish"] = "pieces"
    """Of a call's chunks: a head and its arguments in pieces; a name, then all arguments; one
    chunk; one chunk with an object; one chunk for all calls that is the last one too."""
    nothing: str = "{}"
    """The arguments of a call without any."""
    id: Callable[[int, int], str] = "call_{}_{}".format
    """The id of a call, by the numbers of its answer and of itself."""
    tail: Mapping[str, Any] = field(default_factory=dict)
    """What chunks of a call's arguments say beside them."""
    ends: tuple[str, str] = ("tool_calls", "stop")
    """The finish reason after calls, and without any."""
    usage: Literal["chunk", "last", "every", "x_groq", "choice", "message"] = "chunk"
    """Where the counts stand: in a chunk without choices, in the last one with a choice, in every
    one, under `x_groq`, in the choice, in a last frame that is the whole answer once more."""
    cached: Literal["details", "hit", "plain", "none"] = "details"
    first: tuple[Json | bytes, ...] = ()
    """What comes before everything."""
    opening: Mapping[str, Any] = field(
        default_factory=lambda: {"role": "assistant", "content": None}
    )
    blank: Mapping[str, Any] = field(default_factory=dict)
    """What every delta has, if it says nothing else there."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What every chunk has beside its choices."""
    late: tuple[Json, ...] = ()
    """What comes after the finish reason."""
    done: bool = True
    """Whether `[DONE]` is said."""


def signed(number: int, wire: Wire) -> Json:
    """The `extra_content` of an answer's first call, or of its text."""
    return {wire.signed_in: {"thought_signature": signature(number)}}


def signature(number: int) -> str:
    """What only the provider can read, in its answer of that number."""
    return f"sig/{number}+{'A' * 40}="


def details(said: Said, number: int) -> list[Json]:
    """OpenRouter's array, whole: a signed text, then what is encrypted."""
    text = {"type": "reasoning.text", "text": said.thought, "index": 0, "format": FORMAT}
    hidden = {
        "type": "reasoning.encrypted",
        "data": f"ENC{number}",
        "index": 1,
        "id": f"rs_{number}",
    }
    return [{**text, "signature": signature(number)}, {**hidden, "format": "openai-responses-v1"}]


def usage(number: int, wire: Wire) -> Json:
    prompt, answer = prompt_tokens(number), answer_tokens(number)
    counts: Json = {"prompt_tokens": prompt, "completion_tokens": answer}
    counts["total_tokens"] = prompt + answer
    if wire.cached == "details":
        counts["prompt_tokens_details"] = {"cached_tokens": CACHED, "audio_tokens": 0}
    elif wire.cached == "hit":
        counts["prompt_cache_hit_tokens"] = CACHED
        counts["prompt_cache_miss_tokens"] = prompt - CACHED
    elif wire.cached == "plain":
        counts["cached_tokens"] = CACHED
    return counts


def whole(said: Said, number: int, wire: Wire) -> Json:
    """The answer in one body."""
    finish = wire.ends[0] if said.calls else wire.ends[1]
    choice = {"index": 0, "message": _message(said, number, wire), "finish_reason": finish}
    body = {
        **chunk({}),
        "object": "chat.completion",
        **wire.beside,
        "choices": [choice],
        "usage": usage(number, wire),
    }
    if wire.usage == "x_groq":
        body["x_groq"] = {"id": "req_1"}
    return body


def _message(said: Said, number: int, wire: Wire) -> Json:
    message: Json = {"role": "assistant", "content": said.text or None, "refusal": None}
    match wire.reasoning:
        case "reasoning_content" | "reasoning":
            message[wire.reasoning] = said.thought
        case "tags":
            message["content"] = TAGGED.format(said.thought) + said.text
        case "parts":
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": said.thought}]}
            text = [{"type": "text", "text": said.text}] if said.text else []
            message["content"] = [thinking, *text]
        case "details":
            message["reasoning"] = said.thought
            message["reasoning_details"] = details(said, number)
        case "signed" if not said.calls:
            message["extra_content"] = signed(number, wire)
    if said.calls:
        calls = [_call(each, number, place, wire) for place, each in enumerate(said.calls)]
        message["tool_calls"] = calls
    return message


def _call(call: tuple[str, Json], number: int, place: int, wire: Wire) -> Json:
    """A whole call; of parallel ones only the first is signed, as Gemini does it."""
    name, arguments = call
    written: Any = json.dumps(arguments) if arguments else wire.nothing
    if wire.arguments == "object":
        written = arguments
    found: Json = {"id": wire.id(number, place), "type": "function"}
    if wire.index != "missing":
        found["index"] = 0 if wire.index == "zero" else place
    if wire.reasoning == "signed" and place == 0:
        found["extra_content"] = signed(number, wire)
    return {**found, "function": {"name": name, "arguments": written}}


def stream(said: Said, number: int, wire: Wire) -> Play:
    """The answer in chunks."""
    finish = wire.ends[0] if said.calls else wire.ends[1]
    deltas = [{**wire.opening}, *_prose(said, number, wire)]
    last: Json = {}
    if wire.arguments == "with finish":
        calls = [_call(each, number, place, wire) for place, each in enumerate(said.calls)]
        last = {"content": "", **({"tool_calls": calls} if calls else {})}
    else:
        deltas += _called(said, number, wire)
    if wire.reasoning == "signed" and not said.calls:
        deltas.append({"extra_content": signed(number, wire)})
    beside: Json = {**wire.beside}
    if wire.usage == "every":
        beside["usage"] = usage(number, wire)
    chunks = [chunk({**wire.blank, **delta}, **beside) for delta in deltas]
    end = [*_ending(said, last, finish, number, wire, beside), *wire.late]
    return [*wire.first, *chunks, *end, *([DONE] if wire.done else [])]


def _ending(
    said: Said, last: Json, finish: str, number: int, wire: Wire, beside: Json
) -> Iterator[Json]:
    counts = usage(number, wire)
    match wire.usage:
        case "last":
            yield chunk({**wire.blank, **last}, finish, **{**beside, "usage": counts})
        case "x_groq":
            yield chunk(last, finish, **beside, x_groq={"id": "req_1", "usage": counts})
        case "choice":
            ended = chunk({**wire.blank, **last}, finish, **beside)
            ended["choices"][0]["usage"] = counts
            yield ended
        case "message":
            yield chunk({**wire.blank, **last}, finish, **beside)
            yield whole(said, number, wire)
        case "every":
            yield chunk({**wire.blank, **last}, finish, **beside)
        case _:
            yield chunk({**wire.blank, **last}, finish, **beside)
            yield {**chunk({}), **beside, "choices": [], "usage": counts}


def _prose(said: Said, number: int, wire: Wire) -> Iterator[Json]:
    """The thought and the text."""
    match wire.reasoning:
        case "tags":
            tagged = TAGGED.format(said.thought) + said.text
            yield from ({"content": piece} for piece in pieces(tagged))
            return
        case "reasoning_content" | "reasoning":
            thought = _halves(said, wire)[0]
            yield from ({wire.reasoning: piece} for piece in pieces(thought))
        case "parts":
            for piece in pieces(said.thought):
                part = {"type": "thinking", "thinking": [{"type": "text", "text": piece}]}
                yield {"content": [part]}
        case "details":
            yield from _detailed(said, number)
    yield from ({"content": piece} for piece in pieces(said.text))


def _halves(said: Said, wire: Wire) -> tuple[str, str]:
    """The thought, and what of it stands before the second call."""
    cut = len(said.thought)
    if wire.thinks_between and len(said.calls) > 1:
        cut //= 2
    return said.thought[:cut], said.thought[cut:]


def _detailed(said: Said, number: int) -> Iterator[Json]:
    """The signature comes alone, without a text, as Claude's does behind OpenRouter."""
    text, hidden = details(said, number)
    signed = text.pop("signature")
    for piece in pieces(said.thought):
        yield {"content": "", "reasoning": piece, "reasoning_details": [{**text, "text": piece}]}
    del text["text"]
    yield {"content": "", "reasoning_details": [{**text, "signature": signed}]}
    yield {"content": "", "reasoning_details": [hidden]}


def _called(said: Said, number: int, wire: Wire) -> Iterator[Json]:
    for place, each in enumerate(said.calls):
        call = _call(each, number, place, wire)
        arguments = call["function"]["arguments"]
        if place == 1 and (rest := _halves(said, wire)[1]):
            yield {wire.reasoning: rest}
        if wire.arguments in ("whole", "object"):
            yield {"tool_calls": [call]}
            continue
        head = {**call, "function": {"name": each[0], "arguments": ""}}
        if wire.arguments == "name first":
            del head["function"]["arguments"]
        yield {"tool_calls": [head]}
        shift = 1 if wire.index == "shifted" else 0
        index = {"index": call["index"] + shift} if "index" in call else {}
        parts = [arguments] if wire.arguments == "name first" else pieces(arguments, 5)
        for piece in parts:
            yield {"tool_calls": [{**index, **wire.tail, "function": {"arguments": piece}}]}


def joined(content: Any) -> str:
    """The text of a message's content, be it null, a string or parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or ""
