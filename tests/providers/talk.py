"""Five turns of an agent from the official SDK: what it asks, and what has to arrive."""

from collections.abc import Callable, Sequence
from typing import Any

from anthropic.types import Message

from tests.conversation import IMAGE, PNG
from tests.providers.fake import Provider
from tests.providers.said import CACHED, Said, answer_tokens, prompt_tokens
from tests.providers.stage import Stage

Json = dict[str, Any]

NOTES = {"path": 'notes "ü".txt', "lines": [1, 2], "deep": {"a": None, "b": [{"c": True}]}}
ANSWERS = (
    Said(
        "Two files: ünïcödé notes & <b>a picture</b>.\nBoth at once.",
        'I read both. ✓ {"no": "call"}',
        (("read_file", NOTES), ("read_file", {"path": "p.png", "scale": 0.5})),
    ),
    Said("A red square.\n\nThe notes name a list.", "", (("list_files", {}),)),
    Said("It failed: try the other way.", "Once more.", (("search", {"query": "😀 \\ \n"}),)),
    Said("Enough is known.", "It is **red**.\n\n- one\n- two"),
    Said("The user's picture is the same.", "The same red."),
)
TEXTS = ('first line\n\tsecond "line" ü', "no such folder", "three hits")
TOOLS: list[Json] = [
    {
        "name": "read_file",
        "description": "Reads a file",
        "input_schema": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "path": {"type": "string", "minLength": 1},
                "lines": {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}},
                "scale": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
                "deep": {"type": ["object", "null"], "additionalProperties": {}},
                "kind": {"const": "text"},
            },
            "required": ["path"],
            "additionalProperties": False,
        },
    },
    {"name": "list_files", "input_schema": {"type": "object"}},
    {
        "name": "search",
        "description": "Searches",
        "input_schema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "anyOf": [{"minLength": 1}, {"maxLength": 99}]},
            },
        },
    },
]
QUESTION: Json = {"role": "user", "content": "What colour is it?"}
OPTIONS: Json = {
    "model": "claude-opus-5-5",
    "max_tokens": 128_000,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "tools": TOOLS,
    "stop_sequences": ["<end-1>", "<end-2>"],
    "metadata": {"user_id": "user_1"},
    "thinking": {"type": "enabled", "budget_tokens": 8_000},
    "extra_body": {"temperature": 0.5, "top_k": 40},
}


def ask(stage: Stage, messages: list[Json], streamed: bool, **more: Any) -> Message:
    options = {**OPTIONS, **more, "messages": messages}
    if not streamed:
        return stage.client.messages.create(**options)
    with stage.client.messages.stream(**options) as stream:
        return stream.get_final_message()


def check_answer(message: Message, number: int, said: Said, provider: Provider) -> None:
    """The message says what the provider said, and counts what it counted."""
    blocks = [block.to_dict() for block in message.content]
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking"]
    assert "".join(map(str, thoughts)).strip() == (said.thought if provider.shows else "")
    assert "".join(str(b["text"]) for b in blocks if b["type"] == "text") == said.text
    calls = [(b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
    assert calls == [*said.calls]
    assert message.stop_reason == ("tool_use" if said.calls else "end_turn")
    cached = CACHED if provider.caches else 0
    usage = message.usage
    assert usage.cache_read_input_tokens == cached
    assert usage.input_tokens == prompt_tokens(number) - cached
    assert usage.output_tokens == answer_tokens(number)


def results(message: Message, *contents: Any, **more: Any) -> Json:
    ids = [block.id for block in message.content if block.type == "tool_use"]
    assert len(set(ids)) == len(contents)
    found = [
        {"type": "tool_result", "tool_use_id": id, "content": content, **more}
        for id, content in zip(ids, contents, strict=True)
    ]
    return {"role": "user", "content": found}


def answers_to(number: int, message: Message) -> list[Json]:
    """What the user and his tools say to the answer of that number."""
    reminder = {"role": "system", "content": f"Reminder {number}."}
    match number:
        case 0:
            return [results(message, TEXTS[0], [{"type": "text", "text": "p.png:"}, IMAGE])]
        case 1:
            return [results(message, TEXTS[1], is_error=True), reminder]
        case 2:
            return [results(message, TEXTS[2])]
        case _:
            return [{"role": "user", "content": [{"type": "text", "text": "And this?"}, IMAGE]}]


def check_history(stage: Stage) -> None:
    """The last request holds what the user and his tools said, in order, with both images."""
    body = stage.upstream.last.json
    if stage.provider.wire is None:
        outputs = [i["output"] for i in body["input"] if i["type"] == "function_call_output"]
    else:
        outputs = [m["content"] for m in body["messages"] if m["role"] == "tool"]
    wanted = (TEXTS[0], "p.png:", TEXTS[1], TEXTS[2])
    assert all(text in str_of(output) for text, output in zip(wanted, outputs, strict=True))
    sent = stage.upstream.last.body.decode()
    assert sent.count(PNG) == (2 if stage.provider.sees else 0)
    assert stage.provider.sees or sent.lower().count("image") >= 2, "images are told of"
    assert "Be brief." in sent and "Reminder 1." in sent and "And this?" in sent


def str_of(output: Any) -> str:
    return output if isinstance(output, str) else "\n".join(p.get("text", "") for p in output)


ALL = range(len(ANSWERS))


def converse(
    stage: Stage,
    streamed: bool,
    turns: range = ALL,
    begun: Sequence[Json] = (QUESTION,),
    keep: Callable[[Json], bool] = lambda block: True,
) -> list[Json]:
    """These turns, each answer checked; the conversation with what answers the last one.

    `begun`: what was said before; `keep`: which blocks of an answer the client sends back.
    """
    messages = [*begun]
    for number in turns:
        message = ask(stage, messages, streamed)
        check_answer(message, number, ANSWERS[number], stage.provider)
        blocks = [block for each in message.content if keep(block := each.to_dict())]
        said_back = {"role": "assistant", "content": blocks}
        messages += [said_back, *answers_to(number, message)]
    assert len(stage.upstream.posts) == len(turns)
    return messages
