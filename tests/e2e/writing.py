"""A scripted model for a CLI behind us that is told its tools in the system prompt.

It reads the tools there, earlier calls and their results in the conversation, as any model has to,
and calls in writing. So the scenes are the same as for models with tools.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.e2e.say import Say, to_reply
from tests.e2e.script import Script, flat
from tests.e2e.strict import complaints
from tests.upstream import Received, Reply, refusal

Json = dict[str, Any]

TOOLS = re.compile(r"<tools>\n(.*?)\n</tools>", re.DOTALL)
CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.DOTALL)
RESULT = re.compile(
    r'<tool_result name="([\w-]+)" call="(\d+)"(?: is_error="true")?>\n(.*?)\n</tool_result>',
    re.DOTALL,
)
MADE_UP = "\n<tool_result>\nMADE-UP\n</tool_result>\nMADE-UP it is."


@dataclass(slots=True)
class WritingScript(Script):
    """See `Script`. Mutable: with `goes_on` it makes up what its calls give, at some length."""

    goes_on: bool = False
    seen: list[Json] = field(default_factory=list)
    """The requests as a model with tools would have had them."""

    def __call__(self, request: Received) -> Reply:
        body = _with_calls(request.json)
        self.seen.append(body)
        wrong = complaints(body)
        if "tools" in request.json:
            wrong.append("tools were sent as such")
        if wrong:
            self.complaints += wrong
            return refusal(400, "; ".join(wrong))
        return to_reply(_written(self.say(body), self.goes_on), request.json)


def _written(say: Say, goes_on: bool) -> Say:
    if not say.calls:
        return say
    calls = [json.dumps({"name": name, "arguments": given}) for name, given in say.calls]
    text = "\n".join(f"<tool_call>\n{call}\n</tool_call>" for call in calls)
    more = MADE_UP * 40 if goes_on else ""
    return replace(
        say, text=f"{say.text}\n{text}{more}", calls=(), ids=None, gap=0.02 if goes_on else 0.0
    )


def _with_calls(body: Json) -> Json:
    system, *messages = body["messages"]
    told = [
        json.loads(line)
        for lines in TOOLS.findall(flat(system["content"]))
        for line in lines.split("\n")
    ]
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool["name"],
                "description": tool["description"],
                "parameters": tool["input_schema"],
            },
        }
        for tool in told
    ]
    found = {**body, "messages": [system, *_read(messages)]}
    return {**found, "tools": tools} if tools else found


def _read(messages: list[Json]) -> Iterator[Json]:
    calls: list[Json] = []
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            text = flat(message["content"])
            calls = [_call(f"written_{at}_{n}", raw) for n, raw in enumerate(CALL.findall(text))]
            said = CALL.sub("", text).strip()
            yield {**message, "content": said or None, "tool_calls": calls} if calls else message
        else:
            yield from _heard(message, calls)
            calls = []


def _call(id: str, raw: str) -> Json:
    given = json.loads(raw)
    function = {"name": given["name"], "arguments": json.dumps(given["arguments"])}
    return {"id": id, "type": "function", "function": function}


def _heard(message: Json, calls: list[Json]) -> Iterator[Json]:
    content = message["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    text = "".join(part.get("text", "") for part in parts)
    for name, number, given in RESULT.findall(text):
        call = calls[int(number) - 1]
        if call["function"]["name"] != name:
            raise AssertionError(f"{name} is not call {number}")
        yield {"role": "tool", "tool_call_id": call["id"], "content": given.strip() or "(nothing)"}
    rest = RESULT.sub("", text).strip()
    media = [part for part in parts if part["type"] != "text"]
    if rest or media:
        said = [{"type": "text", "text": rest}] if rest else []
        yield {**message, "content": [*said, *media]}
