"""What the requests of one app share. Built without I/O; connections open on first use."""

import asyncio
from collections.abc import Container, Iterator
from dataclasses import replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from starlette.types import Receive

from claude_proxy.backends import Backend
from claude_proxy.backends.claude_cli import Bounds, ClaudeCli, Command
from claude_proxy.backends.http import build
from claude_proxy.backends.schemes import Schemes
from claude_proxy.codecs import Peek
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.learning import Correction, corrected
from claude_proxy.profiles import GENERIC, Profile, limited
from claude_proxy.profiles.claude_cli import SCHEME
from claude_proxy.routing import DEFAULT, Choice, Route, Router, fall_back
from claude_proxy.server.agent_files import AgentFiles
from claude_proxy.server.agent_runs import AgentRuns
from claude_proxy.server.cache_watch import CacheWatch
from claude_proxy.server.counters import UpstreamCounters
from claude_proxy.server.counting import Counting
from claude_proxy.server.dialects import TRANSLATIONS
from claude_proxy.server.drain import Drain
from claude_proxy.server.handover import ALL, Handover, Load, taken_over
from claude_proxy.server.lessons import LearnedStore
from claude_proxy.server.limits import build_rates
from claude_proxy.server.loaded import LoadedWindows
from claude_proxy.server.metrics import Key, Metrics
from claude_proxy.server.metrics_share import Share
from claude_proxy.server.model_list import UpstreamModels
from claude_proxy.server.pdf.process import Limits
from claude_proxy.server.pdf.reader import PdfReader
from claude_proxy.server.people import People
from claude_proxy.server.prompts import Prompts
from claude_proxy.server.reasoning import Reasoning
from claude_proxy.server.redact import Redactor
from claude_proxy.server.search.searcher import Searcher
from claude_proxy.server.surface import MESSAGES, Surface
from claude_proxy.server.upstream import upstreams
from claude_proxy.server.watch import Watch
from claude_proxy.server.windows import Windows
from claude_proxy.settings import Settings
from claude_proxy.settings.claude_cli import secrets_in

if TYPE_CHECKING:
    import httpx

Corrections = tuple[Correction, ...]


class Services:
    """Mutable: counts what is in flight. One for each app and its settings.

    `before`: those by which the app has worked so far, and whose requests go on.
    """

    def __init__(
        self,
        settings: Settings,
        transport: "httpx.AsyncBaseTransport | None" = None,
        *,
        before: "Services | None" = None,
    ) -> None:
        part = partial(taken_over, before, settings)
        self.handover = Handover(self)
        self.settings = settings
        self.upstreams = upstreams(settings)
        self.upstream = self.upstreams[DEFAULT]
        self.http: Backend = _http(settings, transport, before)
        self.cli: ClaudeCli | None = part("cli") or _cli(settings)
        """None where no upstream is the CLI."""
        self.backend: Backend = Schemes(self.http, {SCHEME: self.cli}) if self.cli else self.http
        self.redactor = Redactor(secrets_of(settings))
        self.router = settings.router()
        self.models = self.router.models
        self._looks, self._blind = self.router.looks, self.router.vision is None
        self.people: People = _people(settings, self.router, before.people.runs if before else None)
        self.profiles = settings.profile_finder()
        self.windows = Windows(settings, changed=self._forget_routes)
        self.prompts = part("prompts") or _prompts(settings)
        self.cache_watch = part("cache_watch") or (CacheWatch() if settings.cache_watch else None)
        self.pdfs: PdfReader = part("pdfs") or PdfReader(Limits(settings.pdf_max_characters))
        self.model_lists = {name: self._model_list(name) for name in self.upstreams}
        self.fallbacks = settings.fallback_list()
        self.loaded = LoadedWindows(self.backend, self.upstreams, self.windows.learn_loaded)
        self.reasoning: Reasoning = part("reasoning") or Reasoning(settings)
        self.lessons: LearnedStore = self._lessons(before)
        self._lessons_seen = 0
        self._by_name = lru_cache(maxsize=256)(self._find_by_name)
        self._placed = lru_cache(maxsize=512)(self._place)
        self.counting = self._counting()
        self.load: Load = before.load if before else Load()
        self.drain: Drain = before.drain if before else Drain()
        self.rates = part("rates") or build_rates(settings)
        self.metrics: Metrics = before.metrics if before else self._metrics()
        self.searcher = Searcher(settings, self.backend, self.metrics)

    def begin(self, before: "Services") -> None:
        """The next request uses these services, and none before."""
        self.metrics.follow(self, self._configured())
        before.handover.retire(self)

    @cached_property
    def may_pass_messages(self) -> bool:
        """Whether any upstream may get a client's Messages as they are."""
        return any(each.may_pass for each in self.upstreams.values())

    @property
    def in_flight(self) -> int:
        return self.load.in_flight

    @property
    def streams(self) -> int:
        return self.load.streams

    @streams.setter
    def streams(self, count: int) -> None:
        self.load.streams = count

    def _metrics(self) -> Metrics:
        return Metrics(self, self._configured(), _share(self.settings))

    def _counting(self) -> Counting:
        return Counting(
            self.settings.token_counting,
            UpstreamCounters(self.backend, self.upstreams),
            find_route=self.route,
            scale=self.windows.scale,
        )

    def _lessons(self, before: "Services | None") -> LearnedStore:
        return LearnedStore(
            {name: upstream.base_url for name, upstream in self.upstreams.items()},
            file=self.settings.learned_file if self.settings.learning else None,
            clean=self.redactor.clean,
            before=before.lessons if before else None,
        )

    def _configured(self) -> Iterator[str]:
        """The upstream models that the settings name."""
        yield from (model for _, model in map(self.models.place, self.router.targets()) if model)
        yield from (fallback.model for fallback in self.fallbacks if fallback.model)

    def route(self, peek: Peek) -> Route:
        """Where a request goes. Where only its model's name matters, nothing else is looked at:
        names come again and again."""
        if self._lessons_seen != (version := self.lessons.refresh()):
            self._lessons_seen = version
            self._forget_routes()
        if not self._looks:
            found = self._by_name(peek.model)
        else:
            found = self._placed(self.router.choose(peek, self.people))
        return found if self._blind else self._seeing(found, peek)

    def _forget_routes(self) -> None:
        self._by_name.cache_clear()
        self._placed.cache_clear()

    def _find_by_name(self, name: str) -> Route:
        return self._place(self.router.by_name(name))

    def _place(self, choice: Choice) -> Route:
        upstream, model, reason, fallbacks = choice
        return self._adapted(Route(upstream, model, GENERIC, reason, fallbacks=fallbacks))

    def _seeing(self, found: Route, peek: Peek) -> Route:
        """Another model for images that this one cannot see, where there is one."""
        if found.profile.vision == "seen" or peek.asked is None or not peek.asked.images:
            return found
        before = Choice(found.upstream, found.model, found.reason, found.fallbacks)
        return self._placed(self.router.seeing(before))

    def fallback_routes(self, first: Route) -> Iterator[Route]:
        """Where a request may go, in order, after its first route has failed."""
        for fallback in self.fallbacks if first.fallbacks is None else first.fallbacks:
            base_url = self.upstreams[fallback.upstream].base_url
            found = fall_back(first, fallback, base_url=base_url)
            if found is not None:
                yield self._adapted(found)

    def translate_for(self, upstream: str, language: str, model: str) -> None:
        """From now on: it does not speak it, for a model or, with "", at all."""
        self.upstreams[upstream].unlearn(language, model)
        self._forget_routes()

    def spoken_to(self, found: Route, surface: Surface) -> Route:
        """The same route, asked in the language that suits a client of this one best."""
        if surface is MESSAGES:
            return found
        upstream = self.upstreams[found.upstream]
        return replace(found, dialect=upstream.dialect(found.model, found.profile, surface.dialect))

    def passes(self, found: Route, surface: Surface) -> bool:
        """Whether the upstream gets a client's request as it is."""
        if found.dialect != surface.dialect:
            return False
        return surface is MESSAGES or self.upstreams[found.upstream].speaks(
            surface.name, found.model
        )

    def searches(self, found: Route) -> bool:
        """Whether we make the searches of the web that requests on this route want."""
        if found.dialect != "messages":
            return True
        return self.searcher.has_service and not self.upstreams[found.upstream].native.searches

    def routed(self, found: Route) -> Route:
        """The same route, as far as it is known now."""
        return self._adapted(found)

    def tried(self, before: Route, corrections: Corrections) -> Route:
        """The same route with corrections that have to prove right."""
        profile = self._corrected(before.profile, corrections)
        return replace(before, profile=profile, trial=(*before.trial, *corrections))

    def _adapted(self, found: Route) -> Route:
        """With the user's profile, the limits that are known, and what refusals have taught."""
        learned, trial = self.lessons.of(found.upstream, found.model)
        profile = self._profile(found.upstream, found.model)
        profile = self._corrected(profile, (*learned, *trial))
        return replace(
            found,
            profile=profile,
            dialect=self.upstreams[found.upstream].dialect(found.model, profile),
            learned=learned,
            trial=trial,
        )

    def _corrected(self, profile: Profile, corrections: Corrections) -> Profile:
        """What an upstream refuses counts more than what its list says, and the user's most."""
        return limited(corrected(profile, corrections), self.settings.max_tokens_limit)

    def profile(self, model: str, upstream: str = DEFAULT) -> Profile:
        """That of one of an upstream's models, with the limits which are known."""
        learned, _ = self.lessons.of(upstream, model)
        return self._corrected(self._profile(upstream, model), learned)

    def _model_list(self, name: str) -> UpstreamModels:
        """An upstream's, which is the same for all of its models."""
        upstream = self.upstreams[name]
        some = self.models.place(self.models.big)[1] if name == DEFAULT else ""
        profile = self.profiles.find(name, upstream.base_url, some)
        return UpstreamModels(
            self.backend,
            upstream,
            seconds=self.settings.models_cache_seconds,
            on_list=partial(self.windows.learn, name),
            windows_at=profile.windows_at,
            shown_at=profile.shown_at,
        )

    def _profile(self, upstream: str, model: str) -> Profile:
        base_url = self.upstreams[upstream].base_url
        found = self.profiles.find(upstream, base_url, model)
        own = self.profiles.own_fields(upstream, base_url, model)
        return self.windows.within(found, upstream, model, own)

    async def warm(self) -> None:
        """Asks the upstreams for their models, as far as we have keys of our own to ask with.

        So the first request already knows their limits. A failure is no failure of ours.
        """
        keys = {name: upstream.own_key for name, upstream in self.upstreams.items()}
        asked = [self.model_lists[name].get(key) for name, key in keys.items() if key is not None]
        await asyncio.gather(*asked)

    def watch(self, receive: Receive, profile: Profile | None = None) -> Watch:
        """Around a request's wait for an upstream, with the patience that its profile asks for."""
        usual = profile.first_byte_seconds if profile is not None else None
        first, idle = self.settings.first_byte(usual), self.settings.idle
        return Watch(receive, first=first, silence=idle, drain=self.drain)

    def slot(self) -> Load:
        """One request's place among `max_concurrent`; 429 at once when all are taken.

        503 when the server is about to end.
        """
        self.drain.check()
        load = self.load
        if load.in_flight >= self.settings.max_concurrent:
            raise ClaudeProxyError(
                f"This server is serving {load.in_flight} requests, its limit "
                "(CLAUDE_PROXY_MAX_CONCURRENT). Try again.",
                status=429,
                headers={"retry-after": "1"},
                limit="concurrency",
            )
        return load

    def live_counts(self) -> dict[Key, int]:
        """Counted where it happens, for the metrics."""
        attempts, reconnects = self.backend.attempts, self.backend.reconnects
        return {
            ("upstream_attempts",): attempts,
            ("upstream_reconnects",): reconnects,
            **self.counts_of("rates"),
        }

    def counts_of(self, part: str) -> dict[Key, int]:
        """What a part counts itself."""
        if part in ("http", "cli") and (backend := getattr(self, part)) is not None:
            attempts, reconnects = backend.attempts, backend.reconnects
            return {("upstream_attempts",): attempts, ("upstream_reconnects",): reconnects}
        if part == "rates":
            return {("rate_uncounted",): self.rates.uncounted if self.rates else 0}
        return {}

    def live_gauges(self) -> dict[str, int]:
        return {"requests_in_flight": self.in_flight, "streams_in_flight": self.streams}

    async def aclose(self) -> None:
        """Closes the connections to the upstream. The app can go on: they open again."""
        self.metrics.close()
        await self.close(ALL)

    async def close(self, parts: Container[str]) -> None:
        if self.prompts is not None and "prompts" in parts:
            await self.prompts.aclose()
        if "pdfs" in parts:
            await self.pdfs.aclose()
        await self.loaded.aclose()
        if "http" in parts:
            await self.http.aclose()
        if self.cli is not None and "cli" in parts:
            await self.cli.aclose()
        if self.rates is not None and "rates" in parts:
            await self.rates.aclose()


def _http(
    settings: Settings, transport: "httpx.AsyncBaseTransport | None", before: Services | None
) -> Backend:
    """A transport from outside is one for all settings."""
    kept = before.http if before and transport else taken_over(before, settings, "http")
    seconds = settings.connect_timeout
    return kept or build(settings.transport, connect_timeout=seconds, inject=transport)


def _cli(settings: Settings) -> ClaudeCli | None:
    if not settings.runs_cli:
        return None
    bounds = Bounds(
        processes=settings.cli_max_processes,
        wait=TRANSLATIONS["claude-cli"].queue,
        idle=settings.cli_idle_seconds,
        line=settings.cli_line_timeout,
        answer=settings.cli_timeout,
    )
    return ClaudeCli(Command(settings.cli_command, settings.cli_env), bounds)


def _share(settings: Settings) -> Share | None:
    return Share(settings.metrics_dir) if settings.metrics_dir else None


def _people(settings: Settings, router: Router, runs: AgentRuns | None) -> People:
    keys = {name: key.get_secret_value() for name, key in settings.client_keys.items()}
    files = AgentFiles(settings.agent_folders)
    return People(files, runs or AgentRuns(), keys, listens=router.knows_agents)


def _prompts(settings: Settings) -> Prompts | None:
    """Nothing at all where prompts are sent as they are: then no request is slower for it."""
    if settings.prompt_compression == "none":
        return None
    summarize = settings.prompt_compression == "summarize"
    return Prompts(settings.prompt_max_system_tokens, summarize=summarize)


def secrets_of(settings: Settings) -> list[str]:
    """Every configured value that must never show in a log or an answer."""
    keys = (
        *(settings.openai_api_key, settings.anthropic_api_key, settings.auth_key),
        *(settings.brave_api_key, settings.tavily_api_key),
    )
    others = settings.upstreams.values()
    named = (*(upstream.api_key for upstream in others), *settings.client_keys.values())
    values = [key.get_secret_value() for key in (*keys, *named) if key]
    values += [value for upstream in others for value in upstream.headers.values()]
    if settings.rate_limit_storage is not None:
        password = urlsplit(settings.rate_limit_storage.get_secret_value()).password or ""
        values += [password, unquote(password)]
    return [*values, *secrets_in(settings.cli_env), *settings.custom_headers.values()]
