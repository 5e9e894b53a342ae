"""The first part of the table of settings: whose key, which upstream, which models."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from claude_proxy.settings import (
    anthropic,
    caches,
    claude_cli,
    limits,
    parse,
    pdfs,
    prompts,
    routing,
)
from claude_proxy.settings import learning as lessons
from claude_proxy.settings import profiles as own
from claude_proxy.settings import search as web
from claude_proxy.settings.backings import Kind
from claude_proxy.settings.fields import COUNT, Count, Key, Names, Text, Var
from claude_proxy.settings.upstreams import NamedUpstream, Spoken, names, tables


class UpstreamSettings(BaseModel):
    """See `Settings`, which adds the server's own."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        coerce_numbers_to_str=True,
    )

    mode: Annotated[
        Literal["auto", "fixed", "passthrough"],
        BeforeValidator(parse.lower),
        Var(
            "CLAUDE_PROXY_MODE",
            "Whose key goes upstream: `fixed` the server's, `passthrough` each client's; "
            "`auto` is `fixed` when the upstream's key is set.",
            "auto, fixed or passthrough",
        ),
    ] = "auto"
    openai_api_key: Annotated[
        Key | None,
        Var("OPENAI_API_KEY", "The upstream's key, used for all clients.", private=True),
    ] = None
    openai_base_url: Annotated[
        str,
        AfterValidator(parse.base_url),
        Var("OPENAI_BASE_URL", "Address of the OpenAI-compatible API.", private=True),
    ] = "https://api.openai.com/v1"
    backend: Annotated[
        Kind,
        BeforeValidator(parse.lower),
        Var(
            "CLAUDE_PROXY_BACKEND",
            "Kind of the default upstream: `openai` an OpenAI-compatible or any other API at "
            "OPENAI_BASE_URL, `anthropic` Anthropic's own, `claude-cli` the Claude Code CLI "
            "of this machine.",
            "openai, anthropic or claude-cli",
        ),
    ] = "openai"
    anthropic_api_key: anthropic.ApiKey = None
    anthropic_forward_url: anthropic.ForwardUrl = "https://api.anthropic.com"
    anthropic_version: anthropic.Version = "2023-06-01"
    anthropic_demote_nonstreaming: anthropic.Demote = False
    cli_command: claude_cli.Program = "claude"
    cli_env: claude_cli.Environment = Field(default_factory=dict, repr=False)
    cli_tools: claude_cli.Tools = "mcp"
    cli_max_processes: claude_cli.MaxProcesses = 10
    cli_idle_seconds: claude_cli.IdleSeconds = 300.0
    cli_line_timeout: claude_cli.LineTimeout = 300.0
    cli_timeout: claude_cli.AnswerTimeout = None
    azure_api_version: Annotated[
        Text | None,
        Var(
            "AZURE_API_VERSION",
            "Turns on Azure's way of addressing: `api-version` in the query, the key in `api-key`.",
            "a version like 2024-10-21",
        ),
    ] = None
    profile: own.Named = None
    profiles: own.Profiles = Field(default_factory=dict, repr=False)
    upstream_dialect: Annotated[
        Spoken,
        Var(
            "CLAUDE_PROXY_UPSTREAM_DIALECT",
            "The language of the upstream: `chat` (OpenAI's), `messages` (Anthropic's own, passed "
            "on without translation), `auto` by its address.",
            "auto, chat, responses or messages",
        ),
    ] = "auto"
    auth_key: Annotated[
        Key | None,
        Var(
            "CLAUDE_PROXY_AUTH_KEY",
            "The key that clients must show, in fixed mode; in passthrough mode only for /metrics.",
            aliases=("CLAUDE_PROXY_API_KEY", "AUTH_TOKEN"),
            private=True,
        ),
    ] = None
    big_model: Annotated[
        Text,
        Var(
            "CLAUDE_PROXY_BIG_MODEL",
            "Serves opus and every Claude name without a tier.",
            "a model name",
            aliases=("BIG_MODEL",),
        ),
    ] = "gpt-4o"
    middle_model: Annotated[
        Text | None,
        Var(
            "CLAUDE_PROXY_MIDDLE_MODEL",
            "Serves sonnet; the big model if unset.",
            "a model name",
            aliases=("MIDDLE_MODEL",),
        ),
    ] = None
    small_model: Annotated[
        Text,
        Var(
            "CLAUDE_PROXY_SMALL_MODEL",
            "Serves haiku.",
            "a model name",
            aliases=("SMALL_MODEL",),
        ),
    ] = "gpt-4o-mini"
    models: Annotated[
        dict[str, Text],
        BeforeValidator(parse.mapping),
        Var(
            "CLAUDE_PROXY_MODELS",
            "Model map before the tiers: `glob:model,glob:model` (split at the first colon) or "
            "a JSON object.",
            "pairs like glob:model,glob:model or a JSON object of strings",
        ),
    ] = Field(default_factory=dict)
    model_aliases: Annotated[
        dict[str, Text],
        BeforeValidator(parse.mapping),
        Var(
            "CLAUDE_PROXY_MODEL_ALIASES",
            "Names of other vendors' models and what is meant by them: `glob:tier` with opus, "
            "sonnet or haiku, or `glob:model`; where the upstream is Claude, OpenAI's names have "
            "aliases already.",
            "pairs like gpt-5*:opus,gpt-*:sonnet or a JSON object of strings",
        ),
    ] = Field(default_factory=dict)
    unknown_model: Annotated[
        Literal["pass", "reject"],
        BeforeValidator(parse.lower),
        Var(
            "CLAUDE_PROXY_UNKNOWN_MODEL",
            "Names that are neither Claude's nor configured: `pass` unchanged or `reject` "
            "with 404.",
            "pass or reject",
        ),
    ] = "pass"
    upstreams: Annotated[
        dict[str, NamedUpstream],
        BeforeValidator(tables),
        AfterValidator(names),
        Var(
            "CLAUDE_PROXY_UPSTREAMS",
            "More upstreams, by name: in the config file a table `[upstreams.NAME]` each, with "
            "`base_url`, `api_key`, `mode`, `dialect`, `profile`, `headers` and "
            "`azure_api_version`; here a JSON object of such tables.",
            "tables with base_url and, where it needs one, api_key (and mode, dialect, profile, "
            "headers, azure_api_version); an api_key is never used in mode passthrough",
            private=True,
        ),
    ] = Field(default_factory=dict, repr=False)
    fallbacks: Annotated[
        Names,
        Var(
            "CLAUDE_PROXY_FALLBACKS",
            "What is asked, in order, when the upstream fails before its first event: `MODEL`, "
            "`MODEL@UPSTREAM`, or `@UPSTREAM` for the same model there.",
            "entries like gpt-4o-mini,llama-3.3-70b@backup or a JSON array",
        ),
    ] = ()
    routes: routing.Rules = ()
    subagents: routing.Subagents = Field(default_factory=dict)
    agent_folders: routing.AgentFolders = ()
    vision_model: routing.VisionModel = None
    client_keys: routing.ClientKeys = Field(default_factory=dict, repr=False)
    max_tokens_limit: Annotated[
        Count | None,
        Var(
            "CLAUDE_PROXY_MAX_TOKENS_LIMIT",
            "Most output tokens asked of the upstream; the model's known cap if unset.",
            COUNT,
            aliases=("MAX_TOKENS_LIMIT",),
        ),
    ] = None
    min_tokens_limit: limits.MinTokens = None
    truncated_prompts: limits.TruncatedPrompts = "warn"
    token_scaling: limits.TokenScaling = False
    reasoning_memory_bytes: limits.ReasoningMemory = 16_777_216
    prompt_compression: prompts.Compression = "none"
    prompt_max_system_tokens: prompts.MaxSystemTokens = 4096
    cache_watch: caches.CacheWatch = False
    pdf: pdfs.Pdf = "native"
    pdf_max_characters: pdfs.MaxCharacters = 300_000
    search: web.Search = "auto"
    searxng_url: web.SearxngUrl = None
    brave_api_key: web.BraveKey = None
    brave_url: web.BraveUrl = web.BRAVE
    tavily_api_key: web.TavilyKey = None
    tavily_url: web.TavilyUrl = web.TAVILY
    learning: lessons.Learning = True
    learned_file: lessons.LearnedFile = None

    def search_service(self) -> web.ChosenService | None:
        """Who searches the web, if anybody. Raises `SettingsError` for a service that is named
        and not set."""
        brave, tavily = self.brave_api_key, self.tavily_api_key
        services = (
            self.searxng_url and web.ChosenService("searxng", self.searxng_url, ""),
            brave and web.ChosenService("brave", self.brave_url, brave.get_secret_value()),
            tavily and web.ChosenService("tavily", self.tavily_url, tavily.get_secret_value()),
        )
        return web.choose(self.search, [each for each in services if each])
