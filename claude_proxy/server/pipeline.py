"""The one flow: decode → route → encode → send → feed → reply.

`Plan` is everything that is known before the upstream is asked; a reply, whole or streamed,
only follows it (`relay`).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from starlette.types import Receive, Send

from claude_proxy.backends import WireRequest
from claude_proxy.codecs import Decoder, RequestEncoder
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.web_search import SearchTool, find_tool, offer
from claude_proxy.routing import Route
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.dialects import TRANSLATIONS
from claude_proxy.server.notes import Notes, answer_headers, tell_learned
from claude_proxy.server.pdf.documents import with_pdfs
from claude_proxy.server.relay import ask, reply_stream, reply_whole
from claude_proxy.server.search import reply as search
from claude_proxy.server.services import Services
from claude_proxy.server.translated_requests import Known, in_messages, in_openai_s
from claude_proxy.types import Json
from claude_proxy.types.anthropic import Message, MessagesRequest


class Plan(NamedTuple):
    """One request, translated and routed, ready to be sent."""

    call: Call
    request: MessagesRequest
    wire: WireRequest
    route: Route
    codec: RequestEncoder
    message_id: str
    tool_names: Mapping[str, str]
    seal: Seal
    headers: Mapping[str, str]
    """For the answer: the route, and what was dropped."""
    estimate: Callable[[], int]
    """Input tokens, for upstreams that report no usage."""
    search: SearchTool | None = None
    """What the client asks of a search of the web, if we are the one to make it."""
    left_out: str = ""
    """Of a second attempt in Messages: see `plans.Plan`."""
    optional: bool = False
    """Whether it is asked in Messages, and may be asked in another language."""

    async def reply(
        self, services: Services, context: Context, receive: Receive, send: Send
    ) -> None:
        streamed = bool(self.request.get("stream"))
        if self.search is not None:
            searching = search.reply_stream if streamed else search.reply_whole
            await searching(services, context, self, self.search, receive, send)
            return
        answer = reply_stream if streamed else reply_whole
        await answer(services, context, self, receive, send)

    def following(self, services: Services, context: Context, request: MessagesRequest) -> "Plan":
        """The same way for a request that goes on with the conversation; what it cannot carry was
        told with the first."""
        call, route = self.call, self.route
        return _translated(
            services, context, call, request, route, Notes(), self.search, without=self.left_out
        )

    async def usage(self, services: Services, receive: Receive) -> Json:
        """What a whole answer cost. Raises `UpstreamError`."""
        message, _ = await ask(services, self, receive)
        return {**message["usage"]}

    def decoder(self) -> Decoder:
        return self.codec.StreamDecoder(**self._answer())

    def decode(self, body: Json) -> Message:
        return self.codec.decode_response(body, **self._answer())

    def _answer(self) -> Json:
        """What decoding the answer needs to know of the request."""
        return {
            "profile": self.route.profile,
            "id": self.message_id,
            "model": self.request["model"],
            "tool_names": self.tool_names,
            "stop_sequences": self.request.get("stop_sequences") or (),
            "estimate": self.estimate,
            "seal": self.seal,
        }


def make_plan(
    services: Services, context: Context, call: Call, route: Route, *, without: str = ""
) -> Plan:
    """Decodes and encodes. Raises what is wrong with the request, or its key."""
    notes = Notes()
    request = call.decoded(notes)
    request = with_pdfs(services, context, request, route, notes)
    if services.prompts is not None and route.dialect != "messages":
        request = services.prompts.shorten(request, notes, context.facts)
    tool = find_tool(request, notes) if services.searches(route) else None
    if tool is not None:
        request = offer(request, tool)
    return _translated(services, context, call, request, route, notes, tool, without=without)


def _translated(
    services: Services,
    context: Context,
    call: Call,
    request: MessagesRequest,
    route: Route,
    notes: Notes,
    tool: SearchTool | None,
    *,
    without: str,
) -> Plan:
    outgoing: MessagesRequest = {**request, "model": route.model}
    codec = TRANSLATIONS[route.dialect].codec
    names = codec.tool_names(outgoing, profile=route.profile)
    upstream = services.upstreams[route.upstream]
    key = upstream.key_for(context)
    seal = services.reasoning.seal(key, route)
    outgoing = services.reasoning.restored(outgoing, route, seal)
    known = Known(route.profile, names, seal, context.header(b"x-claude-code-session-id"))
    if route.dialect == "messages":
        wire = in_messages(services, context, call, outgoing, route, notes, without=without)
    else:
        wire = in_openai_s(services, context, outgoing, route, known, notes, key=key)
    if route.learned or route.trial:
        tell_learned(route, request, notes)
    return Plan(
        call=call,
        request=request,
        wire=wire,
        route=route,
        codec=codec,
        message_id=_message_id(context),
        tool_names=names,
        seal=seal,
        headers=answer_headers(route, notes, context.facts),
        estimate=lambda: services.counting.estimate(context, request, route),
        search=tool,
        left_out=without,
        optional=route.dialect == "messages" and not upstream.only_messages,
    )


def _message_id(context: Context) -> str:
    """As new as the request's own id, so one is found by the other."""
    return f"msg_{context.id[4:28]}"
