"""What upstreams refuse, for every upstream that has a profile."""

from typing import Any

import pytest

from claude_proxy.codecs import openai_chat, openai_responses
from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.errors import RequestError
from claude_proxy.profiles import Profile, profile_for
from tests.chat_rules import broken_rules, unmarked
from tests.request_cases import NAMED

EVERY = pytest.mark.parametrize("profile", NAMED.values(), ids=NAMED)

HI = {"role": "user", "content": "Hi"}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "aGk="}
IMAGE = {"type": "image", "source": PIXEL}
LOOKUP = {"name": "lookup", "input_schema": {"type": "object", "properties": {}}}


def encoded(profile: Profile, *messages: Any, **more: Any) -> tuple[Any, list[str]]:
    """The Chat request, without marks for caches, and the paths of its notes."""
    notes: list[str] = []
    request = decode_request({"model": "m", "max_tokens": 9, "messages": [*messages], **more})
    sent = openai_chat.encode_request(
        request, profile=profile, on_drop=lambda path, why: notes.append(path)
    )
    return unmarked(sent), notes


def said(*blocks: Any) -> Any:
    return {"role": "assistant", "content": [*blocks]}


def asked(*blocks: Any) -> Any:
    return {"role": "user", "content": [*blocks]}


def text(words: str) -> Any:
    return {"type": "text", "text": words}


def call(id: str, name: str = "lookup") -> Any:
    return {"type": "tool_use", "id": id, "name": name, "input": {}}


def result(id: str, content: Any = "x") -> Any:
    return {"type": "tool_result", "tool_use_id": id, "content": content}


def roles(chat: Any) -> list[str]:
    return [message["role"] for message in chat["messages"]]


REASONING = {
    "extra_body",
    *("thinking", "enable_thinking", "reasoning", "chat_template_kwargs"),
    *("reasoning_effort", "thinking_budget"),
}


@pytest.mark.pitfall(14)
@EVERY
def test_nothing_is_said_of_reasoning_where_nothing_was_asked(profile: Profile) -> None:
    chat, notes = encoded(profile, HI)
    assert not REASONING & chat.keys() and notes == []


@pytest.mark.pitfall(14)
@EVERY
@pytest.mark.parametrize(
    "asked_for",
    [
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}},
        {"output_config": {"effort": "high"}},
    ],
    ids=["off", "budget", "level"],
)
def test_what_is_asked_of_reasoning_is_sent_or_noted(profile: Profile, asked_for: Any) -> None:
    chat, notes = encoded(profile, HI, **asked_for)
    assert REASONING & chat.keys() or notes


DEEPSEEK = profile_for("https://api.deepseek.com", "deepseek-chat")
GLM = profile_for("https://api.z.ai/api/paas/v4", "glm-5")
KIMI = profile_for("https://api.moonshot.ai/v1", "kimi-k2.7-code")
DEMAND = {"tools": [LOOKUP], "tool_choice": {"type": "any"}}


@pytest.mark.pitfall(15)
def test_a_demanded_call_turns_reasoning_off_where_it_must() -> None:
    chat, notes = encoded(DEEPSEEK, HI, thinking={"type": "adaptive"}, **DEMAND)
    assert chat["tool_choice"] == "required" and chat["thinking"] == {"type": "disabled"}
    assert notes == ["thinking"]


@pytest.mark.pitfall(15)
@pytest.mark.parametrize("profile", [GLM, KIMI], ids=["auto only", "always reasons"])
def test_a_call_that_cannot_be_demanded_is_asked_for_in_words(profile: Profile) -> None:
    chat, notes = encoded(profile, HI, **DEMAND)
    assert chat["tool_choice"] == "auto" and "tool_choice" in notes
    assert "must call a tool" in chat["messages"][0]["content"]


@pytest.mark.pitfall(23)
@EVERY
def test_schemas_that_servers_refuse_are_put_right(profile: Profile) -> None:
    schemas: list[Any] = [
        {"properties": {"a": {"type": "string"}}, "required": ["a", "a"]},
        {"anyOf": [{"properties": {"a": {"type": "string"}}}, {"properties": {}}]},
        {"oneOf": [{"type": "object"}]},
        {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}]},
        {},
    ]
    tools = [{"name": f"t{i}", "input_schema": schema} for i, schema in enumerate(schemas)]
    chat, _ = encoded(profile, HI, tools=tools)
    assert broken_rules(chat) == []


@pytest.mark.pitfall(24)
@EVERY
def test_a_name_that_does_not_fit_is_one_name_everywhere(profile: Profile) -> None:
    name = "mcp__server__" + "long.name/" * 12
    chat, _ = encoded(
        profile,
        HI,
        said(call("c1", name)),
        asked(result("c1")),
        tools=[{**LOOKUP, "name": name}],
    )
    (wire,) = {tool["function"]["name"] for tool in chat["tools"]}
    assert (
        len(wire) <= profile.tool_name_length and wire.replace("_", "").replace("-", "").isalnum()
    )
    assistant = next(message for message in chat["messages"] if message["role"] == "assistant")
    assert assistant["tool_calls"][0]["function"]["name"] == wire
    request = decode_request(
        {"model": "m", "max_tokens": 9, "messages": [HI], "tools": [{**LOOKUP, "name": name}]}
    )
    assert openai_chat.tool_names(request, profile=profile) == {wire: name}


@pytest.mark.pitfall(25)
def test_more_tools_than_an_upstream_takes_are_refused_with_the_number() -> None:
    tools = [{**LOOKUP, "name": f"t{i}"} for i in range(129)]
    with pytest.raises(RequestError, match="128 tools at most, and these are 129"):
        encoded(NAMED["openai/gpt-4o"], HI, tools=tools)


TWO_CALLS = [HI, said(call("c1"), call("c2"))]


@pytest.mark.pitfall(26)
@EVERY
def test_an_image_of_a_result_never_is_base64_in_its_text(profile: Profile) -> None:
    results = [result("c1", [text("see"), IMAGE]), result("c2")]
    chat, notes = encoded(profile, *TWO_CALLS, asked(*results, text("So?")))
    told = [message for message in chat["messages"] if message["role"] == "tool"]
    assert all("aGk=" not in message["content"] for message in told)
    assert "[image" in told[0]["content"]
    assert roles(chat)[:4] == ["user", "assistant", "tool", "tool"]
    last = chat["messages"][-1]
    assert last["role"] == "user"
    if profile.vision == "seen":
        kinds = [part["type"] for part in last["content"]]
        assert kinds == ["text", "image_url", "text"] and notes == []
    else:
        assert last["content"] == "So?" and notes


@pytest.mark.pitfall(26)
def test_in_responses_the_image_stands_in_the_output() -> None:
    request = decode_request(
        {
            **{"model": "m", "max_tokens": 99},
            "messages": [HI, said(call("c1")), asked(result("c1", [IMAGE]))],
        }
    )
    sent = openai_responses.encode_request(request, profile=NAMED["openai/gpt-5"])
    assert [part["type"] for part in sent["input"][-1]["output"]] == ["input_image"]


HISTORIES = {
    "results in another order": [*TWO_CALLS, asked(result("c2"), result("c1"))],
    "text before the results": [*TWO_CALLS, asked(text("a"), result("c1"), result("c2"))],
    "no results": [*TWO_CALLS, HI],
    "one result": [*TWO_CALLS, asked(result("c2"))],
    "a result of nothing": [HI, said(text("a")), asked(result("c9"), text("b"))],
    "a result twice": [*TWO_CALLS, asked(result("c1"), result("c1"), result("c2"))],
    "two results of one call": [*TWO_CALLS, asked(result("c1"), result("c1", "y"), result("c2"))],
    "text behind a call": [HI, said(call("c1"), text("a"), call("c2")), asked(result("c1"))],
    "results in two messages": [*TWO_CALLS, asked(result("c1")), asked(result("c2"))],
}


@pytest.mark.pitfall(27)
@EVERY
@pytest.mark.parametrize("history", HISTORIES.values(), ids=HISTORIES)
def test_each_call_is_followed_by_its_result_alone(profile: Profile, history: list[Any]) -> None:
    chat, _ = encoded(profile, *history)
    waiting: list[str] = []
    for message in chat["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
        else:
            assert waiting == []
        waiting += [entry["id"] for entry in message.get("tool_calls", ())]
    assert waiting == []


@pytest.mark.pitfall(28)
@EVERY
def test_later_system_messages_stand_where_the_upstream_takes_them(profile: Profile) -> None:
    later = {"role": "system", "content": "Be brief."}
    chat, _ = encoded(profile, HI, said(text("a")), later, HI, system="You are X.")
    places = [at for at, role in enumerate(roles(chat)) if role == "system"]
    if profile.system_messages == "first":
        assert places == [0]
        assert "<system-reminder>\nBe brief." in chat["messages"][-1]["content"]
    else:
        assert places == [0, 3]


@pytest.mark.pitfall(28)
@EVERY
def test_roles_alternate(profile: Profile) -> None:
    chat, _ = encoded(profile, HI, HI, said(text("a")), said(text("b")), HI)
    assert roles(chat) == ["user", "assistant", "user"]


@pytest.mark.pitfall(28)
def test_mistral_has_words_between_results_and_user_and_short_ids() -> None:
    mistral = profile_for("https://api.mistral.ai/v1", "mistral-large-latest")
    chat, _ = encoded(mistral, HI, said(call("toolu_01")), asked(result("toolu_01"), text("b")))
    assert roles(chat) == ["user", "assistant", "tool", "assistant", "user"]
    id = chat["messages"][2]["tool_call_id"]
    assert len(id) == 9 and id.isalnum()


@pytest.mark.pitfall(28)
@EVERY
def test_a_prefilled_answer_is_continued_or_asked_for(profile: Profile) -> None:
    chat, _ = encoded(profile, HI, said(text("1, 2,")))
    last = "assistant" if profile.prefill == "continue" else "user"
    assert roles(chat)[-1] == last


@pytest.mark.pitfall(29)
@EVERY
def test_nothing_that_is_sent_is_empty(profile: Profile) -> None:
    chat, _ = encoded(
        profile,
        asked(text(""), text("a")),
        said(text(""), call("c1"), call("c2")),
        asked(result("c1", ""), result("c2", [text("")]), text("")),
        said(text("")),
        HI,
    )
    words = [m["content"] for m in chat["messages"] if m["role"] != "assistant"]
    assert words.count("(no output)") == 2 and all(words)
    calls = next(message for message in chat["messages"] if "tool_calls" in message)
    assert calls["content"] == ("" if profile.call_content == "empty" else None)


@pytest.mark.pitfall(30)
@EVERY
def test_a_model_without_eyes_reads_that_there_was_an_image(profile: Profile) -> None:
    chat, notes = encoded(profile, asked(IMAGE, text("What is it?")))
    content = chat["messages"][0]["content"]
    if profile.vision == "seen":
        assert content[0]["type"] == "image_url" and notes == []
    else:
        assert content.startswith("[image:") and notes == ["messages.0.content.0"]
