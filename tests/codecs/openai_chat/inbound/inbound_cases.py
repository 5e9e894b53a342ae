"""The golden cases of the client side, and what must hold for every request that it makes."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[3] / "cases" / "openai_chat_inbound"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    chat: Json
    messages: Json
    dropped: list[list[str]]


@dataclass(frozen=True, slots=True)
class Refused:
    name: str
    chat: Json
    error: str
    param: str


def load_cases() -> list[Case]:
    """Every case of every file; a broken file fails the run."""
    cases = [
        Case(f"{path.stem}: {entry.pop('why')}", **entry)
        for path in sorted((FOLDER / "request").glob("*.json"))
        if path.stem != "refused"
        for entry in json.loads(path.read_text("utf-8"))
    ]
    assert len(cases) > 90
    assert len({case.name for case in cases}) == len(cases)
    return cases


def load_refused() -> list[Refused]:
    entries = json.loads((FOLDER / "request" / "refused.json").read_text("utf-8"))
    assert len(entries) > 50
    return [Refused(entry.pop("why"), **entry) for entry in entries]


def broken_rules(request: Json) -> list[str]:
    """What Anthropic's API would refuse in a conversation, by rules written down here once more."""
    messages, broken = request["messages"], []
    roles = [message["role"] for message in messages]
    if roles[0] != "user" or any(a == b for a, b in zip(roles, roles[1:], strict=False)):
        broken.append(f"roles: {roles}")
    ids = [block["id"] for message in messages for block in blocks(message, "tool_use")]
    if len(set(ids)) != len(ids) or not all(re.fullmatch("[a-zA-Z0-9_-]{1,64}", id) for id in ids):
        broken.append(f"ids: {ids}")
    for at, message in enumerate(messages):
        calls = [block["id"] for block in blocks(message, "tool_use")]
        following = messages[at + 1] if at + 1 < len(messages) else {"content": []}
        head = blocks(following, None)[: len(calls)]
        if [block.get("tool_use_id") for block in head] != calls:
            broken.append(f"results after messages.{at}")
        if len(blocks(following, "tool_result")) != len(calls):
            broken.append(f"results without a call in messages.{at + 1}")
        if not message["content"] or any(not text.strip() for text in texts(message)):
            broken.append(f"an empty text in messages.{at}")
    if blocks(messages[0], "tool_result"):
        broken.append("results at the start")
    if roles[-1] == "assistant" and texts(messages[-1])[-1][-1].isspace():
        broken.append("white space at the end")
    return broken


def blocks(message: Json, kind: str | None) -> list[Json]:
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return [block for block in content if kind is None or block["type"] == kind]


def texts(message: Json) -> list[str]:
    return [block["text"] for block in blocks(message, "text")]


def load_answers() -> list[Json]:
    answers: list[Json] = json.loads((FOLDER / "response" / "answers.json").read_text("utf-8"))
    assert len(answers) > 15
    return answers


def load_streams() -> list[Json]:
    streams: list[Json] = json.loads((FOLDER / "stream" / "streams.json").read_text("utf-8"))
    assert len(streams) > 10
    return streams


def fold_chunks(stream: bytes) -> Json:
    """A stream's chunks as one answer, as clients add them up: texts are continued, calls and
    details by their index; what is missing stays as it was."""
    lines = stream.decode().removesuffix("\n\n").split("\n\n")
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1] if line[0] != ":"]
    answer: Json = {**chunks[0], "object": "chat.completion"}
    message: Json = {}
    finish = None
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        for choice in chunk["choices"]:
            _continue(message, choice["delta"])
            finish = choice["finish_reason"] or finish
        answer["usage"] = chunk.get("usage")
    entry = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {**answer, "choices": [entry]}


def _continue(whole: Json, piece: Json) -> None:
    for name, value in piece.items():
        before = whole.get(name)
        if isinstance(value, list) and name != "annotations":
            for entry in value:
                _continue(whole.setdefault(name, {}).setdefault(entry["index"], {}), entry)
        elif isinstance(value, list):
            whole[name] = [*(before or []), *value]
        elif isinstance(value, dict):
            _continue(whole.setdefault(name, {}), value)
        elif name in CONTINUED and isinstance(before, str):
            whole[name] = before + value
        elif value is not None or name not in whole:
            whole[name] = value


CONTINUED = ("content", "refusal", "reasoning_content", "arguments", "text")


def as_whole(answer: Json) -> Json:
    """A folded answer in the form of a whole one."""
    choice = answer["choices"][0]
    message = {**choice["message"]}
    for name in ("tool_calls", "reasoning_details"):
        if name in message:
            message[name] = [message[name][index] for index in sorted(message[name])]
    for call in message.get("tool_calls", ()):
        call.pop("index")
    called = "tool_calls" in message or "function_call" in message
    if not message["content"] and (called or message["refusal"]):
        message["content"] = None
    return {**answer, "choices": [{**choice, "message": message}]}
