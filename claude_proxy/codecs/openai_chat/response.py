"""A whole Chat Completions answer as a message."""

from collections.abc import Collection, Mapping

from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.openai_chat.answer import Answer, first_choice
from claude_proxy.codecs.openai_chat.errors import find_error, stream_error
from claude_proxy.codecs.openai_chat.usage import Estimate
from claude_proxy.errors import ProtocolError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message


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
) -> Message:
    """The message of an answer that came with status 200.

    `id` and `model` are those of the message; `tool_names` maps names on the wire back to the
    client's; `stop_sequences` are those of the request, as for `StreamDecoder`; `estimate` gives
    the input tokens if the upstream sent no usage. A missing finish reason is the end of the
    turn: a whole body cannot have been cut. Raises `UpstreamError` for an error object,
    `ProtocolError` for a body that is no Chat answer.
    """
    if find_error(body) is not None:
        raise stream_error(body)
    _check(body)
    answer = Answer(
        profile=profile,
        id=id,
        model=model,
        tool_names=tool_names,
        stop_sequences=stop_sequences,
    )
    events = answer.chunk(body)
    if answer.failure is not None:
        raise answer.failure
    fold = MessageFold()
    for event in events + answer.end(estimate):
        fold.feed(event)
    return fold.message


def _check(body: object) -> None:
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
