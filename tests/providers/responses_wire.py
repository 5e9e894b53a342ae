"""Answers as OpenAI's Responses API writes them: items, with reasoning before each call."""

import json
from collections.abc import Iterator
from typing import Any

from tests.providers.said import CACHED, Said, answer_tokens, pieces, prompt_tokens
from tests.upstream import Play

Json = dict[str, Any]


def encrypted(number: int, place: int) -> str:
    return f"gAAAA{number}{place}{'x' * 60}=="


def items(said: Said, number: int) -> list[Json]:
    """The output. Only the first piece of reasoning has a summary, the others are hidden."""
    found = [_reasoning(number, 0, said.thought)]
    if said.text:
        part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        message = {"type": "message", "id": f"msg_{number}", "role": "assistant"}
        found.append({**message, "status": "completed", "content": [part]})
    for place, (name, arguments) in enumerate(said.calls):
        if found[-1]["type"] != "reasoning":
            found.append(_reasoning(number, place + 1, ""))
        call = {"type": "function_call", "id": f"fc_{number}_{place}", "status": "completed"}
        called = {"call_id": f"call_{number}_{place}", "name": name}
        found.append({**call, **called, "arguments": json.dumps(arguments)})
    return found


def _reasoning(number: int, place: int, thought: str) -> Json:
    summary = [{"type": "summary_text", "text": thought}] if thought else []
    item = {"type": "reasoning", "id": f"rs_{number}_{place}", "summary": summary}
    return {**item, "encrypted_content": encrypted(number, place)}


def response(said: Said, number: int) -> Json:
    prompt, answer = prompt_tokens(number), answer_tokens(number)
    counts = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": CACHED},
        "output_tokens": answer,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": prompt + answer,
    }
    return {
        **_envelope(number),
        "status": "completed",
        "output": items(said, number),
        "usage": counts,
    }


def _envelope(number: int) -> Json:
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1_760_000_000,
        "error": None,
        "incomplete_details": None,
        "model": "scripted",
    }


def stream(said: Said, number: int) -> Play:
    begun = {**_envelope(number), "status": "in_progress", "output": [], "usage": None}
    events: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(items(said, number)):
        place = {"output_index": index}
        events.append({"type": "response.output_item.added", **place, "item": _bare(item)})
        events += ({**event, **place, "item_id": item["id"]} for event in _inside(item))
        events.append({"type": "response.output_item.done", **place, "item": item})
    events.append({"type": "response.completed", "response": response(said, number)})
    return [_framed({**event, "sequence_number": at}) for at, event in enumerate(events)]


def _framed(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _bare(item: Json) -> Json:
    """An item as it is when nothing of it has come."""
    match item["type"]:
        case "message":
            return {**item, "status": "in_progress", "content": []}
        case "function_call":
            return {**item, "status": "in_progress", "arguments": ""}
        case _:
            # The beginning of the encrypted content, which is another one at the end.
            return {**item, "summary": [], "encrypted_content": "gAAAA-first"}


def _inside(item: Json) -> Iterator[Json]:
    match item["type"]:
        case "message":
            yield from _text(item["content"][0])
        case "function_call":
            kind = "response.function_call_arguments"
            for piece in pieces(item["arguments"], 5):
                yield {"type": f"{kind}.delta", "delta": piece, "obfuscation": "x"}
            yield {"type": f"{kind}.done", "arguments": item["arguments"]}
        case _:
            for place, part in enumerate(item["summary"]):
                yield from _summary(place, part)


def _text(part: Json) -> Iterator[Json]:
    place = {"content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"]}
    yield {"type": "response.content_part.done", **place, "part": part}


def _summary(place: int, part: Json) -> Iterator[Json]:
    kind, at = "response.reasoning_summary", {"summary_index": place}
    yield {"type": f"{kind}_part.added", **at, "part": {**part, "text": ""}}
    for piece in pieces(part["text"]):
        yield {"type": f"{kind}_text.delta", **at, "delta": piece}
    yield {"type": f"{kind}_text.done", **at, "text": part["text"]}
    yield {"type": f"{kind}_part.done", **at, "part": part}
