"""The server's life: uvicorn's, but that it watches its connections and ends in two steps.

1. SIGTERM: not ready any more, but serving, so that a load balancer has time to notice.
2. The listening socket closes. Running answers finish; a new request on a kept connection gets
   503. At the ceiling (`drain_seconds` after the signal) every answer that still runs ends with
   an error of its own.

Ctrl-C begins with the second step; a second one is the ceiling.
"""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from functools import partial
from types import FrameType

import structlog
import uvicorn

from claude_proxy.server.drain import Drain
from claude_proxy.server.protocol import Connections
from claude_proxy.server.reload import Hangup
from claude_proxy.settings import Settings

NOT_READY_SECONDS = 2.0
_TICK = 0.1
_FIRST_TICK = 0.005
_TICKS_A_DAY = 864_000
_NOTIFY_EVERY = 1.0
_LAST_WORDS_SECONDS = 1.0
_TASKS_SECONDS = 0.5

log = structlog.get_logger("claude_proxy.life")


class Server(uvicorn.Server):
    """Mutable. `most_connections`: more are refused, and `hit` is told so.
    `ceiling`: in place of `drain_seconds`. `warm` runs beside the first requests; `reload` is
    what SIGHUP does."""

    def __init__(
        self,
        config: uvicorn.Config,
        settings: Settings,
        *,
        drain: Drain,
        most_connections: int,
        hit: Callable[[str], None],
        ceiling: float | None = None,
        warm: Callable[[], Awaitable[None]] | None = None,
        reload: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config)
        self.connections = Connections(settings, most=most_connections, hit=hit)
        self.server_state = self.connections
        self._drain = drain
        self._ceiling = settings.drain_seconds if ceiling is None else ceiling
        self._warm = warm
        self._warming: asyncio.Future[None] | None = None
        self._reload = reload
        self._not_ready = 0.0
        self._closes_at: float | None = None
        self._ends_at: float | None = None
        self._notified_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._captured_signals.append(sig)
        if sig == signal.SIGTERM:
            if not self.should_exit:
                self._not_ready = min(NOT_READY_SECONDS, self._ceiling / 2)
            self.should_exit = True
        elif self.should_exit:
            self._forget_sigterm()
            self.force_exit = True
        else:
            self.stop()

    @property
    def captured(self) -> list[int]:
        """The signals that came so far."""
        return self._captured_signals

    def stop(self) -> None:
        """Begins the end, with its second step; from any thread or signal handler."""
        self.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def main_loop(self) -> None:
        """uvicorn's, but that `stop` does not have to wait for the next tick."""
        self._loop = asyncio.get_running_loop()
        self._begin_to_warm()
        if self._reload is not None:
            self._hear_hangups(self._loop, self._reload)
        try:
            await self._tick_until_the_end()
        finally:
            if self._warming is not None:
                self._warming.cancel()

    def _hear_hangups(self, loop: asyncio.AbstractEventLoop, reload: Callable[[], None]) -> None:
        # Neither Windows nor a thread of somebody else's program has such signals.
        with contextlib.suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            hangup = Hangup()
            hear = partial(self._hear_hangup, hangup, reload)
            loop.add_signal_handler(signal.SIGHUP, hear)

    def _hear_hangup(self, hangup: Hangup, reload: Callable[[], None]) -> None:
        if hangup.means_the_end():
            self.stop()
        elif not self.should_exit:
            reload()
            self._begin_to_warm()

    def _begin_to_warm(self) -> None:
        if self._warming is not None:
            self._warming.cancel()
        self._warming = asyncio.ensure_future(self._warm()) if self._warm else None

    async def _tick_until_the_end(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 1) % _TICKS_A_DAY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._woken.wait()
            self._woken.clear()

    async def on_tick(self, counter: int) -> bool:
        self.connections.tick()
        if not await super().on_tick(counter):
            return False
        now = time.monotonic()
        if self._closes_at is None:
            self._begin_to_end(now)
        return self.force_exit or now >= (self._closes_at or 0.0)

    def _begin_to_end(self, now: float) -> None:
        self._closes_at = now + self._not_ready
        self._drain.draining = self.connections.draining = True
        for connection in self.connections.all():
            connection.shutdown()
        self._set_ceiling(now)
        log.info("drain_started", running=self._running(), seconds=self._ceiling)

    def _set_ceiling(self, now: float) -> None:
        """Nobody waits for a worker that has served its number of requests: it has no ceiling."""
        if self._ends_at is None and self.should_exit:
            self._ends_at = now + self._ceiling

    def _running(self) -> int:
        return sum(connection.busy for connection in self.connections.all())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._closes_at is None:
            self._begin_to_end(time.monotonic())
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        self._drain.closed = True
        await self._wait_until(self._is_time)
        if self._running():
            log.warning("drain_ended", interrupted=self._drain.end(), forced=self.force_exit)
            last = time.monotonic() + _LAST_WORDS_SECONDS
            await self._wait_until(lambda: time.monotonic() > last)
        else:
            self._forget_sigterm()  # All is done: status 0.
        for connection in self.connections.all():
            connection.abandon()
        await self._end_tasks()
        await self.lifespan.shutdown()

    def _forget_sigterm(self) -> None:
        """At the end uvicorn raises again what was captured, and the process ends by it."""
        self.captured[:] = [number for number in self.captured if number != signal.SIGTERM]

    def _is_time(self) -> bool:
        now = time.monotonic()
        self._set_ceiling(now)
        return self.force_exit or (self._ends_at is not None and now >= self._ends_at)

    async def _wait_until(self, over: Callable[[], bool]) -> None:
        """Waits for the running answers, as long as it is not over."""
        pause = _FIRST_TICK  # Often all that runs is a connection that is closing already.
        while self._running() and not over():
            await asyncio.sleep(pause)
            pause = min(2 * pause, _TICK)
            self.connections.tick()
            await self._notify()

    async def _notify(self) -> None:
        """gunicorn kills a worker that is silent for long, even one that only finishes."""
        notify, now = self.config.callback_notify, time.monotonic()
        if notify is not None and now - self._notified_at >= _NOTIFY_EVERY:
            self._notified_at = now
            await notify()

    async def _end_tasks(self) -> None:
        """Their connections are closed: they see that their clients are gone."""
        tasks = set(self.server_state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=_TASKS_SECONDS)
            for task in late:
                task.cancel()
        await asyncio.sleep(0)
