"""A whole Responses answer as a message."""

from collections.abc import Collection, Mapping

from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.openai_chat.errors import find_error, stream_error
from claude_proxy.codecs.openai_chat.usage import Estimate
from claude_proxy.codecs.openai_responses.answer import Answer
from claude_proxy.codecs.openai_responses.stream import is_response
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
    seal: Seal | None = None,
) -> Message:
    """The message of an answer that came with status 200; arguments as for `StreamDecoder`.

    A missing `status` is that of a completed answer: a whole body cannot have been cut. Raises
    `UpstreamError` for an error or an answer that failed, `ProtocolError` for a body that is no
    Responses answer.
    """
    if not is_response(body):
        if find_error(body) is not None:
            raise stream_error(body)
        raise ProtocolError("The upstream's answer is not a response object.")
    answer = Answer(profile=profile, id=id, model=model, tool_names=tool_names, seal=seal)
    events = answer.final(body)
    if answer.failure is not None:
        raise answer.failure
    fold = MessageFold()
    for event in events + answer.end(estimate):
        fold.feed(event)
    return fold.message
