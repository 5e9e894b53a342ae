"""The fakes are strict: a request that they take is refused as soon as one thing in it is wrong."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests import chat_rules
from tests.providers.fake import Fake, Provider
from tests.providers.stage import House
from tests.providers.table import PROVIDERS
from tests.providers.talk import ANSWERS, converse
from tests.upstream import Received

Json = dict[str, Any]
Change = Callable[[Json], None]
Good = Callable[[Provider], Received]

BY_NAME = {provider.name: provider for provider in PROVIDERS}
CHAT = [provider for provider in PROVIDERS if provider.wire is not None]
WANTING = [provider for provider in CHAT if provider.back != "unchecked"]
DETACHED = ("reasoning_content", "reasoning", "reasoning_details")

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR"}}


@pytest.fixture(scope="module")
def good(house: House) -> Good:
    """The last request of a provider's five turns, as our server sent it."""
    known: dict[str, Received] = {}

    def find(provider: Provider) -> Received:
        if provider.name not in known:
            with house.staged(provider, *ANSWERS) as stage:
                converse(stage, streamed=True)
                known[provider.name] = stage.upstream.last
        return known[provider.name]

    return find


def complaint(provider: Provider, request: Received, change: Change | None = None) -> str:
    """What the fake says against the request with a change in it, which it then refuses."""
    body = copy.deepcopy(request.json)
    if change:
        change(body)
    fake, sent = Fake(provider, ANSWERS), json.dumps(body).encode()
    reply = fake(Received("POST", request.path, request.headers, sent))
    assert (reply.status in (400, 422)) == bool(fake.complaints)
    return "; ".join(fake.complaints)


def of_role(body: Json, role: str) -> list[Json]:
    return [message for message in body["messages"] if message["role"] == role]


def parallel_call(body: Json) -> Json:
    """The first answer, with its two calls."""
    return next(message for message in body["messages"] if message.get("tool_calls"))


def lose_a_call(body: Json) -> None:
    lost = parallel_call(body)["tool_calls"].pop()
    body["messages"] = [m for m in body["messages"] if m.get("tool_call_id") != lost["id"]]


def swap_results(body: Json) -> None:
    first, second = of_role(body, "tool")[:2]
    first["tool_call_id"], second["tool_call_id"] = second["tool_call_id"], first["tool_call_id"]


def change_arguments(body: Json) -> None:
    parallel_call(body)["tool_calls"][0]["function"]["arguments"] = "{}"


def show_a_picture_in_a_result(body: Json) -> None:
    of_role(body, "tool")[1]["content"] = [PICTURE]


def lose_the_reasoning(body: Json) -> None:
    message = parallel_call(body)
    for name in DETACHED:
        message.pop(name, None)
    for call in message["tool_calls"]:
        call.pop("extra_content", None)
    if isinstance(message["content"], list):
        message["content"] = message["content"][1:]
    elif "<think>" in (message["content"] or ""):
        message["content"] = ANSWERS[0].text


ALWAYS: dict[str, Change] = {
    "unknown field": lambda body: body.update(frobnicate=1),
    "a call is lost": lose_a_call,
    "results are swapped": swap_results,
    "arguments are changed": change_arguments,
    "picture in a result": show_a_picture_in_a_result,
    "no result": lambda body: body["messages"].remove(of_role(body, "tool")[0]),
    "a long id": lambda body: parallel_call(body)["tool_calls"][0].update(id="x" * 65),
    "one tool twice": lambda body: body["tools"].append(body["tools"][0]),
}
SINGLE: list[tuple[str, Json]] = [
    ("openai", {"max_tokens": 5}),
    ("openai", {"temperature": 0.2}),
    ("openai", {"stop": ["x"]}),
    ("openai", {"reasoning_effort": "xhigh"}),
    ("openai", {"max_completion_tokens": 128_001}),
    ("openai-responses", {"temperature": 0.2}),
    ("openai-responses", {"store": True}),
    ("openai-responses", {"include": []}),
    ("azure", {"max_tokens": 16_385}),
    ("openrouter", {"reasoning_effort": "high"}),
    ("deepseek", {"tool_choice": "required"}),
    ("deepseek", {"max_tokens": 384_001}),
    ("qwen", {"stream": False}),
    ("qwen", {"tool_choice": "required"}),
    ("qwen", {"enable_thinking": False}),
    ("glm", {"tool_choice": "required"}),
    ("glm", {"tool_stream": False}),
    ("glm", {"thinking": {"type": "enabled"}}),
    ("glm", {"user": "u"}),
    ("moonshot", {"reasoning_effort": "high"}),
    ("moonshot", {"tool_choice": "required"}),
    ("moonshot", {"temperature": 0.6}),
    ("moonshot", {"thinking": {"type": "enabled"}}),
    ("kimi-coding", {"thinking": {"type": "enabled"}}),
    ("minimax", {"tool_choice": "required"}),
    ("minimax", {"response_format": {"type": "json_object"}}),
    ("gemini", {"parallel_tool_calls": True}),
    ("gemini", {"user": "u"}),
    ("gemini", {"reasoning_effort": "none"}),
    ("gemini", {"extra_body": {"google": {"thoughts": True}}}),
    ("gemini", {"extra_body": {"google": {"thinking_config": {"thinking_level": "max"}}}}),
    ("xai", {"stop": ["x"]}),
    ("mistral", {"stream_options": {"include_usage": True}}),
    ("mistral", {"user": "u"}),
    ("mistral", {"tool_choice": "required"}),
    ("groq", {"reasoning_format": "raw"}),
    ("groq", {"max_completion_tokens": 40_961}),
    ("together", {"thinking": {"type": "enabled"}}),
    ("fireworks", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
    ("ollama", {"tool_choice": "required"}),
    ("vllm", {"stream_options": {}}),
    ("vllm", {"chat_template_kwargs": {"enable_thinking": False}}),
    ("llama.cpp", {"tool_choice": {"type": "function", "function": {"name": "list_files"}}}),
    ("lmstudio", {"tool_choice": {"type": "function", "function": {"name": "list_files"}}}),
]
TAMPERED: list[tuple[str, str, Change]] = [
    ("deepseek", "image_url", lambda body: of_role(body, "user")[0].update(content=[PICTURE])),
    ("groq", "reasoning_content", lambda b: parallel_call(b).update(reasoning_content="t")),
    ("openai", "reasoning", lambda body: parallel_call(body).update(reasoning="t")),
    ("gemini", "$schema", lambda b: b["tools"][0]["function"]["parameters"].update({"$schema": 1})),
    ("gemini", "function name", lambda b: b["tools"][0]["function"].update(name="1st")),
    ("moonshot", "anyOf", lambda b: schema(b).update(type="number", anyOf=[{"minimum": 1}])),
    ("mistral", "length of 9", lambda b: parallel_call(b)["tool_calls"][0].update(id="call_1")),
    ("mistral", "after role 'tool'", lambda body: body["messages"].remove(filler(body))),
    ("vllm", "beginning", lambda b: b["messages"].insert(2, {"role": "system", "content": "hm"})),
    ("ollama", "<nil>", lambda body: parallel_call(body).update(content=None)),
    ("openrouter-claude", "Found 0", lambda body: body.update(chat_rules.unmarked(body))),
]


def filler(body: Json) -> Json:
    """What our server put between results and a picture."""
    messages: list[Json] = body["messages"]
    roles = [message["role"] for message in messages]
    at = next(n for n in range(len(roles)) if roles[n : n + 3] == ["tool", "assistant", "user"])
    return messages[at + 1]


def schema(body: Json) -> Json:
    found: Json = body["tools"][0]["function"]["parameters"]["properties"]["path"]
    return found


EACH = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.name)


@EACH
def test_right_request_is_taken(provider: Provider, good: Good) -> None:
    assert complaint(provider, good(provider)) == ""


@pytest.mark.parametrize("change", ALWAYS.values(), ids=ALWAYS)
@pytest.mark.parametrize("provider", CHAT, ids=lambda provider: provider.name)
def test_every_provider_refuses(provider: Provider, good: Good, change: Change) -> None:
    assert complaint(provider, good(provider), change)


@pytest.mark.parametrize("provider", WANTING, ids=lambda provider: provider.name)
def test_lost_reasoning_is_refused(provider: Provider, good: Good) -> None:
    assert "answer 0" in complaint(provider, good(provider), lose_the_reasoning)


@pytest.mark.parametrize(("name", "fields"), SINGLE)
def test_a_wrong_field_is_refused(name: str, fields: Json, good: Good) -> None:
    provider = BY_NAME[name]
    said = complaint(provider, good(provider), lambda body: body.update(fields))
    assert any(field in said for field in fields)


@pytest.mark.parametrize(("name", "word", "change"), TAMPERED)
def test_a_wrong_message_is_refused(name: str, word: str, change: Change, good: Good) -> None:
    provider = BY_NAME[name]
    assert word in complaint(provider, good(provider), change)


def lose_items(body: Json) -> None:
    body["input"] = [item for item in body["input"] if item["type"] != "reasoning"]


def change_an_item(body: Json) -> None:
    first(body, "reasoning")["encrypted_content"] = "x"


def move_an_item(body: Json) -> None:
    """Before the text that it stood behind."""
    text = body["input"].index(first(body, "message", role="assistant"))
    body["input"].insert(text, body["input"].pop(text + 1))


def first(body: Json, kind: str, **fields: str) -> Json:
    wanted = {"type": kind, **fields}
    return next(item for item in body["input"] if wanted.items() <= item.items())


@pytest.mark.parametrize("change", [lose_items, change_an_item, move_an_item])
def test_encrypted_reasoning_has_to_stand_where_it_stood(good: Good, change: Change) -> None:
    provider = BY_NAME["openai-responses"]
    assert "answer 0" in complaint(provider, good(provider), change)


@EACH
def test_wrong_place_or_key_is_refused(provider: Provider, good: Good) -> None:
    right = good(provider)
    elsewhere = Received("POST", "/elsewhere", right.headers, right.body)
    assert "Invalid URL" in complaint(provider, elsewhere)
    without_key = Received("POST", right.path, {}, right.body)
    assert "API key" in complaint(provider, without_key)
