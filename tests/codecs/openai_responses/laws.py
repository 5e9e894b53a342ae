"""Responses as hypothesis makes them: right ones with a stream of each, and events with anything
in them."""

import json
import random
from collections.abc import Iterator

from hypothesis import strategies as st

from claude_proxy.types import Json
from tests.codecs.openai_chat.laws import inputs, names, scatter, texts
from tests.codecs.openai_responses.plays import ENDS, end, event, item

summaries = st.lists(texts, max_size=3)
reasonings = st.builds(
    lambda own, kind, encrypted: {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in own if kind == "summary"],
        "content": [{"type": "reasoning_text", "text": text} for text in own if kind == "content"],
        "encrypted_content": encrypted,
    },
    summaries,
    st.sampled_from(["summary", "content"]),
    st.sampled_from([None, "ENC1", "ENC2"]),
)
parts = st.builds(lambda text: {"type": "output_text", "text": text}, texts) | st.builds(
    lambda text: {"type": "refusal", "refusal": text}, texts
)
messages = st.builds(lambda own: {"type": "message", "content": own}, st.lists(parts, max_size=3))
calls = st.builds(
    lambda name, input: {"type": "function_call", "name": name, "arguments": json.dumps(input)},
    names,
    inputs,
)
counts = st.integers(0, 99)
usages = st.none() | st.fixed_dictionaries(
    {"input_tokens": counts, "output_tokens": counts},
    optional={
        "input_tokens_details": st.fixed_dictionaries(
            {"cached_tokens": counts}, optional={"cache_write_tokens": counts}
        ),
        "output_tokens_details": st.fixed_dictionaries({"reasoning_tokens": counts}),
    },
)
statuses = st.sampled_from(
    [
        {"status": "completed"},
        {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
        {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        {},
    ]
)


def _numbered(items: list[Json]) -> list[Json]:
    kinds = {"reasoning": "rs", "message": "msg", "function_call": "fc"}
    return [{"id": f"{kinds[one['type']]}_{at}", **one} for at, one in enumerate(items)]


outputs = st.lists(reasonings | messages | calls, max_size=6).map(_numbered)
responses = st.builds(
    lambda status, output, usage: {
        "object": "response",
        "error": None,
        **status,
        "output": output,
        "usage": usage,
    },
    statuses,
    outputs,
    usages,
)


def streamed(response: Json, seed: int) -> bytes:
    """A stream of the same answer, with everything left out that a later event repeats: items
    that nobody announces, texts that break off until they are told whole, ends of items."""
    rng = random.Random(seed)
    data = [event("created", {"response": {"status": "in_progress", "output": []}})]
    waiting: list[Iterator[bytes]] = []
    for index, one in enumerate(response["output"]):
        if one["type"] == "function_call":
            waiting.append(_call(one, index, rng))
            continue
        data += [*_mixed(waiting, rng), *_prose(one, index, rng)]
        waiting = []
    data += _mixed(waiting, rng)
    name = "incomplete" if response.get("status") == "incomplete" else "completed"
    return b"".join([*data, end(response, name)])


def _mixed(streams: list[Iterator[bytes]], rng: random.Random) -> Iterator[bytes]:
    """The first event of each in order, so that the items are in order, then any of any."""
    for stream in streams:
        yield next(stream)
    while streams:
        stream = rng.choice(streams)
        data = next(stream, None)
        if data is None:
            streams.remove(stream)
        else:
            yield data


def _call(one: Json, index: int, rng: random.Random) -> Iterator[bytes]:
    yield item("added", index, {**one, "arguments": ""})
    at = {"output_index": index, "item_id": one["id"]}
    pieces = scatter(one["arguments"], rng)
    whole = rng.random() < 0.7
    for piece in pieces if whole else pieces[: rng.randint(0, len(pieces))]:
        yield event("function_call_arguments.delta", {**at, "delta": piece})
    if not whole or rng.random() < 0.5:
        yield event("function_call_arguments.done", {**at, "arguments": one["arguments"]})
    if rng.random() < 0.7:
        yield item("done", index, one)


def _prose(one: Json, index: int, rng: random.Random) -> Iterator[bytes]:
    if rng.random() < 0.7:
        yield item("added", index, {**one, "content": [], "summary": []})
    reasoning = one["type"] == "reasoning"
    whole = not reasoning and rng.random() < 0.5
    for source in ("summary", "content") if reasoning else ("content",):
        for number, part in enumerate(one[source]):
            kind, text = _kind(part), part.get("text", part.get("refusal"))
            at = {"output_index": index, f"{source}_index": number, "item_id": one["id"]}
            pieces = scatter(text, rng)
            for piece in pieces if whole or rng.random() < 0.7 else pieces[:1]:
                yield event(f"{kind}.delta", {**at, "delta": piece})
            if not whole:
                told = {"refusal": text} if kind == "refusal" else {"text": text}
                yield event(f"{kind}.done", {**at, **told})
    if reasoning or rng.random() < 0.7:
        yield item("done", index, one)


def _kind(part: Json) -> str:
    kinds = {"summary_text": "reasoning_summary_text", "reasoning_text": "reasoning_text"}
    kind: str = part["type"]
    return kinds.get(kind, kind)


junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "id", "text", "content", "summary"]), inner)
    ),
    max_leaves=5,
)
indexes = st.integers(0, 2) | junk
any_items = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "function_call", "reasoning", "novel"]) | junk},
    optional={
        "id": st.sampled_from(["", "a", "b"]) | junk,
        "call_id": st.just("c") | junk,
        "name": names | junk,
        "arguments": st.sampled_from(["", "{", "{}", '{"a":1}', "x"]) | junk,
        "content": st.lists(parts | junk, max_size=2) | junk,
        "summary": st.lists(st.fixed_dictionaries({"text": texts | junk}) | junk) | junk,
        "encrypted_content": st.just("ENC") | junk,
    },
)
any_events = st.builds(
    lambda type, fields: {**fields, "type": type},
    st.sampled_from(
        [
            *("response.output_item.added", "response.output_item.done"),
            *(
                f"response.{name}.{part}"
                for name in (
                    *("output_text", "refusal", "content_part", "reasoning_text"),
                    *("function_call_arguments", "reasoning_summary_text"),
                )
                for part in ("added", "delta", "done")
            ),
        ]
    ),
    st.fixed_dictionaries(
        {},
        optional={
            "output_index": indexes,
            "content_index": indexes,
            "summary_index": indexes,
            "item_id": st.sampled_from(["", "a", "b"]) | junk,
            "item": any_items | junk,
            "part": parts | junk,
            "delta": st.sampled_from(["", "{", "}", '{"a":', "1}", "x"]) | junk,
            "text": texts | junk,
            "refusal": texts | junk,
            "arguments": st.sampled_from(["", "{}", '{"a":1}']) | junk,
        },
    ),
)
any_ends = st.builds(
    lambda name, response: {"type": f"response.{name}", "response": response},
    st.sampled_from(ENDS),
    st.fixed_dictionaries(
        {},
        optional={
            "status": st.sampled_from(["completed", "incomplete", "failed", "queued"]) | junk,
            "error": st.none() | junk,
            "incomplete_details": junk,
            "output": st.lists(any_items | junk, max_size=3) | junk,
            "output_text": junk,
            "usage": usages | junk,
        },
    )
    | junk,
)
payloads = (
    any_events
    | any_events
    | any_ends
    | st.dictionaries(st.sampled_from(["type", "object", "error", "output", "message"]), junk)
)
