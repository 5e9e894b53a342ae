"""One conversation in the memory of one process.

The process remembers what was said, so the next request of the same conversation costs neither a
start nor a replay. Three states, of which `Turn` knows the first two: it answers; it rests, and
takes the next line; or it waits for the results of the client's tools, which come with the next
request too.
"""

import asyncio
from collections import deque

import structlog

from claude_proxy.backends.claude_cli.process import Process
from claude_proxy.codecs.claude_cli import mcp
from claude_proxy.codecs.claude_cli.errors import clean
from claude_proxy.codecs.claude_cli.ndjson import Lines, parsed
from claude_proxy.codecs.claude_cli.overrun import Overrun
from claude_proxy.codecs.claude_cli.talk import Asked, fingerprint, fingerprint_of
from claude_proxy.codecs.claude_cli.turn import RESTING, Turn
from claude_proxy.codecs.claude_cli.words import PREFIX
from claude_proxy.codecs.claude_cli.written import read_back
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.types import Json

log = structlog.get_logger("claude_proxy.claude_cli")

_EVENT = b'{"type":"stream_event"'
_PASSED = frozenset({"stream_event", "assistant", "result"})
_SETTLE_SECONDS = 5.0


class Session:
    """Mutable; asked by one request at a time."""

    def __init__(self, process: Process, start: Json, key: str) -> None:
        self.process = process
        self._start = start
        self.key = key
        """That of `Asked.start`."""
        self._names = frozenset(PREFIX + tool["name"] for tool in start["tools"])
        self._talk: list[str] = []
        """Fingerprints of what it remembers."""
        self._written: list[str] = start.get("written", [])
        """The tools that are called in writing."""
        self._turn = self._new_turn()
        self._overrun = self._new_overrun()
        self._lines = Lines()
        self._read: deque[bytes] = deque()
        self._calls: dict[str, Json] = {}
        """What it wants to be run, by the ids of the calls; answered with the next request."""
        self._results: dict[str, Json] = {}
        self._listed = not start["tools"]
        self._warned = False

    @property
    def over(self) -> bool:
        """Whether the answer is complete."""
        return self._turn.over

    def fits(self, asked: Asked, last: Json) -> bool:
        """Whether it can answer a request that ends with the line `last`."""
        if asked != (self.key, tuple(self._talk)) or self.process.code is not None:
            return False
        results = mcp.results_of(last)
        if not self._turn.waits:
            return True
        return results is not None and results.keys() == self._turn.calls

    async def open(self) -> None:
        """Tells the process what it has to know before the first line."""
        await self._write(mcp.initialize(self._start))
        ready = False
        while not (ready and self._listed):
            line = await self._line()
            ready = ready or line.get("type") == "control_response"

    async def remember(self, history: list[Json]) -> None:
        """Replays a conversation. No model is asked; each of the user's lines is confirmed, and
        a line that comes before that would overtake it."""
        for line in history:
            await self._write(line)
            while line["type"] == "user" and (await self._line()).get("type") != "result":
                pass
            self._talk.append(fingerprint_of(line))

    async def ask(self, last: Json) -> None:
        """Starts the answer to a line, or goes on with the results in it."""
        waited, self._turn = self._turn.waits, self._new_turn()
        self._overrun = self._new_overrun()
        self._talk.append(fingerprint_of(last))
        if not waited:
            await self._write(last)
            return
        self._results = mcp.results_of(last) or {}
        calls, self._calls = self._calls, {}
        for request in calls.values():
            await self._reply(request)

    async def part(self) -> bytes:
        """More of the answer, in whole lines; empty at its end.

        Raises `UpstreamError` when the process ends before.
        """
        while not self.over:
            if not self._read:
                self._read.extend(self._lines.feed(await self.process.read()))
            passed: list[bytes] = []
            while self._read and not self.over:
                raw = self._read.popleft()
                if await self._passes(raw):
                    passed += [raw, *self._ending()]
            if passed:
                return b"\n".join([*passed, b""])
        return b""

    async def settle(self) -> bool:
        """After the answer: whether the process can answer another request."""
        turn = self._turn
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                while turn.reason in RESTING and turn.result is None:
                    turn.read(await self._line())
        except TimeoutError:
            return False
        said = read_back(turn.content, self._written) if self._written else turn.content
        if said is None:
            return False
        self._talk.append(fingerprint("assistant", said))
        return self._waits_for_us or turn.rests

    @property
    def _waits_for_us(self) -> bool:
        """Not if the model has made up a tool: that call the CLI answers itself, and goes on."""
        return self._turn.waits and self._turn.called <= self._names

    def _new_turn(self) -> Turn:
        return Turn(structured="schema" in self._start)

    def _new_overrun(self) -> Overrun | None:
        return Overrun(self._written) if self._written else None

    def _ending(self) -> list[bytes]:
        """Of an answer whose rest nobody wants; see `Overrun`."""
        if self._overrun is None or not self._overrun.found:
            return []
        self._turn.over = True
        return self._overrun.ending()

    async def _passes(self, raw: bytes) -> bool:
        """Whether a line is part of the answer; what is not is dealt with here."""
        if raw.startswith(_EVENT) and b'"message_' not in raw and self._overrun is None:
            return True  # The words themselves, which nobody needs to read here.
        line = self._parsed(raw)
        if line.get("type") == "control_request":
            await self._control(line)
        self._turn.read(line)
        if self._overrun is not None:
            self._overrun.read(line)
        return line.get("type") in _PASSED

    async def _line(self) -> Json:
        """The next line, apart from an answer. What the process asks is answered."""
        while not self._read:
            self._read.extend(self._lines.feed(await self.process.read()))
        line = self._parsed(self._read.popleft())
        if line.get("type") == "control_request":
            await self._control(line)
        return line

    def _parsed(self, raw: bytes) -> Json:
        """A line; empty for what is none, which the log tells once."""
        line = parsed(raw)
        if line is None and not self._warned:
            self._warned = True
            log.warning("cli_printed_no_json", bytes=len(raw))
            log.debug("cli_printed", text=clean(raw.decode(errors="replace")))
        return line or {}

    async def _control(self, request: Json) -> None:
        id = mcp.called(request)
        if id is not None and id not in self._results:
            self._calls[id] = request
        else:
            await self._reply(request)

    async def _reply(self, request: Json) -> None:
        await self._write(mcp.reply(request, self._start["tools"], self._results))
        self._listed = self._listed or mcp.lists(request)

    async def _write(self, line: Json) -> None:
        await self.process.write(dumps(line) + b"\n")
