"""Shortens the system prompts of one app's requests, and keeps what models made of them."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from claude_proxy.compression import Shortened, Texts, compact, read_prompt
from claude_proxy.types.anthropic import MessagesRequest

_MOST_SUMMARIES = 64
_FAILED_SECONDS = 300.0


class Prompts:
    """Mutable: remembers summaries, and which prompts have none, by the prompt's whole text."""

    def __init__(self, limit: int, *, summarize: bool) -> None:
        self.limit = limit
        self.summarize = summarize
        self.running: dict[Texts, asyncio.Task[None]] = {}
        """Requests for summaries; whoever else sends the same prompt waits for the same one."""
        self._summaries: OrderedDict[Texts, tuple[Shortened | None, float]] = OrderedDict()

    def shorten(
        self, request: MessagesRequest, note: Callable[[str, str], None], facts: dict[str, Any]
    ) -> MessagesRequest:
        """The request with a shorter system prompt; what was done is told."""
        prompt = read_prompt({**request})
        if prompt is None:
            return request
        summary = self._summary(prompt.texts)
        short = summary or compact(prompt.texts, self.limit)
        if short.after > self.limit:
            note("system", f"what cannot be shortened is over {self.limit} tokens")
        if short.texts == prompt.texts:
            return request
        how = "summarized" if summary else "shortened"
        note("system", f"{how} from {short.before} to {short.after} tokens")
        facts.update(system_tokens=short.before, system_tokens_sent=short.after)
        shorter: MessagesRequest = {**request, "system": prompt.rewrite(short.texts)}
        return shorter

    def _summary(self, texts: Texts) -> Shortened | None:
        found = self._summaries.get(texts)
        if found is None:
            return None
        self._summaries.move_to_end(texts)
        return found[0]

    def settled(self, texts: Texts) -> bool:
        """Whether a summary is there, or not worth a request, or failed a short while ago."""
        found = self._summaries.get(texts)
        return found is not None and time.monotonic() < found[1]

    def keep(self, texts: Texts, summary: Shortened | None, *, failed: bool = False) -> None:
        until = time.monotonic() + _FAILED_SECONDS if failed else float("inf")
        self._summaries[texts] = summary, until
        if len(self._summaries) > _MOST_SUMMARIES:
            self._summaries.popitem(last=False)

    async def aclose(self) -> None:
        """Ends what still runs."""
        running = [*self.running.values()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
