"""What small models do wrong when they call tools, put right in their answers.

Streams pass as they come, unless the profile asks for more: `text_calls` finds calls in the text,
`call_inputs` holds inputs back until they are whole. Whole answers wait for nobody, so their
inputs are mended always.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from claude_proxy.codecs import Decoder
from claude_proxy.codecs.fold import UNPARSED, MessageFold, unfold
from claude_proxy.codecs.mending.filters import CallsInText, WholeInputs
from claude_proxy.codecs.mending.inputs import usable
from claude_proxy.codecs.mending.offered import Offered, offered
from claude_proxy.errors import UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types.anthropic import ContentBlock, Message, MessagesRequest, StreamEvent

__all__ = ["MendedMessage", "mended", "mended_message"]

_FAULTS = ("broken", "mended", "read", "overrun")


def mended(
    decoder: Decoder,
    request: MessagesRequest,
    *,
    profile: Profile,
    id: str,
    tool_names: Mapping[str, str],
) -> Decoder:
    """The decoder itself, or one that mends what it gives.

    `id` is that of the message, of which the ids of calls in the text are made; `tool_names` maps
    names on the wire back to the client's.
    """
    if profile.text_calls == "text" and profile.call_inputs == "passed":
        return decoder
    tools = offered(request, tool_names)
    if not tools:
        return decoder
    text = _reader(tools, id, profile) if profile.text_calls != "text" else None
    inputs = WholeInputs(tools) if profile.call_inputs == "mended" else None
    return MendingDecoder(decoder, text, inputs)


class MendingDecoder:
    """See `Decoder`, for whose events it stands. Mutable."""

    def __init__(
        self, decoder: Decoder, text: CallsInText | None, inputs: WholeInputs | None
    ) -> None:
        self._decoder = decoder
        self._text = text
        self._inputs = inputs

    @property
    def finished(self) -> bool:
        return self._decoder.finished

    @property
    def done(self) -> bool:
        return self._decoder.done

    @property
    def error(self) -> UpstreamError | None:
        return self._decoder.error

    @property
    def faults(self) -> Mapping[str, int]:
        text, inputs = self._text, self._inputs
        found = {**self._decoder.faults}
        if text is not None:
            found.update(read=text.read, overrun=int(text.overrun))
        if inputs is not None:
            found.update(broken=inputs.broken, mended=inputs.mended)
        return {kind: count for kind, count in found.items() if count}

    def open(self) -> Sequence[StreamEvent]:
        return self._decoder.open()

    def feed(self, data: bytes, /) -> Sequence[StreamEvent]:
        return self._mended(self._decoder.feed(data))

    def close(self) -> Sequence[StreamEvent]:
        return self._mended(self._decoder.close())

    def _mended(self, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        if self._text is not None:
            events = self._text.feed(events)
        return events if self._inputs is None else self._inputs.feed(events)


class MendedMessage(NamedTuple):
    message: Message
    faults: Mapping[str, int]
    """As `Decoder.faults` says them."""
    notes: Sequence[str]
    """The paths of what was left out of inputs."""


def mended_message(
    message: Message, request: MessagesRequest, *, profile: Profile, tool_names: Mapping[str, str]
) -> MendedMessage:
    """A whole answer with usable calls; the same object where nothing was wrong."""
    may_call = profile.text_calls != "text"
    if not may_call and "tool_use" not in [block["type"] for block in message["content"]]:
        return MendedMessage(message, {}, ())
    tools, faults = offered(request, tool_names), dict.fromkeys(_FAULTS, 0)
    if may_call and tools:
        text = _reader(tools, message["id"], profile)
        fold = MessageFold()
        for event in text.feed(unfold(message)):
            fold.feed(event)
        faults.update(read=text.read, overrun=int(text.overrun))
        message = fold.message if text.read else message
    content, notes = _usable(message["content"], tools, faults)
    if notes:
        message = {**message, "content": content}
    return MendedMessage(message, {kind: n for kind, n in faults.items() if n}, notes)


def _usable(
    content: Sequence[ContentBlock], tools: Offered, faults: dict[str, int]
) -> tuple[list[ContentBlock], list[str]]:
    blocks: list[ContentBlock] = []
    notes: list[str] = []
    for index, block in enumerate(content):
        if block["type"] == "tool_use":
            tool = tools.get(block["name"])
            faults["broken"] += UNPARSED in block["input"]
            if tool is not None:
                input, lost = usable(tool.name, tool.schema, block["input"])
                notes += [f"content.{index}.input.{path}" for path in lost]
                faults["mended"] += bool(lost)
                block = {**block, "input": input}
        blocks.append(block)
    return blocks, notes


def _reader(tools: Offered, id: str, profile: Profile) -> CallsInText:
    prefix = f"toolu_{id.removeprefix('msg_')}_t"
    return CallsInText(tools, prefix, last=profile.text_calls == "told")
