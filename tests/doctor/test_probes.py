"""What is found of models and servers that cannot do this or that."""

import asyncio
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

import pytest

from claude_proxy.backends.http import AiohttpBackend
from claude_proxy.doctor.findings import Finding
from claude_proxy.doctor.probes import CALLS, PROBES
from claude_proxy.doctor.runner import Runner, different
from claude_proxy.doctor.talk import Talk
from claude_proxy.native import Choice
from claude_proxy.profiles import GENERIC, Profile
from claude_proxy.server.upstream import Upstream as Address
from claude_proxy.settings.profiles import field_value
from tests.doctor.model import Model
from tests.upstream import Received, Reply, Upstream, completion, refusal

START = replace(GENERIC, efforts=("low", "medium", "high"))
KNOWN = {field.name for field in fields(Profile)}


class Outcome:
    def __init__(self, runner: Runner, findings: tuple[Finding, ...], calls: int) -> None:
        self.findings = {finding.name: finding for finding in findings}
        self.states = {name: found.verdict.state for name, found in self.findings.items()}
        self.changes = different(START, runner.profile)
        self.calls = calls

    def says(self, name: str) -> str:
        return self.findings[name].verdict.says

    @property
    def flawed(self) -> dict[str, str]:
        return {name: state for name, state in self.states.items() if state != "ok"}


def probed(
    upstream: Upstream, model: Any, start: Profile = START, choice: Choice = "chat"
) -> Outcome:
    upstream.answer(model)

    async def run() -> Outcome:
        backend = AiohttpBackend(connect_timeout=5)
        address = Address(f"{upstream.url}/v1", "sk-x", choice=choice)
        talk = Talk(backend, address, "sk-x", timeout=5, keep=lambda name, exchange: None)
        runner = Runner(talk, "m", start)
        try:
            return Outcome(runner, await runner.run(lambda finding: None), talk.calls)
        finally:
            await backend.aclose()

    return asyncio.run(run())


def test_a_good_model(upstream: Upstream) -> None:
    found = probed(upstream, Model(reasons_in="reasoning_content"))
    # It cannot be told not to reason.
    assert found.flawed == {"thinking off": "degraded"}
    assert found.changes == {}
    assert found.calls <= CALLS
    assert "in reasoning_content" in found.says("thinking on")


def test_a_model_that_does_not_reason(upstream: Upstream) -> None:
    found = probed(upstream, Model())
    assert found.flawed == {"thinking on": "unsupported"}
    assert found.says("reasoning back") == "there is no reasoning to speak of."
    assert found.calls == CALLS - 3


# What a server cannot, what the report says of it, and what is written.
INCAPABLE: list[tuple[Model, dict[str, str], dict[str, Any]]] = [
    (
        Model(limit_field="max_completion_tokens"),
        {"text": "failed"},
        {"max_tokens_field": "max_completion_tokens"},
    ),
    (Model(stream_options=False), {"stream": "failed"}, {"stream_usage": False}),
    (Model(counts=False), {"usage": "degraded", "usage in streams": "degraded"}, {}),
    (Model(streams=False), {"stream": "degraded"}, {}),
    (Model(heeds_limit=False), {"max_tokens": "degraded"}, {}),
    (Model(stop=False), {"stop sequence": "unsupported"}, {"max_stops": 0}),
    (Model(temperature=False), {"temperature": "unsupported"}, {"sampling": False}),
    (
        Model(tools=False),
        {"tool": "failed", "tool result": "failed", "two tools at once": "unsupported"}
        | {"tool named": "unsupported", "tool required": "unsupported"}
        | {"long tool name": "unsupported", "image in a result": "unsupported"},
        {},
    ),
    (Model(at_once=False), {"two tools at once": "degraded"}, {}),
    (
        Model(named=False),
        {"tool named": "unsupported"},
        {"tool_choices": ("auto", "none", "required")},
    ),
    (
        Model(images=False),
        {"image": "unsupported", "image in a result": "unsupported"},
        {"vision": "told"},
    ),
    (Model(blind=True), {"image": "unsupported", "image in a result": "unsupported"}, {}),
    (Model(schema=False), {"JSON schema": "unsupported"}, {"response_format": "told"}),
    (Model(effort=False), {"tool": "failed"}, {"efforts": ()}),
    (Model(cap=8192), {}, {"max_output_tokens": 8192, "cap_assumed": False}),
    (
        Model(reasons_in="reasoning_content", must_echo=True),
        {"thinking on": "ok", "thinking off": "degraded", "tool result": "failed"}
        | ({} if "reasoning_missing" in KNOWN else {"image in a result": "unsupported"}),
        {"reasoning_history": "reasoning_content", "reasoning_missing": "empty"},
    ),
    (
        Model(reasons_in="reasoning_content", takes_echo=False),
        {"thinking on": "ok", "thinking off": "degraded", "reasoning back": "unsupported"},
        {},
    ),
]


def known(changes: dict[str, Any]) -> dict[str, Any]:
    """What this version of `Profile` can say of it."""
    found: dict[str, Any] = {}
    for name, value in changes.items():
        with suppress(KeyError, ValueError):
            found[name] = field_value(name, list(value) if isinstance(value, tuple) else value)
    return found


@pytest.mark.parametrize(
    ("model", "flawed", "changes"), INCAPABLE, ids=[str(at) for at in range(len(INCAPABLE))]
)
def test_what_it_cannot(
    upstream: Upstream, model: Model, flawed: dict[str, str], changes: dict[str, Any]
) -> None:
    found = probed(upstream, model)
    expected = {"thinking on": "unsupported", **flawed}
    assert found.flawed == {name: state for name, state in expected.items() if state != "ok"}
    assert found.changes == known(changes)


@pytest.mark.parametrize("model", [model for model, _, changes in INCAPABLE if changes])
def test_with_what_was_found_it_works(upstream: Upstream, model: Model) -> None:
    before = probed(upstream, model)
    found = probed(upstream, model, replace(START, **before.changes))
    assert [each for each in found.findings.values() if each.needed and each.changes] == []
    if model.tools:
        assert "failed" not in found.states.values()


def test_a_later_system_message_is_refused(upstream: Upstream) -> None:
    start = replace(START, system_messages="anywhere")
    found = probed(upstream, Model(later_system=False), start)
    assert found.states["later system"] == "failed"
    assert found.findings["later system"].changes == {"system_messages": "first"}


@pytest.mark.pitfall(5)
def test_calls_as_text(upstream: Upstream) -> None:
    found = probed(upstream, Model(writes_calls=True))
    assert "as text" in found.says("tool")
    assert "--jinja" in found.findings["tool"].verdict.remedy
    assert found.changes["text_calls"] == "read"
    # From there on they are read.
    assert found.states["tool required"] == "ok"
    again = probed(upstream, Model(writes_calls=True), replace(START, text_calls="read"))
    assert again.states["tool"] == "ok" and not again.findings["tool"].changes


def test_calls_as_text_that_nobody_can_read(upstream: Upstream) -> None:
    found = probed(upstream, Model(writes_calls=True, written="get_weather(city='Paris') {"))
    assert "as text" in found.says("tool") and "text_calls" not in found.changes


FATAL = [
    (401, "bad key", "OPENAI_API_KEY"),
    (402, "no money", "credit"),
    (404, "The model `m` does not exist", "CLAUDE_PROXY_BIG_MODEL"),
    (500, "oops", ""),
]


@pytest.mark.parametrize(("status", "says", "remedy"), FATAL)
def test_after_a_first_failure_nothing_is_asked(
    upstream: Upstream, status: int, says: str, remedy: str
) -> None:
    found = probed(upstream, lambda _: refusal(status, says))
    assert found.states["text"] == "failed"
    assert says in found.says("text")
    assert remedy in found.findings["text"].verdict.remedy
    assert {found.says(name) for name in found.states if name != "text"} == {"not asked."}
    assert found.calls <= 2


def test_a_limit_of_rates_is_waited_for(upstream: Upstream) -> None:
    busy = [refusal(429, "slow down", retry_after="0"), refusal(503, "busy", retry_after="0")]

    def answer(received: Received) -> Reply:
        return busy.pop() if busy else Model()(received)

    found = probed(upstream, answer)
    assert found.states["text"] == "ok"
    assert found.calls == CALLS - 3 + 2


def test_a_failure_later_on_says_nothing_of_the_model(upstream: Upstream) -> None:
    def answer(received: Received) -> Reply:
        broken = "tools" in received.json
        return refusal(429, "slow", retry_after="0") if broken else Model()(received)

    found = probed(upstream, answer)
    assert found.states["tool"] == "unknown"
    assert "(429)" in found.says("tool")
    assert found.changes == {}


def test_a_model_that_spends_its_tokens_on_reasoning_gets_more(upstream: Upstream) -> None:
    def answer(received: Received) -> Reply:
        body = received.json
        if body["max_tokens"] > 256:
            return Model()(received)
        cut = completion("", reasoning_content="Hm")
        cut["choices"][0]["finish_reason"] = "length"
        return Reply(cut)

    found = probed(upstream, answer)
    assert found.states["text"] == "ok"
    assert found.says("text") == "answers."


def test_an_answer_that_is_none(upstream: Upstream) -> None:
    found = probed(upstream, lambda _: Reply(b"<html>hello", headers={"content-type": "text/html"}))
    assert found.states["text"] == "failed"
    found = probed(upstream, lambda _: Reply(completion("")))
    assert found.says("text") == "answers with nothing."


def test_probes_have_names_of_their_own() -> None:
    names = [probe.name for probe in PROBES]
    assert len(set(names)) == len(names)
    assert {probe.of for probe in PROBES if probe.of} <= set(names)
    assert all((probe.ask is None) == bool(probe.of) for probe in PROBES)
