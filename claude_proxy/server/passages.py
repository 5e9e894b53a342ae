"""The languages that pass without a translation, and what is different about each: one row each.

How answers pass is the same for all of them (`direct`).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

from claude_proxy.codecs import anthropic_messages, openai_chat
from claude_proxy.codecs.chat_fold import ChatFold
from claude_proxy.codecs.demote import RawFold
from claude_proxy.codecs.openai_chat import envelope
from claude_proxy.codecs.passing import MessagesTap, Usage, type_of, usage_of
from claude_proxy.codecs.passing_chat import ChatTap, completion_usage, in_events, is_failure
from claude_proxy.errors import ProtocolError, UpstreamError

_OVERFLOW = "prompt is too long"
"""By which Claude Code knows that it has to compact."""


class Tap(Protocol):
    """Reads along in a stream's whole events. Mutable; one for each answer."""

    @property
    def usage(self) -> Usage: ...

    @property
    def started(self) -> bool:
        """Whether content has begun."""

    @property
    def finished(self) -> bool:
        """Whether the answer is over; whatever comes behind is not part of it."""

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, should the stream end here."""

    @property
    def failure(self) -> bytes:
        """The payload of an error that ended the answer, if its client has to be told otherwise."""

    def read(self, events: bytes, /) -> None: ...


class Fold(Protocol):
    """Makes a whole answer of a stream's payloads. Mutable; one for each answer."""

    error: bytes | None
    """The payload of the error that the stream ended in."""

    @property
    def ended(self) -> bool: ...

    @property
    def complete(self) -> bool: ...

    @property
    def message(self) -> bytes: ...

    def feed(self, payload: bytes, /) -> None: ...


class Refusal(NamedTuple):
    error: UpstreamError
    verbatim: bool = True
    """Whether the client gets the upstream's own words; else those of the error."""


class Passage(NamedTuple):
    language: str
    """The name of its surface."""
    tap: Callable[[], Tap]
    fold: Callable[[], Fold]
    gathers: bool
    """Whether a stream that nobody has asked for is made one; else it passes as it is."""
    usage_of: Callable[[bytes], Usage]
    """What a whole answer cost."""
    check: Callable[[bytes, int], None]
    """Of a whole answer and its status: raises what it is instead of one."""
    speaks: Callable[[bytes], bool]
    """Whether the words of an error are those of a server of this language."""
    refusal: Callable[[int, bytes, str], Refusal]
    """Of an answer's status and body, and of the URL that was asked."""
    shown: Callable[[int, bytes], bytes]
    """Of the same: what its clients can read. The very bytes, if they can."""
    failed: Callable[[bytes], UpstreamError]
    """The error that a `Tap.failure` is."""
    ending_in: Callable[[bytes, bytes], bytes]
    """Of that, and of the events that end in it: what its clients can read, as above."""
    in_events: Callable[[bytes, bool], bytes]
    """Of a whole answer where a stream was asked for, and whether with usage: the stream; empty
    where the answer goes as it is."""
    id_header: str
    """By which the upstream names its answer."""
    header_names: frozenset[str]
    """Answer headers that mean something to clients, in lower case."""
    header_starts: tuple[str, ...]
    """The same, by how they begin."""


def _check_message(raw: bytes, status: int) -> None:
    kind = type_of(raw)
    if kind is None:
        raise ProtocolError("The upstream's answer is not a JSON object.")
    if kind == "error":
        raise anthropic_messages.decode_error(status, raw)


def _anthropics_refusal(status: int, body: bytes, url: str) -> Refusal:
    return Refusal(anthropic_messages.decode_error(status, body))


def _messages_refusal(status: int, body: bytes, url: str) -> Refusal:
    """A prompt beyond the window is told in words that clients know."""
    told = _OVERFLOW.encode() in body or not body.strip()
    error = None if told else openai_chat.decode_error(status, body)
    if error is not None and error.message.startswith(_OVERFLOW):
        return Refusal(error, verbatim=False)
    return Refusal(anthropic_messages.decode_error(status, body))


def _as_it_is(_: object, body: bytes) -> bytes:
    return body


_WAITING = frozenset({"retry-after", "retry-after-ms", "x-should-retry"})

MESSAGES = Passage(
    "messages",
    tap=MessagesTap,
    fold=RawFold,
    gathers=False,
    usage_of=usage_of,
    check=_check_message,
    speaks=anthropic_messages.is_error,
    refusal=_messages_refusal,
    shown=_as_it_is,
    failed=partial(anthropic_messages.decode_error, 200),
    ending_in=_as_it_is,
    in_events=lambda answer, usage: b"",  # Its clients read it all the same.
    id_header="request-id",
    header_names=_WAITING | {"request-id"},
    header_starts=("anthropic-", "x-ratelimit-"),
)

ANTHROPIC = MESSAGES._replace(refusal=_anthropics_refusal)
"""Anthropic's own, whose words clients know."""


def _check_completion(raw: bytes, status: int) -> None:
    failed = is_failure(raw)
    if failed is None:
        raise ProtocolError("The upstream's answer is not a JSON object.")
    if failed:
        raise envelope.failed(raw)  # As in a stream its codes tell more than the status.


def _openai_refusal(status: int, body: bytes, url: str) -> Refusal:
    return Refusal(openai_chat.decode_error(status, body))


def _knows_the_model_only(body: bytes) -> bool:
    """A 404 may also mean that this model has no Completions: "This is a chat model"."""
    return "model_not_found" in openai_chat.decode_error(404, body).codes


CHAT = Passage(
    "chat",
    tap=ChatTap,
    fold=ChatFold,
    gathers=True,
    usage_of=completion_usage,
    check=_check_completion,
    speaks=bool,
    refusal=_openai_refusal,
    shown=envelope.enveloped,
    failed=envelope.failed,
    ending_in=envelope.ending_in,
    in_events=in_events,
    id_header="x-request-id",
    header_names=_WAITING
    | {"x-request-id", "openai-processing-ms", "openai-version", "openai-model"},
    header_starts=("x-ratelimit-",),
)

COMPLETIONS = CHAT._replace(language="completions", speaks=_knows_the_model_only)
