"""The whole of it: settings, upstream, models; and what is to be written."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import httpx

from claude_proxy.backends.http import build
from claude_proxy.doctor import profile_file
from claude_proxy.doctor.address import listed, reach
from claude_proxy.doctor.configuration import look
from claude_proxy.doctor.exchange import Exchange
from claude_proxy.doctor.findings import Finding
from claude_proxy.doctor.record import Recorder
from claude_proxy.doctor.runner import Examined, Runner
from claude_proxy.doctor.talk import Talk
from claude_proxy.native import Dialect
from claude_proxy.own_profiles import ProfileFinder
from claude_proxy.routing import DEFAULT
from claude_proxy.server.redact import Redactor
from claude_proxy.server.services import secrets_of
from claude_proxy.server.upstream import upstreams
from claude_proxy.settings import Settings, is_loopback

TIERS = ("big", "middle", "small")
CLAUDE_NAMES = {"big": "opus", "middle": "sonnet", "small": "haiku"}


class Wish(NamedTuple):
    """What is to be examined, and how."""

    settings: Settings
    models: Mapping[str, tuple[str, ...]]
    """Upstream models, each with the Claude names that lead to it."""
    upstream: str = DEFAULT
    timeout: float = 60.0
    known: frozenset[str] = frozenset()
    """The tables that an earlier run has written."""
    fresh: bool = False
    """Whether those are forgotten."""
    record: Path | None = None


def wanted_models(
    settings: Settings, tiers: tuple[str, ...], named: tuple[str, ...], upstream: str = DEFAULT
) -> dict[str, tuple[str, ...]]:
    """The named models, else those of the tiers that this upstream serves, each once.

    An upstream that serves no tier is asked for the models of all: a fallback gets these names.
    """
    if named:
        return {name: () for name in named}
    models = settings.model_map()
    found: dict[str, tuple[str, ...]] = {}
    placed = {tier: models.place(models.tier(tier.upper())) for tier in tiers or TIERS}
    here = {tier: place for tier, place in placed.items() if place[0] == upstream}
    for tier, (_, model) in (here or placed).items():
        found[model] = (*found.get(model, ()), CLAUDE_NAMES[tier])
    return found


Show = Callable[[str, Finding], None]
"""Is told each finding with its section, as soon as it is there."""


class Examination:
    """One run. Mutable: its findings grow. `aclose` it."""

    def __init__(
        self, wish: Wish, show: Show, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        settings = wish.settings
        self._wish = wish
        self._show = show
        self._upstream = upstreams(settings)[wish.upstream]
        self.base_url = self._upstream.base_url
        self.redactor = Redactor(secrets_of(settings))
        self._backend = build(
            settings.transport, connect_timeout=settings.connect_timeout, inject=transport
        )
        recorder = Recorder(wish.record, self.redactor) if wish.record else None
        self._talk = Talk(
            self._backend,
            self._upstream,
            self._key(),
            timeout=wish.timeout,
            keep=recorder.keep if recorder else _forget,
        )
        self.configuration: list[Finding] = []
        self.upstream: list[Finding] = []
        self.models: list[Examined] = []

    def _key(self) -> str:
        """The upstream's own, else the server's, even where the server would not use it."""
        settings, name = self._wish.settings, self._wish.upstream
        own = settings.upstream_key if name == DEFAULT else settings.upstreams[name].api_key
        if own is not None:
            return own.get_secret_value()
        # Servers on this machine ask for no key, but some want the header.
        return "none" if self._local and name == DEFAULT else ""

    @property
    def _local(self) -> bool:
        return is_loopback(httpx.URL(self.base_url).host)

    @property
    def calls(self) -> int:
        return self._talk.calls

    def dialect(self, model: str) -> Dialect:
        """The language in which a model is asked, as far as is known."""
        finder = self._wish.settings.profile_finder()
        profile = finder.find(self._wish.upstream, self.base_url, model)
        return self._upstream.dialect(model, profile)

    def look(self) -> bool:
        """The settings; whether the server would start with them."""
        host = httpx.URL(self.base_url).host
        own_key = self._wish.upstream != DEFAULT
        for finding in look(self._wish.settings, "localhost" if own_key else host):
            self._note(self.configuration, "configuration", finding)
        return not _failed(self.configuration)

    async def reach(self) -> bool:
        """The upstream; whether it makes sense to go on."""
        patience = min(self._wish.timeout, self._wish.settings.connect_timeout)
        async for finding in reach(self.base_url, patience):
            self._note(self.upstream, "upstream", finding)
        if _failed(self.upstream):
            return False
        found = await listed(self._talk, list(self._wish.models), time.time())
        for finding in found.findings:
            self._note(self.upstream, "upstream", finding)
        return True

    async def probe(self) -> None:
        """All probes with all models."""
        wish, before = self._wish, self._wish.settings.profile_finder()
        own = {name: own for name, own in wish.settings.profiles.items() if name not in wish.known}
        base = wish.settings.model_copy(update={"profiles": own}).profile_finder()
        for model, tiers in wish.models.items():
            await self._examine(model, tiers, base, base if wish.fresh else before)

    async def _examine(
        self, model: str, tiers: tuple[str, ...], base: ProfileFinder, before: ProfileFinder
    ) -> None:
        where = (self._wish.upstream, self.base_url, model)
        start = before.find(*where)
        calls = self._talk.calls
        runner = Runner(self._talk, model, start, clean=self.redactor.clean)
        findings = await runner.run(lambda finding: self._show(model, finding))
        self.models.append(
            Examined(
                model=model,
                tiers=tiers,
                base=base.find(*where),
                before=self._wish.settings.profile_finder().find(*where),
                profile=runner.profile,
                findings=findings,
                calls=self._talk.calls - calls,
                dialect=runner.dialect,
            )
        )

    def tables(self) -> profile_file.Tables:
        """One table for each model, empty but for its globs where nothing has to be said."""
        return dict(
            profile_file.table(self.base_url, each.model, each.overrides) for each in self.models
        )

    def _note(self, where: list[Finding], section: str, finding: Finding) -> None:
        where.append(finding)
        self._show(section, finding)

    async def aclose(self) -> None:
        await self._backend.aclose()


def _failed(findings: list[Finding]) -> bool:
    return any(finding.needed and finding.verdict.state == "failed" for finding in findings)


def _forget(name: str, exchange: Exchange) -> None:
    """Nothing is recorded."""
