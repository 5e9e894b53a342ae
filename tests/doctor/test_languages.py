"""The same probes in the Responses API and in Messages: what is found, and what is written."""

from dataclasses import replace
from typing import Any

import pytest

from claude_proxy.doctor.probes import calls_in
from claude_proxy.native import NATIVES, Choice
from claude_proxy.profiles import GENERIC, Profile
from tests.doctor.model import Model
from tests.doctor.spoken import Passed, Responses
from tests.doctor.test_probes import START, Outcome, probed
from tests.messages_upstream import message, refused
from tests.upstream import Received, Reply, Upstream, refusal

NOTHING: dict[str, Any] = {}


def has(*path: str) -> Any:
    def find(body: Any) -> object:
        for name in path:
            body = body.get(name) if isinstance(body, dict) else None
        return body is not None

    return find


def in_responses(upstream: Upstream, model: Any, start: Profile = START) -> Outcome:
    return probed(upstream, model, start, choice="responses")


def in_messages(upstream: Upstream, model: Any, choice: Choice = "messages") -> Outcome:
    return probed(upstream, model, START, choice=choice)


# Responses API


def test_a_good_model_in_the_responses_api(upstream: Upstream) -> None:
    found = in_responses(upstream, Responses(reasons=True, encrypts=True))
    assert found.flawed == {"stop sequence": "unsupported", "thinking off": "degraded"}
    assert "the Responses API has no stop sequences" in found.says("stop sequence")
    assert "streams (" in found.says("stream")
    assert "in summaries" in found.says("thinking on")
    # It may be asked for, and was taken back.
    assert found.changes == {"reasoning_items": "encrypted"}
    assert found.calls <= calls_in("responses")
    assert not {"reasoning not back", "cache marks"} & found.states.keys()
    assert {post.path for post in upstream.posts} == {"/v1/responses"}


NO_ENCRYPTED = "Encrypted content is not supported with this model."
NOT_VERIFIED = "Your organization must be verified to generate reasoning summaries."
RESPONSES: list[tuple[Responses, dict[str, Any], dict[str, str], dict[str, Any]]] = [
    (
        Responses(rules=((has("include"), NO_ENCRYPTED),)),
        {"reasoning_items": "encrypted"},
        {"text": "failed", "encrypted reasoning": "unsupported", "it goes back": "unknown"},
        {"reasoning_items": "drop"},
    ),
    (
        Responses(reasons=True, shows=False),
        {},
        {"thinking on": "degraded", "thinking off": "degraded"}
        | {"encrypted reasoning": "unsupported", "it goes back": "unknown"},
        {"reasoning_summary": "auto"},
    ),
    (
        Responses(reasons=True, rules=((has("reasoning", "summary"), NOT_VERIFIED),)),
        {"reasoning_summary": "auto"},
        {"tool": "failed", "thinking off": "degraded"}
        | {"encrypted reasoning": "unsupported", "it goes back": "unknown"},
        {"reasoning_summary": None},
    ),
    (
        Responses(rules=((has("temperature"), "Unsupported parameter: 'temperature'"),)),
        {},
        {"temperature": "unsupported"}
        | {"encrypted reasoning": "unsupported", "it goes back": "unknown"},
        {"sampling": False},
    ),
]


@pytest.mark.parametrize(("model", "start", "flawed", "changes"), RESPONSES)
def test_what_it_cannot_in_the_responses_api(
    upstream: Upstream,
    model: Responses,
    start: dict[str, Any],
    flawed: dict[str, str],
    changes: dict[str, Any],
) -> None:
    before = replace(START, **start)
    found = in_responses(upstream, model, before)
    silent = {} if model.reasons else {"thinking on": "unsupported"}
    assert found.flawed == {"stop sequence": "unsupported", **silent, **flawed}
    after = replace(before, **changes)
    assert found.changes == {
        name: getattr(after, name)
        for name in {*start, *changes}
        if getattr(after, name) != getattr(START, name)
    }


# Messages


def test_a_good_model_in_messages(upstream: Upstream) -> None:
    found = in_messages(upstream, Passed(reasons=True))
    assert found.flawed == {}
    assert found.changes == NOTHING
    assert found.calls <= calls_in("messages")
    assert "in thinking blocks" in found.says("thinking on")
    assert {"thinking back", "cache marks", "context management"} <= found.states.keys()
    assert "reasoning back" not in found.states
    assert {post.headers["x-api-key"] for post in upstream.posts} == {"sk-x"}


EXTRA = "Extra inputs are not permitted"
MESSAGES: list[tuple[Passed, dict[str, str], dict[str, Any]]] = [
    (
        Passed(rules=((has("output_config", "effort"), f"output_config: {EXTRA}"),)),
        {"tool": "failed"},
        {"without": {"output_config.effort"}},
    ),
    (
        Passed(rules=((has("output_config"), f"output_config: {EXTRA}"),)),
        {"tool": "failed", "JSON schema": "degraded"},
        {"without": {"output_config"}},
    ),
    (
        Passed(rules=((has("output_config", "format"), f"output_config.format: {EXTRA}"),)),
        {"JSON schema": "unsupported"},
        {"without": {"output_config.format"}},
    ),
    (
        Passed(
            rules=(
                (has("temperature"), "temperature: no"),
                (has("stop_sequences"), "stop_sequences: no"),
                (has("context_management"), f"context_management: {EXTRA}"),
            )
        ),
        {"temperature": "unsupported", "stop sequence": "unsupported"}
        | {"context management": "unsupported"},
        {"without": {"temperature", "stop_sequences", "context_management"}},
    ),
    (Passed(pieces=False), {"stream": "degraded"}, {}),
    (
        Passed(rules=((lambda body: "image" in str(body["messages"]), "images: no"),)),
        {"image": "unsupported", "image in a result": "unsupported"},
        {},
    ),
    (
        Passed(rules=((lambda body: body["messages"][2:3] and "system" in str(body), "role"),)),
        {"later system": "unsupported"},
        {},
    ),
]


@pytest.mark.parametrize(("model", "flawed", "changes"), MESSAGES)
def test_what_it_cannot_in_messages(
    upstream: Upstream, model: Passed, flawed: dict[str, str], changes: dict[str, Any]
) -> None:
    found = in_messages(upstream, model)
    silent = {"thinking on": "unsupported", "thinking back": "unknown"}
    assert found.flawed == {**silent, **flawed}
    assert found.changes == changes


def test_a_limit_in_messages_is_the_users_to_set(upstream: Upstream) -> None:
    words = "max_tokens: 100000000 > 8192, which is the maximum allowed number of output tokens"
    over = (lambda body: body["max_tokens"] > 8192, words)
    found = in_messages(upstream, Passed(rules=(over,)))
    verdict = found.findings["output limit"].verdict
    assert verdict.state == "ok" and "8,192 tokens of output" in verdict.says
    assert "CLAUDE_PROXY_MAX_TOKENS_LIMIT=8192" in verdict.remedy
    assert found.changes == NOTHING


def test_thinking_that_does_not_come_back(upstream: Upstream) -> None:
    def with_thinking(body: Any) -> bool:
        return "EqQB" in str(body["messages"])

    words = "messages.1.content.0: Invalid `signature` in `thinking` block"
    found = in_messages(upstream, Passed(reasons=True, rules=((with_thinking, words),)))
    assert found.states["tool result"] == "failed"
    assert found.states["thinking back"] == "unsupported"
    assert found.changes == {"history_thinking": "dropped"}


def test_anthropic_itself_is_never_corrected(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(NATIVES[0], hosts=("127.0.0.1",))
    monkeypatch.setattr("claude_proxy.native.NATIVES", (here, *NATIVES[1:]))
    refusing = Passed(rules=((has("temperature"), "temperature: no"),))
    found = in_messages(upstream, refusing)
    assert found.states["temperature"] == "unsupported"
    assert found.changes == NOTHING


def test_an_upstream_that_only_seemed_to_speak_messages(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(NATIVES[-1], name="here", hosts=("127.0.0.1",), path="", prefer=("*",))
    monkeypatch.setattr("claude_proxy.native.NATIVES", (row, *NATIVES))

    def answer(received: Received) -> Reply:
        if received.path.startswith("/v1/messages"):
            return Reply({"detail": "Not Found"}, status=404)
        return Model()(received)

    found = in_messages(upstream, answer, choice="auto")
    assert found.flawed == {"thinking on": "unsupported"}
    assert "reasoning not back" in found.states
    assert sum(post.path.startswith("/v1/messages") for post in upstream.posts) == 1


# Each is an answer to the first probe, and what is said of it.
ODD: list[tuple[Reply, str]] = [
    (refused(404, "not_found_error", "model: m"), "model: m"),
    (refusal(401, "bad key"), "bad key"),
    (Reply({"hello": 1}), "is not a message"),
    (Reply(b"nothing", headers={"content-type": "application/json"}), "is not a message"),
    (Reply({"type": "error", "error": {"type": "api_error", "message": "oops"}}), "oops"),
    (Reply(stream=["nonsense"]), "is not a stream of Messages events"),
    (Reply(stream=[{"type": "ping"}, "[DONE]"]), "before it was complete"),
    (
        Reply(stream=[{"type": "error", "error": {"type": "overloaded_error", "message": "full"}}]),
        "full",
    ),
]


@pytest.mark.parametrize(("reply", "says"), ODD)
def test_answers_in_messages_that_are_none(upstream: Upstream, reply: Reply, says: str) -> None:
    found = in_messages(upstream, lambda _: reply)
    assert found.states["text"] == "failed"
    assert says in found.says("text")
    assert {found.says(name) for name in found.states if name != "text"} == {"not asked."}


def test_an_answer_with_less_than_there_should_be(upstream: Upstream) -> None:
    sparse = message(usage=None, stop_reason=None)
    found = in_messages(upstream, lambda _: Reply(sparse))
    assert found.states["text"] == "ok"
    assert found.states["usage"] == "degraded"


def test_the_generic_profile_is_the_start_everywhere() -> None:
    assert replace(START, efforts=()) == replace(GENERIC, efforts=())
