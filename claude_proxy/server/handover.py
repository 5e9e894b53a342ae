"""From one app's services to the next: what goes over, and when the rest is closed.

Services are made of settings. An app that gets other settings gets other services; requests that
run keep theirs, and the last of them closes what the new ones have not taken over.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from claude_proxy.server.metrics import Key
from claude_proxy.settings import Settings

if TYPE_CHECKING:
    from claude_proxy.server.services import Services

MADE_OF: Mapping[str, tuple[str, ...]] = {
    "cache_watch": ("cache_watch",),
    "cli": (
        *("runs_cli", "cli_command", "cli_env", "cli_max_processes", "cli_idle_seconds"),
        *("cli_line_timeout", "cli_timeout"),
    ),
    "http": ("transport", "connect_timeout"),
    "pdfs": ("pdf_max_characters",),
    "prompts": ("prompt_compression", "prompt_max_system_tokens"),
    "rates": (
        *("rate_limit_per_key", "rate_limit_per_address", "rate_limit_storage"),
        *("auth_key", "openai_api_key", "anthropic_api_key"),
    ),
    "reasoning": ("reasoning_memory_bytes", "auth_key"),
}
"""A part of the services → the settings that it is made of. With the same ones it goes over."""

ALL = frozenset(MADE_OF)


class Load:
    """What is in flight, by whatever settings. Mutable; one for each app.

    Each request is `with load:`, which is cheaper than a generator would be.
    """

    def __init__(self) -> None:
        self.in_flight = self.streams = 0

    def __enter__(self) -> None:
        self.in_flight += 1

    def __exit__(self, *error: object) -> None:
        self.in_flight -= 1


def taken_over(before: "Services | None", settings: Settings, part: str) -> Any:
    """A part of the services before; None where it has to be made anew."""
    if before is None:
        return None
    names = MADE_OF[part]
    same = all(getattr(before.settings, each) == getattr(settings, each) for each in names)
    return getattr(before, part) if same else None


class Handover:
    """The end of some services. Mutable; one for each."""

    def __init__(self, services: "Services") -> None:
        self.users = 0
        """Requests that use these services, and not others."""
        self._services = services
        self._retired = False
        self._left: frozenset[str] = ALL
        """Parts that nobody has taken over."""
        self._counted: dict[Key, int] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def retire(self, after: "Services") -> None:
        """The next request uses the services `after` these."""
        self._retired = True
        mine = self._services
        self._left = frozenset(
            part for part in MADE_OF if getattr(mine, part) is not getattr(after, part)
        )
        self._hand_on_counts()
        self.leave()

    def leave(self) -> None:
        """Whoever used these services has ended; the last one closes them."""
        if self._retired and not self.users:
            # Also when somebody has come late, and has opened something again.
            task = asyncio.get_running_loop().create_task(self._close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close(self) -> None:
        await self._services.close(self._left)
        self._hand_on_counts()

    def _hand_on_counts(self) -> None:
        """Counters never go back: what is counted here alone is added to the app's."""
        for part in self._left:
            for key, count in self._services.counts_of(part).items():
                self._services.metrics.add(key, count - self._counted.get(key, 0))
                self._counted[key] = count
