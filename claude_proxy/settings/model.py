"""What can be set: `Settings`, one annotated field per variable.

This is the only table. The variable, its aliases and its help stand in the annotation; the
sources, `claude-proxy config`, docs/configuration.md and .env.example are made or checked from it.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from claude_proxy.native import Choice, native_for
from claude_proxy.own_profiles import ProfileFinder
from claude_proxy.routing import ALIASES, CLAUDE, DEFAULT, Fallback, ModelMap, Router
from claude_proxy.settings import counting, guards, parse, rates, timeouts
from claude_proxy.settings.backings import BACKINGS, Backing
from claude_proxy.settings.base import UpstreamSettings
from claude_proxy.settings.binding import bind
from claude_proxy.settings.claude_cli import TOLD
from claude_proxy.settings.fields import (
    COUNT,
    POSITIVE_SECONDS,
    SECONDS,
    TRUTH,
    Count,
    Names,
    PositiveSeconds,
    Seconds,
    SettingsError,
    Text,
    Var,
)
from claude_proxy.settings.profiles import finder
from claude_proxy.settings.routing import check_alone, check_router
from claude_proxy.settings.upstreams import check_places


class Settings(UpstreamSettings):
    """Everything that can be set, checked and frozen.

    `load_settings()` reads it from the outside; embedders may also build it directly.
    Raises `SettingsError` when values contradict each other.
    """

    host: Annotated[
        Text | None,
        Var(
            "CLAUDE_PROXY_HOST",
            "Address to listen on; if unset 0.0.0.0 where that is safe, else 127.0.0.1.",
            "an address like 127.0.0.1",
            aliases=("HOST", "SERVER_HOST"),
        ),
    ] = None
    port: Annotated[
        int,
        Field(ge=1, le=65535),
        Var(
            "CLAUDE_PROXY_PORT",
            "Port to listen on.",
            "a whole number from 1 to 65535",
            aliases=("PORT",),
        ),
    ] = 8085
    trust_proxy: Annotated[
        bool,
        Var(
            "CLAUDE_PROXY_TRUST_PROXY",
            "A proxy in front checks the clients: allows a public address without "
            "CLAUDE_PROXY_AUTH_KEY.",
            TRUTH,
            aliases=("TRUST_PROXY",),
        ),
    ] = False
    allowed_hosts: Annotated[
        Names,
        Var(
            "CLAUDE_PROXY_ALLOWED_HOSTS",
            "Host names under which browsers and clients may reach the proxy, beside its own.",
            "names like a.example,b.example or a JSON array",
        ),
    ] = ()
    cors_origins: Annotated[
        Names,
        Var(
            "CLAUDE_PROXY_CORS_ORIGINS",
            "Origins of web pages that may call the proxy.",
            "origins like https://a.example or a JSON array",
        ),
    ] = ()
    request_timeout: timeouts.RequestTimeout = 300.0
    first_byte_timeout: timeouts.FirstByteTimeout = None
    idle_timeout: timeouts.IdleTimeout = None
    connect_timeout: timeouts.ConnectTimeout = 10.0
    header_timeout: guards.HeaderTimeout = 10.0
    body_timeout: guards.BodyTimeout = 30.0
    max_body_bytes: Annotated[
        Count,
        Var("CLAUDE_PROXY_MAX_BODY_BYTES", "Largest request body, in bytes.", COUNT),
    ] = 33_554_432
    max_concurrent: Annotated[
        Count,
        Var("CLAUDE_PROXY_MAX_CONCURRENT", "Requests at a time per worker; more get 429.", COUNT),
    ] = 1000
    rate_limit_per_key: rates.PerKey = None
    rate_limit_per_address: rates.PerAddress = None
    rate_limit_storage: rates.Storage = None
    trusted_proxies: rates.TrustedProxies = ()
    metrics_dir: Annotated[
        Text | None,
        Var(
            "CLAUDE_PROXY_METRICS_DIR",
            "Folder in which workers share their metrics; `--workers` makes one by itself.",
            "a folder",
            aliases=("PROMETHEUS_MULTIPROC_DIR",),
        ),
    ] = None
    drain_seconds: Annotated[
        Seconds,
        Var(
            "CLAUDE_PROXY_DRAIN_SECONDS",
            "Seconds from SIGTERM until answers that still run are ended.",
            SECONDS,
        ),
    ] = 30.0
    transport: Annotated[
        Literal["aiohttp", "httpx"],
        BeforeValidator(parse.lower),
        Var("CLAUDE_PROXY_TRANSPORT", "HTTP client for the upstream.", "aiohttp or httpx"),
    ] = "aiohttp"
    ping_seconds: Annotated[
        PositiveSeconds,
        Var(
            "CLAUDE_PROXY_PING_SECONDS",
            "Seconds of silence in a stream until a ping is sent.",
            POSITIVE_SECONDS,
        ),
    ] = 10.0
    hold_seconds: Annotated[
        Seconds,
        Var(
            "CLAUDE_PROXY_HOLD_SECONDS",
            "Most seconds that a stream's status waits for the upstream's first event.",
            SECONDS,
        ),
    ] = 10.0
    models_cache_seconds: Annotated[
        Seconds,
        Var(
            "CLAUDE_PROXY_MODELS_CACHE_SECONDS",
            "Seconds that the upstream's list of models is kept.",
            SECONDS,
        ),
    ] = 60.0
    token_counting: counting.TokenCounting = "auto"  # noqa: S105
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(parse.log_level),
        Var(
            "CLAUDE_PROXY_LOG_LEVEL",
            "Least level that is logged.",
            "DEBUG, INFO, WARNING, ERROR or CRITICAL",
            aliases=("LOG_LEVEL",),
        ),
    ] = "INFO"
    log_format: Annotated[
        Literal["auto", "console", "json"],
        BeforeValidator(parse.lower),
        Var(
            "CLAUDE_PROXY_LOG_FORMAT",
            "`console` for people, `json` for machines, `auto` by the terminal.",
            "auto, console or json",
        ),
    ] = "auto"
    access_log: Annotated[
        bool,
        Var("CLAUDE_PROXY_ACCESS_LOG", "One line for each request, at its end.", TRUTH),
    ] = True
    workers: Annotated[
        Count,
        Var(
            "CLAUDE_PROXY_WORKERS",
            "Processes; more than 1 needs the extra `production`.",
            COUNT,
        ),
    ] = 1
    custom_headers: Annotated[
        dict[str, str],
        AfterValidator(parse.headers),
        Var(
            "CUSTOM_HEADER_*",
            "A header for every upstream request: the rest of the name, with `-` for `_`.",
            "a header's text",
            private=True,
        ),
    ] = Field(default_factory=dict, repr=False)

    sources: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """For each field that was set: where its value came from."""
    warnings: tuple[str, ...] = ()
    """What the user should know: misspelled names, settings without effect."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode == "passthrough" and self.backing.address:
            raise SettingsError(
                f"CLAUDE_PROXY_MODE is passthrough, but CLAUDE_PROXY_BACKEND is {self.backend}, "
                "which has a login of its own and takes no client's key."
            )
        if self.upstream_dialect == "claude-cli" and not self.backing.address:
            raise SettingsError(
                "CLAUDE_PROXY_UPSTREAM_DIALECT is claude-cli, which no server speaks: set "
                "CLAUDE_PROXY_BACKEND=claude-cli."
            )
        if self.mode == "fixed" and not self.fixed and self.upstream_key is None:
            raise SettingsError(
                f"CLAUDE_PROXY_MODE is fixed, but there is no key: set {self.backing.key}."
            )
        if self.backing.dialect and self.upstream_dialect not in ("auto", self.backing.dialect):
            raise SettingsError(
                f"CLAUDE_PROXY_UPSTREAM_DIALECT is {self.upstream_dialect}, but "
                f"CLAUDE_PROXY_BACKEND is {self.backend}, which speaks {self.backing.dialect}."
            )
        if self.fixed and self.client_keys and self.auth_key is None:
            raise SettingsError(
                "CLAUDE_PROXY_CLIENT_KEYS is set without CLAUDE_PROXY_AUTH_KEY, so that clients "
                "would need no key at all: set it as well."
            )
        check_router(self.router(), self.upstreams, self.client_keys, fixed=self.fixed)
        self.fallback_list()
        self.profile_finder()
        self.search_service()
        return self

    @property
    def fixed(self) -> bool:
        """Whether the server's own key or login serves all clients, else each client's key."""
        if self.backing.address:
            return True
        return self.upstream_key is not None and self.mode != "passthrough"

    @property
    def runs_cli(self) -> bool:
        """Whether clients can make this machine run the CLI, with its user's login."""
        named = (upstream.dialect == "claude-cli" for upstream in self.upstreams.values())
        return self.dialect == "claude-cli" or any(named)

    @property
    def backing(self) -> Backing:
        """What the kind of the default upstream says."""
        return BACKINGS[self.backend]

    @property
    def upstream_url(self) -> str:
        """The default upstream's address."""
        url: str = self.backing.address or getattr(self, self.backing.url.lower())
        return url

    @property
    def upstream_key(self) -> SecretStr | None:
        """The server's key for the default upstream."""
        if self.backing.address:
            return None
        key: SecretStr | None = getattr(self, self.backing.key.lower())
        return key

    @property
    def dialect(self) -> Choice:
        """The language that the user wants the default upstream to be asked in."""
        return self.backing.dialect or self.upstream_dialect

    @property
    def spends(self) -> bool:
        """Whether any key of the server's own is spent for clients."""
        return self.fixed or any(upstream.spends for upstream in self.upstreams.values())

    @property
    def checks_clients(self) -> bool:
        """Whether clients must show a key that the server knows."""
        return self.fixed and self.auth_key is not None

    @property
    def idle(self) -> float:
        """Seconds that the upstream may be silent once its answer has begun."""
        return self.idle_timeout or self.request_timeout

    def first_byte(self, usual: int | None) -> float:
        """Seconds that it may be silent before; `usual` is what a profile says of its upstream."""
        if self.first_byte_timeout is not None:
            return self.first_byte_timeout
        if usual is None or "request_timeout" in self.model_fields_set:
            return self.request_timeout
        return float(usual)

    def model_map(self) -> ModelMap:
        """The settings that routing needs."""
        big, middle, small = self.big_model, self.middle_model or self.big_model, self.small_model
        given = self.model_fields_set
        unset: set[str] = set()
        aliases = tuple(self.model_aliases.items())
        own = self.backing.tiers
        if own is not None:
            aliases += ALIASES
            big = big if "big_model" in given else own[0]
            middle = self.middle_model or own[1]
            small = small if "small_model" in given else own[2]
        elif self.backing.anthropic or native_for(self.upstream_url).claude:
            # Claude's own names are right there, and the defaults are models of somebody else.
            aliases += ALIASES
            if "big_model" not in given:
                big = CLAUDE["BIG"]
                unset.add("BIG")
                if self.middle_model is None:
                    middle = CLAUDE["MIDDLE"]
                    unset.add("MIDDLE")
            if "small_model" not in given:
                small = CLAUDE["SMALL"]
                unset.add("SMALL")
        return ModelMap(
            big=big,
            middle=middle,
            small=small,
            globs=tuple(self.models.items()),
            reject_unknown=self.unknown_model == "reject" or own is not None,
            unset=frozenset(unset),
            tiers_only=own is not None,
            aliases=aliases,
            upstreams=frozenset((DEFAULT, *self.upstreams)),
        )

    def router(self) -> Router:
        """Everything that is set about routing."""
        return Router(self.model_map(), self.routes, self.subagents, self.vision_model)

    def fallback_list(self) -> tuple[Fallback, ...]:
        """`fallbacks`, read. Raises `SettingsError` when they do not fit the mode."""
        models = self.model_map()
        check_alone("CLAUDE_PROXY_FALLBACKS", self.fallbacks, models.upstreams)
        found = tuple(map(models.fallback, self.fallbacks))
        places = {"CLAUDE_PROXY_FALLBACKS": [each.upstream for each in found]}
        check_places(places, self.upstreams, fixed=self.fixed)
        return found

    def profile_finder(self) -> ProfileFinder:
        """Everything that is said of profiles. Raises `SettingsError` for a name of none."""
        named = {
            name: (f"[upstreams.{name}] profile", upstream.profile)
            for name, upstream in self.upstreams.items()
        }
        named[DEFAULT] = ("CLAUDE_PROXY_PROFILE", self.profile)
        return finder(self.profiles, named, TOLD[self.cli_tools])

    def bind(self) -> tuple[str, str]:
        """The address to listen on, and why.

        Raises `SettingsError` for a public address that would let anybody spend the server's key.
        """
        return bind(self)


def variables() -> dict[str, Var]:
    """Each field's `Var`, by attribute, in the order of the class."""
    return {
        attribute: meta
        for attribute, info in Settings.model_fields.items()
        for meta in info.metadata
        if isinstance(meta, Var)
    }
