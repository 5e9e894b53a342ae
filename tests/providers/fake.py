"""A provider's fake: it checks a request as the provider would, and answers in its words.

It keeps no state. How far a conversation has come is told by how many of its own answers are in a
request, and each of them has to be there as it was given: text, calls, and the reasoning in the
form in which this provider wants it back.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from tests import chat_rules, responses_rules
from tests.conftest import UPSTREAM_KEY
from tests.providers import chat_wire, responses_wire
from tests.providers.chat_wire import TAGGED, Wire
from tests.providers.refusals import openai
from tests.providers.rules import Rule
from tests.providers.said import Said
from tests.upstream import Received, Reply

Json = dict[str, Any]
Back = Literal[
    "unchecked",
    "reasoning_content",
    "reasoning",
    "tags",
    "parts",
    "details",
    "signed",
    "encrypted",
]
"""The form in which earlier reasoning has to come back."""

CHAT = "/v1/chat/completions"
STAND_IN = {"google": {"thought_signature": "skip_thought_signature_validator"}}
"""Gemini takes it for the signature of a call that it did not make."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider and model: a row of the table."""

    name: str
    profile: str
    model: str
    wire: Wire | None
    """None: it speaks the Responses API."""
    refuse: Callable[[str], Reply] = openai
    rules: tuple[Rule, ...] = ()
    back: Back = "unchecked"
    shows: bool = True
    """Whether it tells what it thinks."""
    sees: bool = True
    caches: bool = True
    """Whether it tells how much of the prompt came from its cache."""
    base: str = "/v1"
    """What our server is told to be its address, after the host."""
    path: str = CHAT
    key_header: str = "authorization"
    settings: Mapping[str, str] = field(default_factory=dict)

    def environ(self, url: str) -> dict[str, str]:
        """The variables that lead our server to it, where it is at `url`."""
        return {
            "OPENAI_BASE_URL": url + self.base,
            "CLAUDE_PROXY_PROFILE": self.profile,
            "CLAUDE_PROXY_BIG_MODEL": self.model,
            "CLAUDE_PROXY_MIDDLE_MODEL": self.model,
            "CLAUDE_PROXY_SMALL_MODEL": self.model,
            # What is refused has to be seen, not to be mended by a second attempt.
            "CLAUDE_PROXY_LEARNING": "false",
            **self.settings,
        }


@dataclass(slots=True)
class Fake:
    """Answers requests. Mutable: it keeps what it complained about."""

    provider: Provider
    answers: Sequence[Said]
    strangers: int = 0
    """How many of the first answers are another provider's: what was said is the same, and there
    is no reasoning that only the other one could read."""
    complaints: list[str] = field(default_factory=list)

    def __call__(self, request: Received) -> Reply:
        body = request.json
        wrong = [*self._addressed(request), *broken(body, self.provider)]
        own = own_turns(body, self.provider)
        if not wrong and len(own) >= len(self.answers):
            wrong = ["there is nothing left to say"]
        wrong = wrong or [*self._forgotten(own)]
        if wrong:
            self.complaints += wrong
            return self.provider.refuse(wrong[0])
        return self._reply(len(own), streamed=bool(body.get("stream")))

    def _addressed(self, request: Received) -> Iterator[str]:
        if urlsplit(request.path).path != self.provider.path:
            yield f"Invalid URL (POST {request.path})"
        if UPSTREAM_KEY not in request.headers.get(self.provider.key_header, ""):
            yield "Incorrect API key provided"

    def _forgotten(self, own: list[list[Json]]) -> Iterator[str]:
        for number, (turn, said) in enumerate(zip(own, self.answers, strict=False)):
            given = number >= self.strangers
            compare = _compare_items if self.provider.wire is None else _compare_message
            for what in compare(turn, said, number, self.provider, given):
                yield f"answer {number}: {what}"

    def _reply(self, number: int, *, streamed: bool) -> Reply:
        said, wire = self.answers[number], self.provider.wire
        if wire is None:
            if streamed:
                return Reply(stream=responses_wire.stream(said, number))
            return Reply(responses_wire.response(said, number))
        if streamed:
            return Reply(stream=chat_wire.stream(said, number, wire))
        return Reply(chat_wire.whole(said, number, wire))


def broken(body: Json, provider: Provider) -> list[str]:
    """The rules that a request breaks: every strict server's, and the provider's own."""
    if provider.wire is None:
        common = responses_rules.broken_rules(body)
    else:
        common = chat_rules.broken_rules(chat_rules.unmarked(body))
    return [*(what for rule in provider.rules for what in rule(body)), *common]


def own_turns(body: Json, provider: Provider) -> list[list[Json]]:
    """The fake's own answers in a request, each as its messages or items."""
    if provider.wire is not None:
        messages = [m for m in body["messages"] if m["role"] == "assistant"]
        return [[message] for message in messages if not _is_filler(message, provider)]
    turns: list[list[Json]] = []
    inside = False
    for item in body["input"]:
        own = item.get("role") == "assistant" or item["type"] in ("reasoning", "function_call")
        if own and not inside:
            turns.append([])
        if own:
            turns[-1].append(item)
        inside = own
    return turns


def _is_filler(message: Json, provider: Provider) -> bool:
    """Words put between results and user: without a thought, as Mistral's own never are."""
    plain = isinstance(message["content"], str) and "tool_calls" not in message
    return provider.back == "parts" and plain


def _compare_message(
    turn: list[Json], said: Said, number: int, provider: Provider, given: bool
) -> Iterator[str]:
    [message] = turn
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ]
    if calls != [*said.calls]:
        yield f"other calls: {calls}"
    content = chat_wire.joined(message["content"])
    if not given:
        yield from _compare_strange(message, content, said, provider)
    elif provider.back == "tags":
        if content.rstrip() != (TAGGED.format(said.thought) + said.text).rstrip():
            yield f"other content: {content!r}"
    else:
        if content != said.text:
            yield f"other text: {content!r}"
        yield from _compare_reasoning(message, said, number, provider)


def _compare_strange(message: Json, content: str, said: Said, provider: Provider) -> Iterator[str]:
    if not content.endswith(said.text):
        yield f"other text: {content!r}"
    if "reasoning_details" in message:
        yield "Invalid `signature` in `thinking` block"
    if provider.back == "reasoning_content" and not isinstance(message.get(provider.back), str):
        yield "thinking is enabled but reasoning_content is missing"
    if provider.back == "signed" and message["tool_calls"][0].get("extra_content") != STAND_IN:
        yield "Function call is missing a thought_signature"


def _compare_reasoning(message: Json, said: Said, number: int, provider: Provider) -> Iterator[str]:
    back, wire = provider.back, provider.wire or Wire()
    match back:
        case "reasoning_content" | "reasoning":
            if message.get(back) != said.thought:
                yield f"thinking is enabled but {back} is {message.get(back)!r}"
        case "parts":
            thinking = {"type": "thinking", "thinking": [{"type": "text", "text": said.thought}]}
            if message["content"][0] != thinking:
                yield f"other thinking: {message['content'][0]}"
        case "details":
            if message.get("reasoning_details") != chat_wire.details(said, number):
                yield f"Invalid `signature` in `thinking` block: {message.get('reasoning_details')}"
        case "signed" if said.calls:
            # That of a text is asked for, but its absence is not refused.
            [signed, *others] = message["tool_calls"]
            if signed.get("extra_content") != chat_wire.signed(number, wire):
                yield f"missing a thought_signature: {signed}"
            if any("extra_content" in other for other in others):
                yield "Corrupted thought signature."


def _compare_items(
    turn: list[Json], said: Said, number: int, provider: Provider, given: bool
) -> Iterator[str]:
    found = [_without_ids(item) for item in turn]
    wanted = [_without_ids(item) for item in responses_wire.items(said, number)]
    if not given:
        wanted = [item for item in wanted if item[0] != "reasoning"]
    if found != wanted:
        yield f"other items: {found} instead of {wanted}"


def _without_ids(item: Json) -> tuple[Any, ...]:
    match item["type"]:
        case "message":
            content = item["content"]
            text = content if isinstance(content, str) else content[0]["text"]
            return "message", text
        case "function_call":
            return "function_call", item["name"], json.loads(item["arguments"])
        case _:
            return "reasoning", item["summary"], item["encrypted_content"]
