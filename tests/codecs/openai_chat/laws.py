"""Streams as hypothesis makes them: right ones, and chunks with anything in them."""

import random

from hypothesis import strategies as st

from claude_proxy.types import Json
from tests.codecs.openai_chat.plays import chunk, payload

names = st.sampled_from(["A", "B", "short_1"])
inputs = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=3)
calls = st.lists(st.tuples(names, inputs), max_size=4)
texts = st.text(max_size=20) | st.sampled_from(["<think>", "<thi", "nk>a</", "</think>b"])
finishes = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "odd"])
usages = st.none() | st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 99), "completion_tokens": st.integers(0, 99)},
    optional={
        "prompt_tokens_details": st.fixed_dictionaries({"cached_tokens": st.integers(0, 99)})
    },
)
seeds = st.integers(0, 2**32)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["index", "id", "function", "text", "type"]), inner)
    ),
    max_leaves=5,
)
pieces = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 2) | st.none(),
        "id": st.sampled_from(["", "c1", "c2", "c3"]),
        "function": st.fixed_dictionaries(
            {},
            optional={
                "name": names | st.just(""),
                "arguments": st.sampled_from(["", "{", "}", '{"a":', "1}", "{}", '"', "x"]) | junk,
            },
        ),
    },
)
deltas = st.fixed_dictionaries(
    {},
    optional={
        "role": st.just("assistant") | junk,
        "content": texts | junk,
        "reasoning_content": texts | junk,
        "reasoning": texts | junk,
        "refusal": texts | junk,
        "tool_calls": st.lists(pieces | junk, max_size=3) | junk,
        "function_call": junk,
    },
)
payloads = st.builds(
    lambda delta, finish, usage: {
        "choices": [{"delta": delta, "finish_reason": finish}],
        "usage": usage,
    },
    deltas | junk,
    st.none() | finishes | junk,
    usages | junk,
) | st.dictionaries(st.sampled_from(["choices", "error", "usage", "object", "detail"]), junk)


def scatter(text: str, rng: random.Random) -> list[str]:
    pieces = []
    while text:
        size = rng.randint(1, 8)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def streamed(message: Json, finish: str, usage: Json | None, seed: int) -> bytes:
    """A stream of the same answer; the pieces of its calls are mixed at random."""
    rng = random.Random(seed)
    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"reasoning_content": s}) for s in scatter(message["reasoning_content"], rng)]
    chunks += [chunk({"content": piece}) for piece in scatter(message["content"], rng)]
    tails = []
    for index, call in enumerate(message["tool_calls"]):
        function = {"name": call["function"]["name"], "arguments": ""}
        chunks.append(
            chunk({"tool_calls": [{"index": index, "id": f"c{index}", "function": function}]})
        )
        tails.append([(index, s) for s in scatter(call["function"]["arguments"], rng)])
    while tails := [tail for tail in tails if tail]:
        index, piece = rng.choice(tails).pop(0)
        chunks.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
    chunks.append(chunk({}, finish))
    if usage is not None:
        chunks.append(payload({"choices": [], "usage": usage}))
    return b"".join(chunks) + b"data: [DONE]\n\n"
