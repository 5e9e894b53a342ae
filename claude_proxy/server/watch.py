"""Ends a request's work when it must not go on: the client left, or the upstream fell silent.

The work is the request's own task. A `Watch` listens for the client's disconnect beside it and
keeps one lazy timer; either cancels the task, and the watch turns that cancellation, and no
other, into the exception that says why. This is how `asyncio.timeout` works, with more reasons.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from starlette.types import Receive

from claude_proxy.errors import UpstreamError
from claude_proxy.server.drain import Drain


class ClientGone(Exception):
    """The client closed its connection, or stopped reading, before its answer was complete."""


class SilenceAfterFinish(Exception):
    """The upstream said that it finished, then neither ended nor closed its answer."""


def _too_late() -> UpstreamError:
    return UpstreamError("The upstream did not answer in time.", status=504)


# Seconds until somebody listens for the disconnect; most short answers never need the task.
_LISTEN_AFTER = 0.05


class Watch:
    """`async with Watch(receive, silence=300, drain=drain) as watch:` around a request's work.

    `silence`: seconds without a byte from the upstream after which it is given up (504); `first`:
    the same before the first byte of its answer, if it may take longer or must be quicker.
    `drain`: what interrupts the work when the server must end.
    Call `accepted()` when the answer's head has come, `heard()` for each read of its body and
    `spoke()` for each write to the client.
    """

    # Of the class, because most requests change none of them.
    _on_beat: Callable[[], None] | None = None
    _blocked: Callable[[], bool] = bool
    _heard_at: float | None = None
    _reason: BaseException | None = None
    _timer: asyncio.TimerHandle | None = None
    _listener: asyncio.Task[None] | None = None

    def __init__(
        self, receive: Receive, *, silence: float, drain: Drain, first: float | None = None
    ) -> None:
        self._receive = receive
        self._silence = silence
        self._first = silence if first is None else first
        self._running = drain.running
        self._beat_after = silence
        self._loop = asyncio.get_running_loop()
        self._asked_at = self._spoke_at = self._loop.time()

    def beat(
        self, on_beat: Callable[[], None], *, first: float, blocked: Callable[[], bool]
    ) -> None:
        """Calls `on_beat` after `first` seconds of silence towards the client.

        `blocked`: whether a write is on its way. Then nothing is silent; and if that lasts, it is
        the client that does not read, whose silence ends the work.
        """
        self._on_beat, self._blocked = on_beat, blocked
        self.beat_every(first)

    def beat_every(self, seconds: float) -> None:
        self._beat_after = seconds
        self._schedule()

    def accepted(self) -> None:
        # Some servers send their head at once and read the prompt then, others before.
        self._asked_at = self._loop.time()

    def heard(self) -> None:
        self._heard_at = self._loop.time()

    def spoke(self) -> None:
        # A slow client held this write up, and meanwhile nobody read from the upstream.
        self._spoke_at = self._heard_at = self._loop.time()

    def interrupt(self, reason: BaseException) -> None:
        """Stops the work; `reason` is raised where the watch ends."""
        if self._reason is None and self._timer is not None:
            self._reason = reason
            self._task.cancel()

    async def __aenter__(self) -> Self:
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("A watch interrupts the task that it runs in.")
        self._task = task
        self._schedule()
        self._running.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # No await in here: a disconnect that the last write itself caused must not count.
        self._running.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._listener is not None:
            self._listener.cancel()
        if self._on_beat is not None or self._listener is not None:
            # They hold this watch, and one of them the whole answer: see `RequestContext`.
            self._on_beat, self._blocked, self._listener = None, bool, None
        if self._reason is not None and self._task.uncancel() == 0:
            if kind is None or kind is asyncio.CancelledError:
                raise self._reason from None

    async def _listen(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.interrupt(ClientGone())

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self._too_late_at()
        if self._listener is None:
            listens_at = self._asked_at + _LISTEN_AFTER
            due = listens_at if listens_at < due else due
        if self._on_beat is not None:
            due = min(due, self._spoke_at + self._beat_after)
        self._timer = self._loop.call_at(due, self._tick)

    def _too_late_at(self) -> float:
        if self._heard_at is None:
            return self._asked_at + self._first
        return self._heard_at + self._silence

    def _tick(self) -> None:
        """Deadlines move with every read, the timer does not: it looks when it wakes."""
        now = self._loop.time()
        if self._listener is None:
            self._listener = self._loop.create_task(self._listen())
        if now >= self._too_late_at():
            self.interrupt(ClientGone() if self._blocked() else _too_late())
            return
        if self._on_beat is not None and now >= self._spoke_at + self._beat_after:
            self._spoke_at = now
            if not self._blocked():
                # While a write is on its way it is not silent, and must not be interrupted.
                self._on_beat()
        self._schedule()
