"""The requests of the probes, as a Messages client would send them.

They have no `model`, and no `max_tokens` unless that is what is tried.
"""

from base64 import b64encode

from claude_proxy.doctor.findings import Seen
from claude_proxy.doctor.picture import BLUE, RED, png
from claude_proxy.types import Json

ABSURD = 100_000_000
"""More output tokens than any model has."""
FEW = 24

_CITY: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER: Json = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "input_schema": _CITY,
}
CLOCK: Json = {**WEATHER, "name": "get_time", "description": "Tells the time in a city."}
LONG: Json = {**WEATHER, "name": "mcp__plugin_with_a_name__" + "very_long_" * 5 + "get_weather"}

_AS_CLAUDE_CODE: Json = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}
_RESULT = "21 degrees, sunny"
_LET_ME_LOOK: list[Json] = [
    {"type": "tool_use", "id": "toolu_probe_1", "name": "get_weather", "input": {"city": "Paris"}}
]


def user(content: str | list[Json]) -> Json:
    return {"role": "user", "content": content}


def _just(text: str, **more: object) -> Json:
    return {"messages": [user(text)], **more}


def hello(seen: Seen) -> Json:
    return _just("Reply with one word: pong")


def streamed(seen: Seen) -> Json:
    return _just("Count from one to nine in words.", stream=True)


def few_tokens(seen: Seen) -> Json:
    return _just("Write the numbers from 1 to 200 in words.", max_tokens=FEW)


def stop(seen: Seen) -> Json:
    return _just("Count from one to nine in words.", stop_sequences=["five"])


def temperature(seen: Seen) -> Json:
    return _just("Reply with one word: ping", temperature=0.5)


def later_system(seen: Seen) -> Json:
    told = {"role": "system", "content": "From now on answer with the one word: blue"}
    said = {"role": "assistant", "content": "red"}
    first = user("Reply with one word: red")
    return {"messages": [first, said, told, user("And now?")]}


def think(seen: Seen) -> Json:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    return _just("How much is 17 * 23? Think about it first.", thinking=thinking, max_tokens=2048)


def think_not(seen: Seen) -> Json:
    return _just("How much is 17 * 23?", thinking={"type": "disabled"})


def tool(seen: Seen) -> Json:
    question = "What is the weather in Paris? Use the tool."
    return _just(question, tools=[WEATHER, CLOCK], stream=True, **_AS_CLAUDE_CODE)


def tools_at_once(seen: Seen) -> Json:
    question = "What is the weather in Paris, and what in Rome? Call the tool for both at once."
    return _just(question, tools=[WEATHER])


def tool_named(seen: Seen) -> Json:
    choice = {"type": "tool", "name": "get_time"}
    return _just("Paris", tools=[WEATHER, CLOCK], tool_choice=choice)


def tool_required(seen: Seen) -> Json:
    return _just("Say hello to Paris.", tools=[WEATHER, CLOCK], tool_choice={"type": "any"})


def long_name(seen: Seen) -> Json:
    return _just("What is the weather in Oslo? Use the tool.", tools=[LONG])


def tool_result(seen: Seen) -> Json:
    """The question, the model's own call with its reasoning, and a result."""
    return _result_of("tool", seen)


def encrypted_result(seen: Seen) -> Json:
    """The same with reasoning that came encrypted."""
    return _result_of("encrypted reasoning", seen)


def _result_of(probe: str, seen: Seen) -> Json:
    asked = seen.of(probe)
    said = list(asked.message["content"]) if asked and asked.calls and asked.message else None
    calls = asked.calls if asked and said else _LET_ME_LOOK
    results = [
        {"type": "tool_result", "tool_use_id": call["id"], "content": _RESULT} for call in calls
    ]
    request = tool(seen)
    assistant = {"role": "assistant", "content": said or _LET_ME_LOOK}
    return {**request, "messages": [*request["messages"], assistant, user(results)]}


def image(seen: Seen) -> Json:
    return {"messages": [user([_picture(RED), _text("What color is this? One word.")])]}


def image_result(seen: Seen) -> Json:
    call = {"type": "tool_use", "id": "toolu_probe_2", "name": "Read", "input": {"path": "a.png"}}
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [_picture(BLUE)]}
    messages = [
        user("Read a.png and say which color it has. One word."),
        {"role": "assistant", "content": [call]},
        user([result]),
    ]
    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    read = {"name": "Read", "description": "Reads a file.", "input_schema": schema}
    return {"messages": messages, "tools": [read]}


def schema(seen: Seen) -> Json:
    asked = {"type": "json_schema", "schema": _CITY}
    return _just("Which city is the capital of France?", output_config={"format": asked})


def marked(seen: Seen) -> Json:
    """With marks for the prompt cache wherever Claude Code sets them."""
    mark = {"cache_control": {"type": "ephemeral"}}
    said = user([{**_text("Reply with one word: pong"), **mark}])
    return {"messages": [said], "system": [{**_text("Be brief."), **mark}]}


def managed(seen: Seen) -> Json:
    """With the fields that Claude Code sends beside the conversation."""
    edits = [{"type": "clear_thinking_20251015", "keep": "all"}]
    beside = {"context_management": {"edits": edits}, "metadata": {"user_id": "probe"}}
    return _just("Reply with one word: pong", thinking={"type": "adaptive"}, **beside)


def too_many_tokens(seen: Seen) -> Json:
    return _just("Reply with one word: pong", max_tokens=ABSURD)


def _picture(color: tuple[int, int, int]) -> Json:
    data = b64encode(png(color)).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def _text(text: str) -> Json:
    return {"type": "text", "text": text}
