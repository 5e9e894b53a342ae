"""Answers of models that search: several turns of theirs, one answer for the client."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from starlette.types import Receive, Send

from claude_proxy.codecs.fold import MessageFold, unfold
from claude_proxy.codecs.web_search import SearchTool
from claude_proxy.codecs.web_search.decoder import TurnsDecoder
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.context import Context
from claude_proxy.server.mending import mended_whole, mending, note_faults
from claude_proxy.server.notes import Notes
from claude_proxy.server.reading import in_time
from claude_proxy.server.relay import Relay, ask, own_answer, run_relay, stream_for
from claude_proxy.server.responses import EventStream, send_json
from claude_proxy.server.search.conversation import Conversation
from claude_proxy.server.services import Services
from claude_proxy.server.watch import Watch
from claude_proxy.types.anthropic import Message, StreamEvent

if TYPE_CHECKING:
    from claude_proxy.server.pipeline import Plan


async def reply_whole(
    services: Services,
    context: Context,
    plan: "Plan",
    tool: SearchTool,
    receive: Receive,
    send: Send,
) -> None:
    conversation = Conversation(services, context, plan, tool)
    composition, fold = conversation.composition, MessageFold()
    late, more = Notes(), True
    while more:
        turn = conversation.plan
        message, headers = await ask(services, turn, receive, keys=context.keys())
        message = mended_whole(context, turn, message, late)
        events = composition.feed(unfold(message))
        services.people.note(context, message["content"])
        conversation.turn_ended(streamed=False)
        async with services.watch(receive, plan.route.profile) as watch:
            results, more = await conversation.search(watch)
        _fold(fold, [*events, *results])
    _fold(fold, conversation.end())
    own = own_answer(context, plan, late, fold.message)
    await send_json(send, 200, own.body, {**own.headers, **headers})


def _fold(fold: MessageFold, events: Sequence[StreamEvent]) -> None:
    for event in events:
        fold.feed(event)


async def reply_stream(
    services: Services,
    context: Context,
    plan: "Plan",
    tool: SearchTool,
    receive: Receive,
    send: Send,
) -> None:
    conversation = Conversation(services, context, plan, tool)
    decoder = TurnsDecoder(conversation.composition, mending(plan))
    stream = stream_for(context, plan, decoder, send)
    relay = SearchRelay(services, context, conversation, decoder, stream)
    await run_relay(relay, stream, receive)


class SearchRelay(Relay):
    """Moves the answers to all turns into one `EventStream`. Mutable; used once."""

    def __init__(
        self,
        services: Services,
        context: Context,
        conversation: Conversation,
        decoder: TurnsDecoder,
        stream: EventStream,
    ) -> None:
        super().__init__(services, context, conversation.plan, decoder, stream)
        self._conversation = conversation
        self._turns = decoder
        self._failed = self._searching = False
        self._more = True
        # What an upstream wants back is looked for in whole turns.
        self._taps = [tap for tap in self._taps if tap is not self._tap]
        self._tap = None

    async def run(self, receive: Receive) -> None:
        while self._more:
            await self._watched(receive, self._answer)
            if not self._failed:
                self._searching = True
                await self._watched(receive, self._search)
                self._searching = False
            if self._failed:
                return
            if self._more:
                self._plan = self._conversation.plan
                self._turns.follow(mending(self._plan))
        await in_time(self._close(), self.services.settings.idle)

    async def fail(self, error: ClaudeProxyError) -> None:
        self._failed = True
        await super().fail(error)

    async def _search(self, watch: Watch, stack: AsyncExitStack) -> None:
        self._pace(watch, bool)
        results, self._more = await self._conversation.search(watch)
        await self._stream.write(results)

    async def _close(self) -> None:
        await self._stream.write(self._conversation.end(), last=True)

    def _is_complete(self) -> bool:
        return not self._searching and super()._is_complete()

    def _unfolded(self, message: Message) -> Sequence[StreamEvent]:
        return self._conversation.composition.feed(unfold(message))

    async def _end(self, events: Sequence[StreamEvent]) -> None:
        """The end of a turn, which need not be that of the answer."""
        for tap in self._taps:
            tap.feed(events)
        note_faults(self.context, self._plan.route, self._turns.faults)
        self._conversation.turn_ended(streamed=True)
        await self._stream.write(events)
