"""Requests as they are passed on to an upstream of the client's own language."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from claude_proxy.backends import WireRequest
from claude_proxy.codecs import openai_chat
from claude_proxy.codecs.demote import as_stream
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.codecs.passing_chat import ChatTap
from claude_proxy.codecs.retarget import bounded, retarget, whole_number
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
from claude_proxy.types import Json

MESSAGES_PATH = "/v1/messages"
_STREAM = "text/event-stream"
_LIMITS = ("max_tokens", "max_completion_tokens")
_OWN_HEADERS = b"openai-"
"""What OpenAI's clients send beside their key: organization, project, beta."""


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
    usage: bool = False
    """Whether the client wants a stream's usage, where that has to be asked for."""
    model: str = ""
    """Named where another model of the upstream may well have the endpoint."""

    @property
    def gathered(self) -> bool:
        """Whether the client gets a whole answer, should the upstream stream it."""
        return self.demoted or (self.passage.gathers and not self.stream)


def messages_pass(
    services: Services,
    context: Context,
    call: Call,
    route: Route,
    path: str = MESSAGES_PATH,
    *,
    optional: bool,
    without: str = "",
    notes: Notes | None = None,
) -> Pass:
    """A request in Messages. `without` leaves a field out, or with "signatures" all thinking;
    `notes` are those of its translation, if it was one.

    Raises what is wrong with the key.
    """
    notes = Notes() if notes is None else notes
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


class _Endpoint(NamedTuple):
    path: str
    passage: Passage


_ENDPOINTS: Mapping[str, _Endpoint] = {
    "chat": _Endpoint("/chat/completions", passages.CHAT),
    "completions": _Endpoint("/completions", passages.COMPLETIONS),
}


def openai_pass(services: Services, context: Context, call: Call, route: Route) -> Pass:
    """A request of OpenAI's languages. Raises what is wrong with the key."""
    notes = Notes()
    for correction in route.trial:
        notes("corrected", correction.sentence)
    path, passage = _ENDPOINTS[call.surface.name]
    upstream = services.upstreams[route.upstream]
    body = _retargeted(services, call, route, notes)
    key = upstream.key_for(context)
    asked = call.body.some("stream", "n", "prompt", "stream_options")
    stream = asked.get("stream") is True
    wire = upstream.call(path, body, model=route.model, key=key, stream=stream)
    extra = _openai_headers(call, upstream, notes)
    if call.query:
        notes("query", "not passed on")
    return Pass(
        wire._replace(headers={**extra, **wire.headers}),
        answer_headers(route, notes, context.facts),
        stream=stream,
        optional=passage is passages.COMPLETIONS,
        profile=route.profile,
        passage=passage._replace(tap=partial(ChatTap, _choices(asked))),
        usage=_wants_usage(asked),
        model=route.model if passage is passages.COMPLETIONS else "",
    )


def _retargeted(services: Services, call: Call, route: Route, notes: Notes) -> bytes:
    """The body's bytes; its members are copied as they came, but for the few that change."""
    names = ("model", *_LIMITS, *sorted(route.profile.without))
    before = call.body.some(*names)
    after = openai_chat.retarget(before, model=route.model, profile=route.profile, on_drop=notes)
    least = services.settings.min_tokens_limit
    most = most_tokens(services.settings.max_tokens_limit, route)
    for name in _LIMITS:
        asked = whole_number(after.get(name))
        if asked is not None and (bound := bounded(asked, least, most)) != asked:
            notes(name, f"{asked} {'lowered' if bound < asked else 'raised'} to {bound}")
            after[name] = bound
    return call.body.raw if after == before else dumps(_put_in(call.body.members(), before, after))


def _put_in(members: Json, before: Json, after: Json) -> Json:
    """The members with what changed of them, each in its place; all else keeps its bytes."""
    renamed = {name: value for name, value in after.items() if name not in before}
    parts: Json = {}
    for name, raw in members.items():
        if name not in before:
            parts[name] = raw
        elif name not in after:
            # Left out, or a limit that goes by its other name.
            parts |= renamed if name in _LIMITS else {}
        else:
            parts[name] = raw if after[name] == before[name] else after[name]
    return parts


def _wants_usage(asked: Json) -> bool:
    options = asked.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _choices(asked: Json) -> int:
    """How many answers a request wants."""
    n, prompts = asked.get("n"), asked.get("prompt")
    several = isinstance(prompts, list) and prompts and isinstance(prompts[0], str | list)
    each = n if type(n) is int and n > 0 else 1
    return each * (len(prompts) if several and isinstance(prompts, list) else 1)


def _openai_headers(call: Call, upstream: Upstream, notes: Notes) -> dict[str, str]:
    """The client's own, where the account is its own too."""
    found: dict[str, str] = {}
    for raw_name, raw_value in call.headers:
        if not raw_name.startswith(_OWN_HEADERS):
            continue
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
        if upstream.own_key is None and value.isascii() and value.isprintable():
            if upstream.may_get(value):
                found[name] = value
                continue
        notes(name, "not passed on")
    return found
