"""Requests as they are passed on to an upstream of the client's own language."""

from collections.abc import Mapping
from typing import NamedTuple

from claude_proxy.backends import WireRequest
from claude_proxy.codecs.demote import as_stream
from claude_proxy.codecs.retarget import retarget
from claude_proxy.native import Native
from claude_proxy.profiles import Profile
from claude_proxy.routing import Route
from claude_proxy.server import passages
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.described import described, most_tokens
from claude_proxy.server.notes import Notes, answer_headers
from claude_proxy.server.passages import Passage
from claude_proxy.server.services import Services
from claude_proxy.server.upstream import Upstream
from claude_proxy.server.verbatim import anthropic_headers, passed_query

MESSAGES_PATH = "/v1/messages"
_STREAM = "text/event-stream"


class Pass(NamedTuple):
    """One request as it will be passed on."""

    wire: WireRequest
    headers: Mapping[str, str]
    """For the answer: the route, and what was changed."""
    stream: bool
    optional: bool
    """Whether there is another way where the upstream has no such endpoint."""
    profile: Profile | None = None
    """That of the model, if it is about one."""
    passage: Passage = passages.MESSAGES
    demoted: bool = False
    """Whether a stream was asked for though the client wants a whole answer."""


def messages_pass(
    services: Services,
    context: Context,
    call: Call,
    route: Route,
    path: str = MESSAGES_PATH,
    *,
    optional: bool,
    without: str = "",
) -> Pass:
    """Of a client of Messages. `without` leaves a field out, or with "signatures" all thinking.

    Raises what is wrong with the key.
    """
    notes = Notes()
    upstream = services.upstreams[route.upstream]
    bare = without == "signatures"
    native = described(upstream.native, route.profile)
    native = native.without(without) if without and not bare else native
    for correction in route.trial:
        notes("corrected", correction.sentence)
    body = retarget(
        call.body,
        model=route.model,
        least=services.settings.min_tokens_limit if path == MESSAGES_PATH else None,
        most=most_tokens(services.settings.max_tokens_limit, route),
        native=native,
        on_drop=notes,
        bare=bare,
    )
    stream = call.body.some("stream").get("stream") is True
    wire = messages_wire(upstream, native, context, call, path, body, stream=stream, notes=notes)
    headers = answer_headers(route, notes, context.facts)
    return Pass(wire, headers, stream, optional, route.profile, _passage(native))


def demoted(passing: Pass) -> Pass:
    """The same request, which asks for a stream."""
    wire = passing.wire
    headers = {**wire.headers, "accept": _STREAM}
    wire = wire._replace(body=as_stream(wire.body), headers=headers)
    return passing._replace(wire=wire, demoted=True)


def _passage(native: Native) -> Passage:
    return passages.ANTHROPIC if native.claude else passages.MESSAGES


def messages_wire(
    upstream: Upstream,
    native: Native,
    context: Context,
    call: Call,
    path: str,
    body: bytes,
    *,
    stream: bool,
    notes: Notes,
) -> WireRequest:
    headers = {
        "accept": _STREAM if stream else "application/json",
        **anthropic_headers(call, upstream, native, notes),
        **upstream.credential(context),
    }
    return upstream.messages(path, body, headers, query=passed_query(call.query, upstream, notes))
