"""docs/fidelity.md says what the code does: every cell of its tables is tried out.

The newest Anthropic SDK says what there is, so what it adds fails here until it has its row.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import ContentBlockParam, ToolUnionParam, message_create_params
from anthropic.types.beta import BetaContentBlockParam, BetaToolUnionParam
from anthropic.types.beta import message_create_params as beta_message_create_params
from typing_extensions import get_type_hints, is_typeddict

from claude_proxy.codecs import OnDrop
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import Body
from claude_proxy.codecs.openai_responses.reasoning import Reasoning, wrap
from claude_proxy.native import Dialect
from tests.fates import DIALECTS, FATES, Pair, Request, Send, block_fate, cell, field_fate
from tests.sdk_samples import Sampler, is_required, members, type_names, typed_dicts

PAGE = Path(__file__).parents[1] / "docs" / "fidelity.md"
HEAD = ["chat", "responses", "messages"]

PARAMS = (
    message_create_params.MessageCreateParamsBase,
    beta_message_create_params.MessageCreateParamsBase,
)
# The beta's types come last: they are the same, or newer.
BLOCKS = {
    type_names(kind)[0]: kind
    for kind in (*typed_dicts(ContentBlockParam), *typed_dicts(BetaContentBlockParam))
}
TOOLS = [*typed_dicts(ToolUnionParam), *typed_dicts(BetaToolUnionParam)]

HI = {"role": "user", "content": "Hi"}
LOOKUP = {"name": "lookup", "input_schema": {"type": "object", "properties": {}}}
BASE: Request = {"model": "m", "max_tokens": 40, "messages": [HI]}


def table(title: str) -> dict[str, dict[str, str]]:
    """A table of the page: what stands first in each row → the cell of each dialect."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line.split("|") for line in section.splitlines() if line.startswith("|")]
    head, *rows = [[entry.strip() for entry in line] for line in lines]
    assert head[2:5] == HEAD
    found = {row[1].strip("`"): dict(zip(HEAD, row[2:5], strict=True)) for row in rows[1:]}
    assert len(found) == len(rows) - 1, "a row twice"
    return found


FIELD_ROWS, BLOCK_ROWS, TOOL_ROWS = table("Fields"), table("Blocks"), table("Tools")
TALK_ROWS = table("Conversations")


# Fields

SCHEMA = {
    "type": "object",
    "properties": {"town": {"type": "string", "description": "a town"}},
    "required": ["town"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "schema": SCHEMA}

MORE_VALUES: Mapping[str, Sequence[Any]] = {
    "messages": [[{"role": "user", "content": "What now?"}]],
    "tools": [[{**LOOKUP, "description": "Looks things up."}]],
    "system": ["x-anthropic-billing-header: cc\nBe brief."],
    "max_tokens": [300, 10_000_000],
    "stream": [True],
    "temperature": [0.3],
    "top_p": [0.9],
    "top_k": [40],
    "stop_sequences": [["a", "b", "c", "d", "e", "f"]],
    "metadata": [{"user_id": "u" * 65}],
    "tool_choice": [{"type": "tool", "name": "lookup"}],
    "output_config": [{"format": FORMAT}],
    "output_format": [FORMAT],
    "safeguards": [{"type": "classifier"}],
    "billing_policy": ["standard"],
}
"""What the SDK's types do not tell: values that matter, and fields that it no longer has."""

BY_ITSELF = ("adaptive", "between_tools")
"""Thinking as the model likes: what upstreams do when nothing is said, so it may well be that
nothing is sent."""

UNSIGNED = {"type": "thinking", "thinking": "Hm.", "signature": ""}
CALL = {"type": "tool_use", "id": "call-1", "name": "lookup", "input": {"town": "Rome"}}
OPEN_TURN: Request = {
    **BASE,
    "messages": [
        HI,
        {"role": "assistant", "content": [UNSIGNED, CALL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call-1"}]},
    ],
}
THINKING = {"type": "enabled", "budget_tokens": 2_000}


def hints(name: str) -> list[Any]:
    return [found[name] for found in map(get_type_hints, PARAMS) if name in found]


def sampled(name: str) -> Iterator[Any]:
    """Values of a field, as the SDK's types have them; each optional part of one alone."""
    for kind in (kind for hint in hints(name) for kind in members(hint)):
        least = Sampler(()).samples(kind, name)
        yield from least
        for part, hint in get_type_hints(kind).items() if is_typeddict(kind) else ():
            if not is_required(kind, part):
                yield from ({**least[0], part: own} for own in Sampler(()).samples(hint, part))


def fields(name: str) -> Iterator[Pair]:
    """Requests without and with the field."""
    base = {**BASE, "tools": [LOOKUP]} if name == "tool_choice" else BASE
    structural = name in ("messages", "tools")
    for value in (*(() if structural else sampled(name)), *MORE_VALUES.get(name, ())):
        if value not in (None, {}):
            yield base, {**base, name: value}
    if name == "thinking":
        yield OPEN_TURN, {**OPEN_TURN, name: THINKING}
    if name == "context_management":
        base = {**OPEN_TURN, "thinking": THINKING}
        yield base, {**base, name: {"edits": ["e-1"]}}


def is_by_itself(thinking: Request | None) -> bool:
    return thinking is not None and thinking["type"] in BY_ITSELF


@pytest.mark.parametrize("dialect", HEAD)
@pytest.mark.parametrize("name", FIELD_ROWS)
def test_a_field_arrives_as_the_table_says(name: str, dialect: Dialect) -> None:
    fates = {
        field_fate(pair, name, send)
        for pair in fields(name)
        for send in DIALECTS[dialect]
        if not is_by_itself(pair[1].get("thinking"))
    }
    assert FIELD_ROWS[name][dialect] == cell(fates)


def test_every_field_of_the_sdk_has_its_row() -> None:
    assert set(FIELD_ROWS) == {*MORE_VALUES, *(name for p in PARAMS for name in get_type_hints(p))}


# Blocks

SEALED = wrap(Reasoning("encrypted", ["Hm, well."]), Seal.plain("openai/gpt-5"))

MORE_BLOCKS: Mapping[str, Sequence[Request]] = {
    "thinking": [
        {"type": "thinking", "thinking": "Hm, well.", "signature": SEALED},
        UNSIGNED,
    ],
    "tool_reference": [{"type": "tool_reference", "tool_name": "lookup"}],
    "browser_state": [{"type": "browser_state", "tabs": [{"tab_id": 1, "title": "News"}]}],
}
"""Those whose contents matter, and those that the SDK has in results only, or no longer."""

SO = {"type": "text", "text": "So."}


def said(*blocks: Request) -> Request:
    return {"role": "assistant", "content": list(blocks)}


def asked(*blocks: Request) -> Request:
    return {"role": "user", "content": list(blocks)}


def talks(block: Request) -> Iterator[tuple[list[Request], list[Request]]]:
    """Conversations without and with a block, in every place where it may stand."""
    match block["type"]:
        case "tool_use":
            result = {"type": "tool_result", "tool_use_id": block["id"], "content": "x"}
            yield [HI, said(SO), HI], [HI, said(SO, block), asked(result)]
        case "tool_result":
            call = {**CALL, "id": block["tool_use_id"]}
            yield [HI, said(call)], [HI, said(call), asked(block)]
            yield [HI], [asked(SO, block)]
        case "thinking" | "redacted_thinking":
            yield [HI, said(SO), HI], [HI, said(block, SO), HI]
        case _:
            result = {"type": "tool_result", "tool_use_id": "call-1"}
            yield [HI], [asked({"type": "text", "text": "Hi"}, block)]
            yield [HI, said(SO), HI], [HI, said(SO, block), HI]
            start = [HI, said(CALL)]
            yield [*start, asked(result)], [*start, asked({**result, "content": [block]})]


def blocks(name: str) -> Iterator[Request]:
    samples = Sampler({"content"}).samples(BLOCKS[name]) if name in BLOCKS else []
    # Every kind of tool could stand in some; they have a table of their own.
    seen: set[str] = set()
    for sample in samples:
        kind = sample.get("tool", {}).get("type", "")
        if not kind or kind not in seen:
            yield sample
        seen.add(kind)
    yield from MORE_BLOCKS.get(name, ())


@pytest.mark.parametrize("dialect", HEAD)
@pytest.mark.parametrize("name", BLOCK_ROWS)
def test_a_block_arrives_as_the_table_says(name: str, dialect: Dialect) -> None:
    fates = {
        block_fate(({**BASE, "messages": without}, {**BASE, "messages": whole}), block, send)
        for block in blocks(name)
        for without, whole in talks(block)
        for send in DIALECTS[dialect]
    }
    assert BLOCK_ROWS[name][dialect] == cell(fates)


def test_every_block_of_the_sdk_has_its_row() -> None:
    assert set(BLOCK_ROWS) == {*BLOCKS, *MORE_BLOCKS}


# Tools

MORE_TOOLS = ("custom",)


def row_of(kind: str) -> str:
    """The row of a tool's type: the longest that it begins with."""
    return max((name for name in TOOL_ROWS if kind.startswith(name)), key=len, default="")


def tools(row: str) -> Iterator[Request]:
    for kind in TOOLS:
        for name in type_names(kind) or ("custom",):
            if row_of(name) == row:
                yield from ({**tool, "type": name} for tool in Sampler(()).samples(kind))


def tool_fate(tool: Request, send: Any) -> str:
    notes: list[str] = []
    sent = send({**BASE, "tools": [tool]}, lambda path, why: notes.append(path))
    if not sent.get("tools"):
        return "dropped" if notes else "lost"
    return "carried" if sent["tools"] == [tool] else "function"


@pytest.mark.parametrize("dialect", HEAD)
@pytest.mark.parametrize("row", TOOL_ROWS)
def test_a_tool_arrives_as_the_table_says(row: str, dialect: Dialect) -> None:
    fates = {tool_fate(tool, send) for tool in tools(row) for send in DIALECTS[dialect]}
    assert {TOOL_ROWS[row][dialect]} == fates


def test_every_tool_of_the_sdk_has_its_row() -> None:
    names = {name for kind in TOOLS for name in type_names(kind)}
    assert {row_of(name) for name in names} | {"custom"} == set(TOOL_ROWS)


# Conversations

RESULT = {"type": "tool_result", "tool_use_id": "call-1", "content": "RESULT"}
LATER = {"role": "system", "content": "LATER"}

Judge = Callable[[list[str]], str]
"""The texts of a conversation that is not the same any more → its fate."""


def reads(sign: str, fate: str, otherwise: str = "lost") -> Judge:
    """A fate if some text has the sign in it."""
    return lambda texts: fate if any(sign in text for text in texts) else otherwise


TALKS: Mapping[str, tuple[list[Request], Judge]] = {
    "messages of one role in a row": (
        [HI, asked({"type": "text", "text": "You"})],
        lambda texts: "translated" if texts.count("user") == 1 else "lost",
    ),
    "an empty text": (
        [HI, said(SO), asked(SO, {"type": "text", "text": ""})],
        lambda texts: "lost" if "" in texts else "dropped",
    ),
    "a call without a result": (
        [HI, said(CALL), HI],
        reads("(no result: the call was interrupted)", "translated"),
    ),
    "a result that comes late": (
        [HI, said(CALL), asked(SO), asked(RESULT)],
        lambda texts: "translated" if texts.index("RESULT") < texts.index("So.") else "lost",
    ),
    "a result without a call": (
        [asked(RESULT)],
        reads("[result of an unknown tool call", "told"),
    ),
    "the same result again": (
        [HI, said(CALL), asked(RESULT, RESULT)],
        lambda texts: "dropped" if texts.count("RESULT") == 1 else "lost",
    ),
    "a later system message": (
        [HI, said(SO), LATER, HI],
        reads("<system-reminder>\nLATER", "told", otherwise="carried"),
    ),
    "a last word of the assistant": (
        [HI, said(SO)],
        reads("Continue your last message", "told", otherwise="carried"),
    ),
    "half an emoji": (
        [{"role": "user", "content": "Hi \ud83d"}],
        reads("Hi \ufffd", "translated"),
    ),
}


def talk_fate(name: str, send: Send) -> str:
    messages, judge = TALKS[name]
    raw = json.dumps({**BASE, "messages": messages}).encode()
    sent = send(Body(raw).whole, lambda path, why: None)
    told = sent.get("messages") or sent["input"]
    return "carried" if told == messages else judge(list(texts_in(told)))


def texts_in(value: Any) -> Iterator[str]:
    """The strings in it, in order."""
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else ():
        yield from texts_in(inner)
    for inner in value.values() if isinstance(value, dict) else ():
        yield from texts_in(inner)


@pytest.mark.parametrize("dialect", HEAD)
@pytest.mark.parametrize("name", TALK_ROWS)
def test_a_conversation_arrives_as_the_table_says(name: str, dialect: Dialect) -> None:
    fates = {talk_fate(name, send) for send in DIALECTS[dialect]}
    assert TALK_ROWS[name][dialect] == cell(fates)


def test_every_conversation_has_its_row() -> None:
    assert set(TALK_ROWS) == set(TALKS)


# The judge itself


def test_the_judge_tells_the_fates_apart() -> None:
    pair = (BASE, {**BASE, "top_k": 7})

    def judged(**sent: Any) -> str:
        return field_fate(pair, "top_k", lambda request, note: sent if "top_k" in request else {})

    def noted(request: Request, note: OnDrop) -> Request:
        note("top_k", "no")
        return {}

    assert judged(top_k=7) == judged(best=7) == "carried"
    assert judged(top_k="7") == judged(best=True) == "translated"
    assert judged() == "lost"
    assert field_fate(pair, "top_k", noted) == "dropped"
    assert "lost" not in FATES


def test_the_judge_knows_a_block_from_words_about_it() -> None:
    pair = (BASE, {**BASE, "messages": [asked(SO)]})

    def judged(sent: str) -> str:
        return block_fate(pair, SO, lambda request, note: {} if request is BASE else {"x": sent})

    assert judged("So.") == judged("Hi\n\nSo.") == judged("data:x,So.") == "carried"
    assert judged("[text: So.]") == judged("something else") == "told"


def test_a_star_stands_for_less() -> None:
    assert cell(["carried"]) == "carried"
    assert cell(["dropped", "told"]) == "told*"
    with pytest.raises(AssertionError):
        cell(["carried", "lost"])
