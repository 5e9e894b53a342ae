"""OpenAI's legacy Completions: an OpenAI client's prompt comes in, a text goes out.

A request is one user message, so what holds for Chat Completions' fields holds here too. There
are no roles, no tools, and no reasoning in answers.
Source: https://platform.openai.com/docs/api-reference/completions (seen 2026-11).
"""

from collections.abc import Mapping

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.blocks import no_usage
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.openai_chat import inbound
from claude_proxy.codecs.openai_chat.envelope import encode_error
from claude_proxy.codecs.openai_chat.inbound.checks import (
    boolean,
    given,
    positive,
    string,
    wrong,
)
from claude_proxy.codecs.openai_chat.inbound.options import include_usage
from claude_proxy.codecs.openai_chat.inbound.request import PEEKED, peek
from claude_proxy.codecs.openai_chat.inbound.wire import (
    CUT,
    DONE,
    KEEP_ALIVE,
    answer_id,
    chat_usage,
    error_chunk,
    finish_reason,
    merged,
)
from claude_proxy.errors import UnsupportedContentError
from claude_proxy.types import Json
from claude_proxy.types.anthropic import (
    ErrorBody,
    Message,
    MessagesRequest,
    StopReason,
    StreamEvent,
    Usage,
)

__all__ = [
    "DEFAULT_MAX_TOKENS",
    "PEEKED",
    "StreamEncoder",
    "decode_request",
    "echo_of",
    "encode_error",
    "encode_response",
    "include_usage",
    "peek",
]

DEFAULT_MAX_TOKENS = 16
"""Tokens of an answer whose request sets no limit, as OpenAI has it."""

CHAT_FIELDS = frozenset(
    {"model", "max_tokens", "temperature", "top_p", "top_k", "stop", "stream", "stream_options"}
    | {"user", "n", "seed", "frequency_penalty", "presence_penalty", "logit_bias"}
)
"""Fields that Chat Completions has with the same meaning."""

OWN_FIELDS = frozenset({"prompt", "suffix", "echo", "best_of"})

DROPPED_FIELDS: Mapping[str, str] = {"logprobs": "Claude gives no probabilities"}

_FILL_IN = (
    "The user's message is a text with a gap between <before> and <after>. Answer with exactly "
    "the text that belongs into the gap, and nothing else: no tags, no explanation."
)
_TEXT_ONLY = "an answer here is text only"


def decode_request(
    body: Json, /, *, on_drop: OnDrop = ignore_drop, max_tokens: int = DEFAULT_MAX_TOKENS
) -> MessagesRequest:
    """The Messages request of a client's body.

    `max_tokens` is the limit where the client sets none. `RequestError` (400) names the first
    wrong field and its path; `UnsupportedContentError` what cannot be sent at all.
    """
    model = peek(body).model
    if (given(body, "best_of", positive) or 1) > 1:
        raise UnsupportedContentError("best_of", "one request gets one answer")
    echo_of(body)
    for name, value in body.items():
        if name not in CHAT_FIELDS and name not in OWN_FIELDS and value is not None:
            on_drop(name, DROPPED_FIELDS.get(name, "not part of Messages"))
    messages = _messages(_prompt(body), body, on_drop)
    chat = {name: value for name, value in body.items() if name in CHAT_FIELDS}
    return inbound.decode_request(
        {**chat, "model": model, "messages": messages}, on_drop=on_drop, max_tokens=max_tokens
    )


def echo_of(body: Json, /) -> str:
    """What the answer has to start with: the prompt, where the client wants that, else nothing."""
    return _prompt(body) if given(body, "echo", boolean) else ""


def encode_response(
    message: Message, /, *, created: int, echo: str = "", on_drop: OnDrop = ignore_drop
) -> Json:
    """The `text_completion` object of a message.

    `created` is a Unix time in seconds, `echo` what `echo_of` says of the request. Blocks that
    are not text are noted and left out.
    """
    texts = []
    for index, block in enumerate(message["content"]):
        if block["type"] == "text":
            texts.append(block["text"])
        else:
            on_drop(f"content.{index}", _TEXT_ONLY)
    return {
        **_head(message, created),
        "choices": [_choice(echo + "".join(texts), _finish(message["stop_reason"]))],
        "usage": chat_usage(message["usage"]),
    }


class StreamEncoder:
    """Events in, the bytes of a Completions stream out. Mutable; one for each answer.

    `created` is a Unix time in seconds; `include_usage` and `echo` are what the functions
    `include_usage` and `echo_of` say of the request.
    """

    def __init__(
        self,
        *,
        created: int,
        include_usage: bool = False,
        echo: str = "",
        on_drop: OnDrop = ignore_drop,
    ) -> None:
        self._created = created
        self._include_usage = include_usage
        self._echo = echo
        self._drop = on_drop
        self._fields: Json = {}
        self._reason: StopReason | None = None
        self._usage: Usage = no_usage()
        self.ended = False

    def feed(self, event: StreamEvent) -> bytes:
        if self.ended:
            return b""
        match event["type"]:
            case "content_block_delta":
                delta = event["delta"]
                return self._text(delta["text"]) if delta["type"] == "text_delta" else b""
            case "content_block_start":
                block = event["content_block"]
                if block["type"] == "text":
                    return self._text(block["text"])
                self._drop(f"content.{event['index']}", _TEXT_ONLY)
            case "message_start":
                self._fields = _head(event["message"], self._created)
                self._usage = merged(self._usage, event["message"]["usage"])
                return self._text(self._echo)
            case "message_delta":
                self._reason = event["delta"]["stop_reason"]
                self._usage = merged(self._usage, event["usage"])
            case "message_stop":
                return self._end()
            case "ping":
                return KEEP_ALIVE
            case "error":
                return self._error(event["error"])
        return b""

    def close(self) -> bytes:
        """Nothing after an end; else the error that the answer was cut."""
        return b"" if self.ended else self._error(CUT)

    def _text(self, text: str) -> bytes:
        return self._chunk(_choice(text, None)) if text else b""

    def _chunk(self, choice: Json) -> bytes:
        usage = {"usage": None} if self._include_usage else {}
        return b"data: " + dumps({**self._fields, "choices": [choice], **usage}) + b"\n\n"

    def _end(self) -> bytes:
        self.ended = True
        last = self._chunk(_choice("", _finish(self._reason)))
        if self._include_usage:
            counts = {**self._fields, "choices": [], "usage": chat_usage(self._usage)}
            last += b"data: " + dumps(counts) + b"\n\n"
        return last + DONE

    def _error(self, error: ErrorBody) -> bytes:
        self.ended = True
        return error_chunk(error)


def _prompt(body: Json) -> str:
    """The one prompt of a request: a string, or a list with one."""
    prompt = body.get("prompt")
    if isinstance(prompt, list) and prompt:
        if isinstance(prompt[0], int | list):
            raise UnsupportedContentError("prompt", "tokens cannot be read here; send the text")
        if len(prompt) > 1:
            why = "one request gets one answer; send each prompt on its own"
            raise UnsupportedContentError("prompt", why)
        return string(prompt[0], "prompt.0")
    if prompt is None:
        raise wrong("prompt", "Field required")
    if not isinstance(prompt, str):
        raise wrong("prompt", "Input should be a valid string or a list with one")
    return prompt


def _messages(prompt: str, body: Json, on_drop: OnDrop) -> list[Json]:
    suffix = given(body, "suffix", string)
    if not suffix:
        return [{"role": "user", "content": prompt}]
    on_drop("suffix", "Claude fills no gaps by itself, it is told in words")
    gap = f"<before>{prompt}</before>\n<after>{suffix}</after>"
    return [{"role": "system", "content": _FILL_IN}, {"role": "user", "content": gap}]


def _head(message: Message, created: int) -> Json:
    return {
        "id": answer_id(message["id"], "cmpl-"),
        "object": "text_completion",
        "created": created,
        "model": message["model"],
    }


def _choice(text: str, finish: str | None) -> Json:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}


def _finish(reason: StopReason | None) -> str:
    finish = finish_reason(reason, functions=False)
    return "stop" if finish == "tool_calls" else finish
