"""The decoders of a model's turns, one after the other, as the decoder of one answer."""

from collections.abc import Mapping, Sequence

from claude_proxy.codecs import Decoder
from claude_proxy.codecs.web_search.composition import Composition
from claude_proxy.errors import UpstreamError
from claude_proxy.types.anthropic import StreamEvent


class TurnsDecoder:
    """A `Decoder` whose events are those of the composition. Mutable.

    What it says of itself is said of the present turn.
    """

    def __init__(self, composition: Composition, turn: Decoder) -> None:
        self._composition = composition
        self._turn = turn

    def follow(self, turn: Decoder) -> None:
        """From now on bytes are those of the next turn."""
        self._turn = turn

    @property
    def finished(self) -> bool:
        return self._turn.finished

    @property
    def done(self) -> bool:
        return self._turn.done

    @property
    def error(self) -> UpstreamError | None:
        return self._turn.error

    @property
    def faults(self) -> Mapping[str, int]:
        return self._turn.faults

    def open(self) -> Sequence[StreamEvent]:
        return self._composition.open()

    def feed(self, data: bytes, /) -> Sequence[StreamEvent]:
        return self._composition.feed(self._turn.feed(data))

    def close(self) -> Sequence[StreamEvent]:
        return self._composition.feed(self._turn.close())
