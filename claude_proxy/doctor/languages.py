"""The languages in which an upstream is asked: a request's bytes out, its answer in.

All of it is the server's own: the codecs, and for an upstream that speaks Messages what the
direct pass does with a request (docs/native.md).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from claude_proxy.backends import WireRequest
from claude_proxy.codecs import OnDrop, RequestEncoder, anthropic_messages, openai_chat
from claude_proxy.codecs.fold import MessageFold
from claude_proxy.codecs.jsonio import Body, dumps_body, loads
from claude_proxy.codecs.mending import mended_message
from claude_proxy.codecs.retarget import retarget
from claude_proxy.doctor.exchange import Exchange
from claude_proxy.doctor.passed import message_of
from claude_proxy.errors import UpstreamError
from claude_proxy.native import Dialect
from claude_proxy.profiles import Profile
from claude_proxy.server.described import described
from claude_proxy.server.dialects import TRANSLATIONS
from claude_proxy.server.upstream import Upstream
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest

_MESSAGES = "/v1/messages"
_CLIENTS_ASK = "beta=true"
"""Claude Code's query."""
_BETAS = {"context_management": "context-management-2025-06-27"}
"""What has to stand in `anthropic-beta` for a field of the body."""

NAMES: dict[Dialect, str] = {
    "chat": "Chat Completions",
    "responses": "the Responses API",
    "messages": "Messages, without translation",
}


class Asked(NamedTuple):
    """A request as it goes out, and what reads its answer."""

    dialect: Dialect
    wire: WireRequest
    sent: Json
    read: Callable[[Exchange], Message]
    """Raises what the upstream said in place of a message."""


def asked(
    upstream: Upstream, key: str, request: MessagesRequest, profile: Profile, on_drop: OnDrop
) -> Asked:
    """The request in the language of its model. Raises what cannot be said in it."""
    dialect = upstream.dialect(request["model"], profile)
    if dialect == "messages":
        return _passed(upstream, key, request, profile, on_drop)
    codec, path, *_ = TRANSLATIONS[dialect]
    names = codec.tool_names(request, profile=profile)
    body = codec.encode_request(request, profile=profile, on_drop=on_drop, renamed=names)
    raw, stream = dumps_body(body), bool(body.get("stream"))
    more: Json = {
        "profile": profile,
        "id": "msg_doctor",
        "model": request["model"],
        "tool_names": names,
        "stop_sequences": request.get("stop_sequences") or (),
    }
    wire = upstream.call(path, raw, model=request["model"], key=key, stream=stream)

    def read(exchange: Exchange) -> Message:
        message = _translated(exchange, codec, more)
        return mended_message(message, request, profile=profile, tool_names=names).message

    return Asked(dialect, wire, loads(raw), read)


def _translated(exchange: Exchange, codec: RequestEncoder, more: dict[str, Any]) -> Message:
    status, body = exchange.status or 0, exchange.body
    if not exchange.good:
        raise codec.decode_error(status, body)
    if not exchange.is_stream:
        try:
            answer = loads(body)
        except ValueError:
            raise codec.decode_error(status, body) from None
        return codec.decode_response(answer, **more)
    decoder, fold = codec.StreamDecoder(**more), MessageFold()
    for event in [*decoder.feed(body), *decoder.close()]:
        fold.feed(event)
    if decoder.error is not None:
        raise decoder.error
    return fold.message


def _passed(
    upstream: Upstream, key: str, request: MessagesRequest, profile: Profile, on_drop: OnDrop
) -> Asked:
    native = described(upstream.native, profile)
    body: Json = {**request}
    raw = retarget(Body(dumps_body(body)), model=request["model"], native=native, on_drop=on_drop)
    sent = loads(raw)
    betas = ",".join(beta for name, beta in _BETAS.items() if name in sent)
    headers = {
        "accept": "text/event-stream" if sent.get("stream") else "application/json",
        "anthropic-version": upstream.version,
        **({"anthropic-beta": betas} if betas else {}),
        **upstream.native_key(key),
    }
    wire = upstream.messages(_MESSAGES, raw, headers, query=_CLIENTS_ASK)
    return Asked("messages", wire, sent, _as_it_came)


def _as_it_came(exchange: Exchange) -> Message:
    if exchange.good:
        return message_of(exchange.body, streamed=exchange.is_stream)
    raise refusal(exchange)


def refusal(exchange: Exchange) -> UpstreamError:
    """What an upstream of Messages says, also where it says it in another envelope."""
    spoken = anthropic_messages.is_error(exchange.body)
    decode = anthropic_messages.decode_error if spoken else openai_chat.decode_error
    return decode(exchange.status or 0, exchange.body)
