"""A model that does what the doctor's probes ask for, and a server that refuses what it is told to.

It knows the probes by what stands in their requests, as a real model would.
"""

import json
from base64 import b64encode
from dataclasses import dataclass

from claude_proxy.doctor.picture import BLUE, RED, png
from tests.upstream import (
    Json,
    Received,
    Reply,
    call,
    chunk,
    completion,
    ending,
    refusal,
    usage,
)

_PICTURES = {b64encode(png(RED)).decode(): "red", b64encode(png(BLUE)).decode(): "blue"}
COUNT = "one two three four five six seven eight nine"


@dataclass(frozen=True, slots=True)
class Model:
    """What it can, and what its server refuses."""

    limit_field: str = "max_tokens"
    """The other one is refused."""
    heeds_limit: bool = True
    cap: int | None = None
    tools: bool = True
    writes_calls: bool = False
    written: str = '<tool_call>{"name": "get_weather", "arguments": {"city": "Paris"}}</tool_call>'
    at_once: bool = True
    named: bool = True
    images: bool = True
    blind: bool = False
    streams: bool = True
    stream_options: bool = True
    counts: bool = True
    stop: bool = True
    temperature: bool = True
    later_system: bool = True
    schema: bool = True
    reasons_in: str | None = None
    must_echo: bool = False
    takes_echo: bool = True
    effort: bool = True

    def __call__(self, received: Received) -> Reply:
        body = received.json
        wrong = self._refused(body)
        if wrong:
            return refusal(400, wrong)
        calls = self._calls(body)
        text = None if calls else self._text(body)
        limit = body.get("max_tokens") or body.get("max_completion_tokens") or 10**9
        cut = bool(text) and self.heeds_limit and len(text or "") > 4 * limit
        finish = "tool_calls" if calls else "length" if cut else "stop"
        return self._reply(body, (text or "")[: 4 * limit] if cut else text, calls, finish)

    def _refused(self, body: Json) -> str | None:
        messages = body["messages"]
        other = {"max_tokens", "max_completion_tokens"} - {self.limit_field}
        checks = {
            f"Unsupported parameter: use '{self.limit_field}' instead.": other & set(body),
            f"max_tokens is too large: at most {self.cap} completion tokens.": (
                self.cap and body.get(self.limit_field, 0) > self.cap
            ),
            "tools are not supported by this model": not self.tools and body.get("tools"),
            "Unsupported parameter: stream_options": (
                not self.stream_options and "stream_options" in body
            ),
            "Unsupported parameter: stop": not self.stop and "stop" in body,
            "temperature must be 1": not self.temperature and "temperature" in body,
            "Unknown field: reasoning_effort": not self.effort and "reasoning_effort" in body,
            "Invalid tool_choice type: 'object'": (
                not self.named and isinstance(body.get("tool_choice"), dict)
            ),
            "response_format is not supported": not self.schema and "response_format" in body,
            "System message must be at the beginning.": not self.later_system
            and any(message["role"] == "system" for message in messages[1:]),
            "This model does not support image input": not self.images
            and any(_picture(message) for message in messages),
            "Missing reasoning_content in assistant message": self.must_echo
            and any(m.get("tool_calls") and "reasoning_content" not in m for m in messages),
            "Unknown field: messages.1.reasoning_content": not self.takes_echo
            and any("reasoning_content" in message for message in messages),
        }
        return next((words for words, wrong in checks.items() if wrong), None)

    def _calls(self, body: Json) -> list[Json]:
        names = [tool["function"]["name"] for tool in body.get("tools") or ()]
        last = body["messages"][-1]
        choice = body.get("tool_choice", "auto")
        if isinstance(choice, dict):
            return [call(choice["function"]["name"], {"city": "Paris"})]
        wants = last["role"] == "user" and "weather" in str(last["content"])
        if not names or self.writes_calls or not (wants or choice == "required"):
            return []
        cities = ["Paris", "Rome"] if self.at_once and "Rome" in str(last["content"]) else ["Paris"]
        return [call(names[0], {"city": city}, f"call_{at}", at) for at, city in enumerate(cities)]

    def _text(self, body: Json) -> str:
        seen = [found for message in body["messages"] if (found := _picture(message))]
        if seen:
            return "I cannot see pictures." if self.blind else f"It is {seen[0]}."
        if "response_format" in body:
            return json.dumps({"city": "Paris"})
        if any(message["role"] == "tool" for message in body["messages"]):
            return "It is 21 degrees."
        asked = str(body["messages"][-1]["content"])
        if "1 to 200" in asked:
            return COUNT * 20
        if "Count" in asked:
            stop = (body.get("stop") or ["none"])[0]
            return COUNT.partition(stop)[0]
        if self.writes_calls and body.get("tools"):
            return self.written
        return "pong"

    def _reply(self, body: Json, text: str | None, calls: list[Json], finish: str) -> Reply:
        more = {self.reasons_in: "Let me see."} if self.reasons_in else {}
        if not (body.get("stream") and self.streams):
            whole = completion(text, calls=calls, **more)
            whole["choices"][0]["finish_reason"] = finish
            whole["usage"] = usage() if self.counts else None
            return Reply(whole)
        deltas: list[Json] = [more] if more else []
        deltas += [{"content": f"{word} "} for word in (text or "").split()]
        deltas += [{"tool_calls": [one]} for one in calls]
        end = ending(finish)
        return Reply(stream=[*map(chunk, deltas), *(end if self.counts else [end[0], end[2]])])


def _picture(message: Json) -> str | None:
    content = message["content"]
    for part in content if isinstance(content, list) else ():
        if part["type"] == "image_url":
            return _PICTURES[part["image_url"]["url"].partition(",")[2]]
    return None
