"""One exchange with an upstream: the bytes of both sides, and when they came."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from claude_proxy.backends import WireRequest

_EVENT_STARTS = (b"data:", b"event:", b":")


@dataclass(slots=True)
class Exchange:
    """Bytes and times of one request and its answer. Mutable: grows as the answer comes."""

    request: WireRequest
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    reads: list[tuple[float, bytes]] = field(default_factory=list)
    """Seconds since the request was sent, and what came then."""
    seconds: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(data for _, data in self.reads)

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def good(self) -> bool:
        """Whether it is a success that is not a web page."""
        return 200 <= (self.status or 0) < 300 and "html" not in self.content_type

    @property
    def is_stream(self) -> bool:
        return "event-stream" in self.content_type or self.body.lstrip().startswith(_EVENT_STARTS)


Keep = Callable[[str, Exchange], None]
"""Is told each exchange, with the name of what it is for."""
