"""Requests as they are sent where the upstream does not speak the client's language."""

from collections.abc import Mapping
from typing import NamedTuple

from claude_proxy.backends import WireRequest
from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import Body, dumps_body
from claude_proxy.profiles import Profile
from claude_proxy.routing import Route
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.dialects import TRANSLATIONS
from claude_proxy.server.notes import Notes
from claude_proxy.server.passed_requests import demoted, messages_pass
from claude_proxy.server.services import Services
from claude_proxy.types.anthropic import MessagesRequest


class Known(NamedTuple):
    """What encoding a request needs to know beside it."""

    profile: Profile
    renamed: Mapping[str, str]
    seal: Seal
    session: str


def in_messages(
    services: Services,
    context: Context,
    call: Call,
    request: MessagesRequest,
    route: Route,
    notes: Notes,
    *,
    without: str,
) -> WireRequest:
    """As it would be passed on for a client of Messages."""
    own = Call(Body(dumps_body({**request})), headers=call.headers)
    passing = messages_pass(
        services, context, own, route, optional=False, without=without, notes=notes
    )
    if passing.stream or not services.upstreams[route.upstream].demotes:
        return passing.wire
    context.facts["demoted"] = True
    return demoted(passing).wire


def in_openai_s(
    services: Services,
    context: Context,
    request: MessagesRequest,
    route: Route,
    known: Known,
    notes: Notes,
    *,
    key: str,
) -> WireRequest:
    """In one of OpenAI's languages, within the model's window."""
    translation = TRANSLATIONS[route.dialect]
    codec = translation.codec
    profile, renamed, seal, session = known

    def encoded(request: MessagesRequest, on_drop: OnDrop) -> bytes:
        chat = codec.encode_request(
            request, profile=profile, on_drop=on_drop, renamed=renamed, session=session, seal=seal
        )
        return dumps_body(chat)

    raw = encoded(request, notes)
    fitted = services.windows.fit(request, route, size=len(raw), on_drop=notes)
    if fitted is not request:
        raw = encoded(fitted, ignore_drop)
    stream = request.get("stream") is True or route.profile.whole_answers == "streamed"
    upstream = services.upstreams[route.upstream]
    wire = upstream.call(translation.path, raw, model=route.model, key=key, stream=stream)
    return wire._replace(client=context.client()) if translation.remembers else wire
