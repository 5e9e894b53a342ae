"""Whole answers, also those that come as streams to a client who wants none.

Some upstreams only stream. Others are asked to: long answers in one piece are silent until they
are whole, and what stands between may take that for an end. As a stream they are heard all along.
"""

from claude_proxy.backends import WireResponse
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.errors import Answer, ProtocolError, UpstreamError
from claude_proxy.server.passages import Fold, Passage
from claude_proxy.server.passed_requests import Pass
from claude_proxy.server.reading import MAX_ANSWER_BYTES, is_event_stream, read_all
from claude_proxy.server.watch import Watch


async def whole_answer(response: WireResponse, passing: Pass, watch: Watch) -> bytes:
    """The answer's body as the client gets it. Raises what stands in its place."""
    if passing.gathered and is_event_stream(response):
        return await _folded(response, passing, watch)
    return await read_all(response, watch, MAX_ANSWER_BYTES)


async def _folded(response: WireResponse, passing: Pass, watch: Watch) -> bytes:
    decoder, fold, size = SSEDecoder(), passing.passage.fold(), 0
    async for data in response:
        watch.heard()
        size += len(data)
        if size > MAX_ANSWER_BYTES:
            raise ProtocolError(f"The upstream's answer is larger than {MAX_ANSWER_BYTES:,} bytes.")
        _feed(fold, decoder.feed(data))
        if fold.ended:
            break
    else:
        _feed(fold, decoder.close())
    if fold.error is not None:
        raise _error(fold.error, passing.passage, response)
    if not fold.complete:
        raise ProtocolError("The upstream ended its answer before it was complete.")
    return fold.message


def _feed(fold: Fold, payloads: list[bytes]) -> None:
    for payload in payloads:
        if fold.ended:
            return
        fold.feed(payload)


def _error(payload: bytes, passage: Passage, response: WireResponse) -> UpstreamError:
    """What the stream ended in, with the status that its type has where no stream has begun."""
    error = passage.failed(payload)
    shown = passage.shown(error.status, payload)
    id = response.headers.get(passage.id_header, "")
    error.answer = Answer(shown, "application/json", id, error.status)
    return error
