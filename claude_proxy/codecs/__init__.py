"""One pure module per wire language; each brings its language into Anthropic Messages and out.

Nothing here does I/O, reads a clock, draws randomness, logs, or looks at the environment: ids
come in as arguments. The only mutable things are feed/close objects and `MessageFold`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from claude_proxy.errors import ClaudeProxyError, UpstreamError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest, StreamEvent

if TYPE_CHECKING:
    from claude_proxy.codecs.carry import Seal
    from claude_proxy.routing.asked import Asked

OnDrop = Callable[[str, str], None]
"""Called as `on_drop(path, why)` for each hint that the target language cannot carry."""


def ignore_drop(path: str, why: str) -> None:
    """The default `on_drop`: for callers that do not want to know."""


@dataclass(frozen=True, slots=True)
class Peek:
    """What routing reads of a request before anything is translated."""

    model: str
    stream: bool
    asked: "Asked | None" = field(default=None, compare=False)
    """The rest of the request, for rules that want to know more; nothing of it is read before."""


class Decoder(Protocol):
    """Upstream bytes in, Messages events out. Mutable; one for each answer."""

    @property
    def finished(self) -> bool:
        """Whether the upstream has said that its answer is complete."""

    @property
    def done(self) -> bool:
        """Whether the last event has gone out."""

    @property
    def error(self) -> UpstreamError | None:
        """What the final `error` event says, for a server that can still answer with a status."""

    @property
    def faults(self) -> Mapping[str, int]:
        """What was wrong with the answer's calls, by kind, as far as they are over.

        `broken`: arguments that are no JSON object; `mended`: those that were put right; `read`:
        calls found in the text; `overrun`: whether more stood behind them, and was left out.
        """

    def open(self) -> Sequence[StreamEvent]:
        """`message_start`, unless it went out before; for a client that cannot wait longer."""

    def feed(self, data: bytes, /) -> Sequence[StreamEvent]: ...

    def close(self) -> Sequence[StreamEvent]: ...


class RequestDecoder(Protocol):
    """A module that a surface can use: its clients' requests come in, answers go out."""

    @property
    def PEEKED(self) -> tuple[str, ...]:
        """The fields that `peek` looks at."""

    def peek(self, body: Json, /) -> Peek: ...

    def decode_request(self, body: Json, /, *, on_drop: OnDrop) -> MessagesRequest: ...

    def encode_error(
        self, error: ClaudeProxyError, /, *, request_id: str | None = None
    ) -> tuple[int, Json]: ...


class RequestEncoder(Protocol):
    """A module that a backend can use: requests go out in its language, answers come in."""

    def tool_names(self, request: MessagesRequest, *, profile: Profile) -> dict[str, str]: ...

    def encode_request(
        self,
        request: MessagesRequest,
        *,
        profile: Profile,
        on_drop: OnDrop = ...,
        renamed: Mapping[str, str] | None = None,
        session: str = "",
        seal: "Seal | None" = None,
    ) -> Json: ...

    def decode_response(
        self,
        body: Json,
        /,
        *,
        profile: Profile,
        id: str,
        model: str,
        tool_names: Mapping[str, str] | None = None,
        stop_sequences: Collection[str] | None = None,
        estimate: Callable[[], int] | None = None,
        seal: "Seal | None" = None,
    ) -> Message: ...

    def StreamDecoder(
        self,
        *,
        profile: Profile,
        id: str,
        model: str,
        tool_names: Mapping[str, str] | None = None,
        stop_sequences: Collection[str] | None = None,
        estimate: Callable[[], int] | None = None,
        seal: "Seal | None" = None,
    ) -> Decoder: ...

    def decode_error(self, status: int, body: bytes, /) -> UpstreamError: ...
