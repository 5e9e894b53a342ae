"""What hypothesis makes: JSON of all kinds, and requests and answers that are nearly right."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from claude_proxy.codecs.anthropic_messages import BLOCKS, SOURCES
from claude_proxy.codecs.openai_chat.told import TELLERS
from claude_proxy.codecs.openai_chat.tools import SERVER_TOOLS
from tests.request_cases import IN_CHAT, load_captures, load_cases

Json = dict[str, Any]
Place = tuple[str | int, ...]

REQUESTS = [*(case.messages for case in load_cases()), *load_captures().values()]
_ANSWERS = Path(__file__).parents[1] / "cases" / "openai_chat" / "response"
ANSWERS = [json.loads(path.read_bytes())["chat"] for path in sorted(_ANSWERS.glob("*.json"))]
PROFILES = st.sampled_from(sorted(IN_CHAT.values(), key=lambda profile: profile.name))


def paths(value: Any, at: Place = ()) -> Iterator[Place]:
    """The place of every value inside, but not of the whole."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield (*at, key)
        if isinstance(inner, dict | list):
            yield from paths(inner, (*at, key))


def value_at(value: Any, path: Place) -> Any:
    for key in path:
        value = value[key]
    return value


def _words() -> tuple[list[str], list[str]]:
    """The keys and the short texts of all golden requests and answers."""
    keys, texts = set(), {*BLOCKS, *SOURCES, *TELLERS, *SERVER_TOOLS}
    for known in (*REQUESTS, *ANSWERS):
        for path in paths(known):
            keys.add(str(path[-1]))
            found = value_at(known, path)
            if isinstance(found, str) and len(found) < 30:
                texts.add(found)
    return sorted(keys), sorted(texts)


KEYS, TEXTS = _words()
ODD_TEXTS = [
    *("", " ", "\x00", "\u2028", "\x85", "\ufeff", "\U0001f44d", "\ud7ff", "\uffff", "e\u0301"),
    *("a" * 65, "é" * 41, "x-anthropic-billing-header: 1\n", '{"a": 1', "[DONE]", "data: x\n\n"),
    *("</document>", "data:image/png;base64,", "../..", "a.b/c", "${x}", "<script>"),
]
ODD_NUMBERS = [0, -1, 1, 2**31, 2**63, -(2**64), 10**30, 0.5, -0.0, 1e308, 5e-324, 128_000]

texts = st.sampled_from(TEXTS) | st.sampled_from(ODD_TEXTS) | st.text(max_size=12)
leaves = st.none() | st.booleans() | st.sampled_from(ODD_NUMBERS) | texts
any_json = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=12,
)
"""Any JSON; often with words that mean something in a request or an answer."""


def _replace(value: Any, path: Place, new: Any) -> None:
    value_at(value, path[:-1])[path[-1]] = new


def _delete(value: Any, path: Place, _: Any) -> None:
    del value_at(value, path[:-1])[path[-1]]


def _add(value: Any, path: Place, new: Any) -> None:
    """Beside the place: one more entry of the list, or one more field."""
    parent = value_at(value, path[:-1])
    if isinstance(parent, list):
        parent.insert(int(path[-1]), new)
    else:
        parent[f"{path[-1]}_"] = new


def _repeat(value: Any, path: Place, _: Any) -> None:
    _add(value, path, copy.deepcopy(value_at(value, path)))


@st.composite
def mutated(draw: st.DrawFn, known: list[Json], most: int = 4) -> Json:
    """One of the known values with up to `most` places replaced, left out, added or doubled."""
    value = copy.deepcopy(draw(st.sampled_from(known)))
    for _ in range(draw(st.integers(0, most))):
        places = list(paths(value))
        if places:
            place = places[draw(st.integers(0, len(places) - 1))]
            change = draw(st.sampled_from([_replace, _replace, _delete, _add, _repeat]))
            # Parts of other values, in wrong places, come further than arbitrary ones.
            other = draw(st.sampled_from(known))
            parts = list(paths(other))
            foreign = st.integers(0, len(parts) - 1).map(lambda at, o=other, p=parts: (o, p[at]))
            new = draw(any_json | foreign)
            if isinstance(new, tuple):
                new = copy.deepcopy(value_at(*new))
            change(value, place, new)
    return value


def _typed(within: str) -> list[Json]:
    """Every object with a type in the lists of this name, in all golden requests."""
    found = [
        value_at(request, path)
        for request in REQUESTS
        for path in paths(request)
        if len(path) > 1 and path[-2] == within
    ]
    return [value for value in found if isinstance(value, dict)]


blocks = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(sorted({*BLOCKS, *TELLERS})) | texts,
    st.dictionaries(st.sampled_from(KEYS), any_json, max_size=5),
)
contents = texts | st.lists(mutated(_typed("content"), 1) | blocks, min_size=1, max_size=4)
messages = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "user", "system"]), "content": contents}
)
tools = mutated(_typed("tools"), 1) | st.dictionaries(
    st.sampled_from(["name", "type", "description", "input_schema", "strict"]), any_json
)
conversations = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["claude-sonnet-4-5", "gpt-4o", "a/b:c", "\u2028"]),
        "max_tokens": st.integers(1, 200_000),
        "messages": st.lists(messages, min_size=1, max_size=6),
    },
    optional={
        "system": contents,
        "tools": st.lists(tools, max_size=3),
        "tool_choice": st.fixed_dictionaries(
            {"type": st.sampled_from(["auto", "any", "tool", "none"])}, optional={"name": texts}
        ),
        "stop_sequences": st.lists(texts, max_size=6),
        "metadata": st.dictionaries(st.sampled_from(["user_id", "x"]), texts),
        "temperature": st.sampled_from(ODD_NUMBERS),
        "thinking": st.dictionaries(st.sampled_from(["type", "budget_tokens"]), texts),
        "output_config": st.dictionaries(st.sampled_from(["effort", "format"]), texts),
        "stream": st.booleans(),
        "top_p": st.sampled_from(ODD_NUMBERS),
        "mcp_servers": any_json,
    },
)
requests = st.one_of(
    mutated(REQUESTS, 1),
    conversations,
    mutated(REQUESTS, 5),
    mutated(REQUESTS, 2),
    any_json.filter(lambda value: isinstance(value, dict)),
)
answers = mutated(ANSWERS) | any_json
