"""A whole Chat Completions answer as a message."""

from collections.abc import Collection, Mapping

from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.openai_chat.answer import Answer, first_choice
from claude_proxy.codecs.openai_chat.errors import find_error, stream_error
from claude_proxy.codecs.openai_chat.usage import Estimate, UsageMeter
from claude_proxy.errors import ProtocolError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, StopReason

_USUAL_ENDS: Mapping[object, StopReason] = {"stop": "end_turn", "length": "max_tokens"}


def decode_response(
    body: Json,
    /,
    *,
    profile: Profile,
    id: str,
    model: str,
    tool_names: Mapping[str, str] | None = None,
    stop_sequences: Collection[str] | None = None,
    estimate: Estimate | None = None,
    seal: Seal | None = None,
) -> Message:
    """The message of an answer that came with status 200.

    `id` and `model` are those of the message; `tool_names` maps names on the wire back to the
    client's; `stop_sequences` are those of the request, as for `StreamDecoder`; `estimate` gives
    the input tokens if the upstream sent no usage. A missing finish reason is the end of the
    turn: a whole body cannot have been cut. Raises `UpstreamError` for an error object,
    `ProtocolError` for a body that is no Chat answer.
    """
    usual = None if profile.think_tags else _usual(body, id, model)
    if usual is not None:
        return usual
    _check(body)
    answer = Answer(
        profile=profile,
        id=id,
        model=model,
        tool_names=tool_names,
        stop_sequences=stop_sequences,
        seal=seal,
    )
    events = answer.chunk(body)
    if answer.failure is not None:
        raise answer.failure
    fold = MessageFold()
    for event in events + answer.end(estimate):
        fold.feed(event)
    return fold.message


def _usual(body: Json, id: str, model: str) -> Message | None:
    """The message of an answer that holds nothing but text, its end and its usage.

    Most small answers are like that, and the long way costs three times as much. `None` for any
    other body: the long way knows everything that upstreams send.
    """
    try:
        [choice] = body["choices"]
        message, reason = choice["message"], _USUAL_ENDS[choice["finish_reason"]]
        text, usage = message["content"], body["usage"]
        # What is empty says nothing, and of a choice and its message just two things are not.
        usual = (
            _said(choice) == 2
            and _said(message) == 2
            and message["role"]
            and message["role"]
            and text
            and type(text) is str
            and not (body.get("error") or "x_groq" in body)
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    meter = UsageMeter()
    meter.read(usage)
    meter.read(body.get("timings"))
    if not usual or not meter:
        return None
    return {
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": reason,
        "stop_sequence": None,
        "usage": meter.usage(),
    }


def _said(fields: Json) -> int:
    return len([None for value in fields.values() if value])


def _check(body: Json) -> None:
    if find_error(body) is not None:
        raise stream_error(body)
    if not isinstance(body, dict):
        raise ProtocolError("The upstream's answer is not a JSON object.")
    choice = first_choice(body.get("choices"))
    if choice is None:
        raise ProtocolError("The upstream's answer has no choices.")
    message = choice.get("message")
    if not isinstance(message, dict):
        message = choice.get("delta")
    if not isinstance(message, dict):
        raise ProtocolError("choices.0.message of the upstream's answer is not an object.")
    if not isinstance(message.get("content"), str | list | None):
        raise ProtocolError("choices.0.message.content of the upstream's answer is not text.")
