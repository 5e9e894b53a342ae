"""What the settings accept, how values are read, and which source wins."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from claude_proxy import routing
from claude_proxy.settings import Settings, SettingsError, is_loopback, load_settings, variables
from claude_proxy.settings.rates import parse_rate


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(**environ: str) -> Settings:
    return load_settings(environ=environ)


NETWORKS = ("::1", "10.0.0.0/8")
VALUES = [
    # why, variable, text, attribute, value
    ("a number", "CLAUDE_PROXY_PORT", "9000", "port", 9000),
    ("spaces around", "CLAUDE_PROXY_PORT", " 9000 ", "port", 9000),
    ("an empty text is unset", "CLAUDE_PROXY_PORT", "", "port", 8085),
    ("a blank text is unset", "CLAUDE_PROXY_HOST", "  ", "host", None),
    ("seconds", "CLAUDE_PROXY_REQUEST_TIMEOUT", "0.5", "request_timeout", 0.5),
    ("no waiting", "CLAUDE_PROXY_HOLD_SECONDS", "0", "hold_seconds", 0.0),
    ("truth as words", "CLAUDE_PROXY_ACCESS_LOG", "off", "access_log", False),
    ("truth as numbers", "CLAUDE_PROXY_TRUST_PROXY", "1", "trust_proxy", True),
    ("levels in any case", "CLAUDE_PROXY_LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ("the short warning", "CLAUDE_PROXY_LOG_LEVEL", "warn", "log_level", "WARNING"),
    ("choices in any case", "CLAUDE_PROXY_MODE", "Passthrough", "mode", "passthrough"),
    ("names by comma", "CLAUDE_PROXY_CORS_ORIGINS", "a, b,", "cors_origins", ("a", "b")),
    ("names as JSON", "CLAUDE_PROXY_ALLOWED_HOSTS", '["a","b"]', "allowed_hosts", ("a", "b")),
    (
        "only the first colon splits",
        "CLAUDE_PROXY_MODELS",
        "claude-*:qwen3:8b, x:y",
        "models",
        {"claude-*": "qwen3:8b", "x": "y"},
    ),
    ("aliases", "CLAUDE_PROXY_MODEL_ALIASES", "gpt-*:opus", "model_aliases", {"gpt-*": "opus"}),
    ("a map as JSON", "CLAUDE_PROXY_MODELS", '{"a:b": "c"}', "models", {"a:b": "c"}),
    ("no slash at the end", "OPENAI_BASE_URL", "http://h/v1/", "openai_base_url", "http://h/v1"),
    (
        "a pasted call path",
        "OPENAI_BASE_URL",
        "HTTPS://h:8/v1/chat/completions/",
        "openai_base_url",
        "https://h:8/v1",
    ),
    ("IPv6", "OPENAI_BASE_URL", "http://[::1]:8/v1", "openai_base_url", "http://[::1]:8/v1"),
    ("no path", "OPENAI_BASE_URL", "http://localhost", "openai_base_url", "http://localhost"),
    ("a key loses its line break", "OPENAI_API_KEY", "k\n", "openai_api_key", SecretStr("k")),
    ("this memory", "CLAUDE_PROXY_RATE_LIMIT_STORAGE", "memory://", "rate_limit_storage", None),
    ("networks", "CLAUDE_PROXY_TRUSTED_PROXIES", "::1,10.0.0.0/8", "trusted_proxies", NETWORKS),
    ("a header", "CUSTOM_HEADER_X_API_ID", "7", "custom_headers", {"X-API-ID": "7"}),
]


@pytest.mark.parametrize(
    ("why", "variable", "text", "attribute", "value"), VALUES, ids=[row[0] for row in VALUES]
)
def test_values(why: str, variable: str, text: str, attribute: str, value: object) -> None:
    assert getattr(load(**{variable: text}), attribute) == value


WRONG = [
    # variable, text, what the message says
    ("CLAUDE_PROXY_PORT", "0", "must be a whole number from 1 to 65535, not '0'"),
    ("CLAUDE_PROXY_PORT", "web", "must be a whole number from 1 to 65535, not 'web'"),
    ("CLAUDE_PROXY_MODE", "both", "must be auto, fixed or passthrough, not 'both'"),
    ("CLAUDE_PROXY_REQUEST_TIMEOUT", "0", "must be a number of seconds above 0"),
    ("CLAUDE_PROXY_REQUEST_TIMEOUT", "nan", "must be a number of seconds above 0"),
    ("CLAUDE_PROXY_DRAIN_SECONDS", "-1", "must be a number of seconds, 0 or more"),
    ("CLAUDE_PROXY_MAX_BODY_BYTES", "1.5", "must be a whole number, 1 or more"),
    ("CLAUDE_PROXY_MAX_TOKENS_LIMIT", "0", "must be a whole number, 1 or more"),
    ("CLAUDE_PROXY_ACCESS_LOG", "maybe", "must be true or false"),
    ("CLAUDE_PROXY_TRANSPORT", "curl", "must be aiohttp or httpx"),
    ("CLAUDE_PROXY_LOG_LEVEL", "loud", "must be DEBUG, INFO, WARNING, ERROR or CRITICAL"),
    ("CLAUDE_PROXY_RATE_LIMIT_PER_KEY", "60", "must be a rate like 60/minute"),
    ("CLAUDE_PROXY_RATE_LIMIT_PER_KEY", "60/fortnight", "must be a rate like 60/minute"),
    ("CLAUDE_PROXY_RATE_LIMIT_PER_KEY", "0/minute", "must allow at least 1 request"),
    ("CLAUDE_PROXY_RATE_LIMIT_PER_ADDRESS", "9/32 days", "in 1 second to 31 days"),
    ("CLAUDE_PROXY_RATE_LIMIT_STORAGE", "postgres://h", "must be memory:// or an address like"),
    ("CLAUDE_PROXY_RATE_LIMIT_STORAGE", "redis://h:port", "must be memory:// or an address like"),
    ("CLAUDE_PROXY_RATE_LIMIT_STORAGE", "redis://[h", "must be memory:// or an address like"),
    ("CLAUDE_PROXY_TRUSTED_PROXIES", "10.0.0.0/8,proxy", "must be addresses like 10.0.0.1"),
    ("CLAUDE_PROXY_MODELS", "a", "must be pairs like glob:model"),
    ("CLAUDE_PROXY_MODELS", "a:", "must be pairs like glob:model"),
    ("CLAUDE_PROXY_MODELS", '{"a"', "is not a JSON object of names"),
    ("CLAUDE_PROXY_MODELS", '{"a": []}', "must be pairs like glob:model"),
    ("CLAUDE_PROXY_CORS_ORIGINS", "[1,", "is not a JSON array of names"),
    ("CLAUDE_PROXY_CORS_ORIGINS", "[{}]", "must be origins like"),
    ("OPENAI_BASE_URL", "ftp://h", "must be an address like https://api.openai.com/v1"),
    ("OPENAI_BASE_URL", "h:8000/v1", "must be an address like https://api.openai.com/v1"),
    ("OPENAI_BASE_URL", "http://h:x/v1", "has a port that is not a number"),
    ("OPENAI_BASE_URL", "http://h/v1?a=b", "must have no query"),
    ("OPENAI_BASE_URL", "http://me:pw@h/v1", "must not hold a user name or password"),
    ("OPENAI_BASE_URL", "http://[::1/v1", "must be an address like https://api.openai.com/v1"),
    ("OPENAI_API_KEY", "sk-gehéim", "must be printable ASCII without line breaks"),
    ("OPENAI_API_KEY", "a\nb", "must be printable ASCII without line breaks"),
    ("CUSTOM_HEADER_HOST", "x", "the header HOST is set by the proxy itself"),
    ("CUSTOM_HEADER_A B", "x", "is not a header name"),
    ("CUSTOM_HEADER_A", "x\r\ny", "the value of the header A must be printable ASCII"),
]


@pytest.mark.parametrize(("variable", "text", "says"), WRONG)
def test_wrong_values_name_the_variable_and_what_is_allowed(
    variable: str, text: str, says: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**{variable: text})
    name = "CUSTOM_HEADER_*" if variable.startswith("CUSTOM_HEADER_") else variable
    assert caught.value.message.startswith(f"{name} (environment {name}): ")
    assert says in caught.value.message


@pytest.mark.parametrize(
    "environ",
    [
        {"OPENAI_API_KEY": "sk-gehéim"},
        {"OPENAI_BASE_URL": "http://me:gehéim@h/v1"},
        {"CLAUDE_PROXY_AUTH_KEY": "gehéim"},
        {"CUSTOM_HEADER_AUTHORIZATION": "gehéim"},
    ],
)
def test_messages_never_show_a_secret(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**environ)
    assert "gehéim" not in caught.value.message
    assert caught.value.__cause__ is None


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(SettingsError) as caught:
        load(CLAUDE_PROXY_PORT="9" * 5000)
    assert len(caught.value.message) < 200


def test_all_wrong_values_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load(CLAUDE_PROXY_PORT="x", CLAUDE_PROXY_WORKERS="x")
    assert len(caught.value.message.splitlines()) == 2


def test_secrets_do_not_show_in_the_repr() -> None:
    settings = load(OPENAI_API_KEY="sk-abc", CUSTOM_HEADER_AUTHORIZATION="Basic abc")
    assert "abc" not in repr(settings)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(prot=1)  # type: ignore[call-arg]


def test_every_field_has_its_line() -> None:
    own = set(Settings.model_fields) - {"sources", "warnings"}
    assert set(variables()) == own
    assert all(var.help.endswith(".") for var in variables().values())


def test_names_are_unique() -> None:
    names = [name for var in variables().values() for name in (var.name, *var.aliases)]
    assert len(names) == len(set(names))


ALIASES = [(alias, a) for a, var in variables().items() for alias in var.aliases]
SAMPLES = {
    "port": ("1", "2"),
    "max_tokens_limit": ("1", "2"),
    "min_tokens_limit": ("1", "2"),
    "request_timeout": ("1", "2"),
    "first_byte_timeout": ("1", "2"),
    "cli_line_timeout": ("1", "2"),
    "cli_timeout": ("1", "2"),
    "trust_proxy": ("true", "false"),
    "subagents": ("a:b", "a:c"),
    "log_level": ("DEBUG", "ERROR"),
    "prompt_compression": ("compact", "summarize"),
    "prompt_max_system_tokens": ("1", "2"),
}
"""Two values for fields that do not take any text."""


@pytest.mark.parametrize(("alias", "attribute"), ALIASES)
def test_aliases_set_the_same_and_the_canonical_name_wins(alias: str, attribute: str) -> None:
    canonical = variables()[attribute].name
    first, second = SAMPLES.get(attribute, ("a", "b"))
    assert getattr(load(**{alias: first}), attribute) == getattr(
        load(**{canonical: first}), attribute
    )
    assert getattr(load(**{alias: first, canonical: second}), attribute) == getattr(
        load(**{canonical: second}), attribute
    )


MODES = [
    # mode, key, fixed
    ("auto", "k", True),
    ("auto", "", False),
    ("fixed", "k", True),
    ("passthrough", "k", False),
    ("passthrough", "", False),
]


@pytest.mark.parametrize(("mode", "key", "fixed"), MODES)
def test_modes(mode: str, key: str, fixed: bool) -> None:
    assert load(CLAUDE_PROXY_MODE=mode, OPENAI_API_KEY=key).fixed is fixed


def test_fixed_mode_needs_a_key() -> None:
    with pytest.raises(SettingsError, match="set OPENAI_API_KEY"):
        load(CLAUDE_PROXY_MODE="fixed")


OWN_KEY = {"ANTHROPIC_API_KEY": "sk-ant-k"}


@pytest.mark.parametrize(
    ("environ", "fixed"),
    [
        (OWN_KEY, True),
        ({"OPENAI_API_KEY": "k"}, False),
        ({**OWN_KEY, "CLAUDE_PROXY_MODE": "passthrough"}, False),
        ({}, False),
    ],
)
def test_anthropics_key_is_that_of_its_backend(environ: dict[str, str], fixed: bool) -> None:
    settings = load(CLAUDE_PROXY_BACKEND="Anthropic", **environ)
    assert (settings.fixed, settings.dialect) == (fixed, "messages")
    assert settings.upstream_url == "https://api.anthropic.com"


def test_anthropics_key_means_nothing_to_other_backends() -> None:
    assert not load(**OWN_KEY).fixed


def test_the_forward_url_is_anthropics_address() -> None:
    environ = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_FORWARD_URL": "http://gw:1/base/"}
    settings = load(**environ, ANTHROPIC_BASE_URL="http://a-clients-variable")
    assert settings.upstream_url == "http://gw:1/base" and settings.warnings == ()
    assert settings.model_map().unset == {"BIG", "MIDDLE", "SMALL"}


def test_an_address_of_another_backend_is_told_to_mean_nothing() -> None:
    (said,) = load(CLAUDE_PROXY_BACKEND="anthropic", OPENAI_BASE_URL="http://h/v1").warnings
    assert "OPENAI_BASE_URL has no effect" in said and "ANTHROPIC_FORWARD_URL" in said
    (said,) = load(ANTHROPIC_FORWARD_URL="http://h").warnings
    assert "ANTHROPIC_FORWARD_URL has no effect" in said


def test_anthropic_speaks_messages_alone() -> None:
    with pytest.raises(SettingsError, match="which speaks messages"):
        load(CLAUDE_PROXY_BACKEND="anthropic", CLAUDE_PROXY_UPSTREAM_DIALECT="chat")


def test_fixed_mode_needs_anthropics_key() -> None:
    with pytest.raises(SettingsError, match="set ANTHROPIC_API_KEY"):
        load(CLAUDE_PROXY_BACKEND="anthropic", CLAUDE_PROXY_MODE="fixed")


BINDS = [
    # why, environ, address, part of the reason
    ("passthrough", {}, "0.0.0.0", "its own key"),
    ("fixed", {"OPENAI_API_KEY": "k"}, "127.0.0.1", "without CLAUDE_PROXY_AUTH_KEY"),
    ("clients are checked", {"OPENAI_API_KEY": "k", "CLAUDE_PROXY_AUTH_KEY": "a"}, "0.0.0.0", "AU"),
    ("loopback", {"OPENAI_API_KEY": "k", "HOST": "127.0.0.9"}, "127.0.0.9", "only from this"),
    ("by name", {"OPENAI_API_KEY": "k", "HOST": "localhost"}, "localhost", "only from this"),
    ("own keys", {"HOST": "0.0.0.0"}, "0.0.0.0", "its own key"),
    (
        "Anthropic's key",
        {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_API_KEY": "k"},
        "127.0.0.1",
        "without CLAUDE_PROXY_AUTH_KEY",
    ),
    (
        "public with a check",
        {"OPENAI_API_KEY": "k", "HOST": "10.0.0.1", "CLAUDE_PROXY_AUTH_KEY": "a"},
        "10.0.0.1",
        "clients need",
    ),
    (
        "a proxy checks",
        {"OPENAI_API_KEY": "k", "HOST": "::", "TRUST_PROXY": "true"},
        "::",
        "in front",
    ),
]


@pytest.mark.fault("bind")
@pytest.mark.parametrize(("why", "environ", "address", "says"), BINDS)
def test_bind(why: str, environ: dict[str, str], address: str, says: str) -> None:
    host, reason = load(**environ).bind()
    assert host == address
    assert says in reason


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "proxy.example"])
def test_a_public_address_does_not_lend_the_key(host: str) -> None:
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_AUTH_KEY"):
        load(OPENAI_API_KEY="k", CLAUDE_PROXY_HOST=host).bind()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("LOCALHOST", True),
        ("a.localhost", True),
        ("::ffff:10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_the_model_map_is_what_routing_needs() -> None:
    settings = load(BIG_MODEL="b", CLAUDE_PROXY_MODELS="x:y", CLAUDE_PROXY_UNKNOWN_MODEL="reject")
    models = settings.model_map()
    assert (models.big, models.middle, models.small) == ("b", "b", "gpt-4o-mini")
    assert (models.globs, models.reject_unknown) == ((("x", "y"),), True)


def test_openai_s_names_have_aliases_where_the_upstream_is_claude() -> None:
    own = {"CLAUDE_PROXY_MODEL_ALIASES": "gpt-5*:haiku"}
    there = load(OPENAI_BASE_URL="https://api.anthropic.com/v1", **own).model_map()
    assert there.aliases == (("gpt-5*", "haiku"), *routing.ALIASES)
    assert load(**own).model_map().aliases == (("gpt-5*", "haiku"),)


WARNINGS = [
    ({"CLAUDE_PROXY_PROT": "1"}, "did you mean CLAUDE_PROXY_PORT?"),
    ({"CLAUDE_PROXY_ZZZ": "1"}, "CLAUDE_PROXY_ZZZ (environment) is not a setting."),
    ({"CLAUDE_PROXY_AUTH_KEY": "a"}, "CLAUDE_PROXY_AUTH_KEY guards only /metrics"),
    (
        {"OPENAI_API_KEY": "k", "CLAUDE_PROXY_MODE": "passthrough"},
        "OPENAI_API_KEY is ignored",
    ),
]


@pytest.mark.parametrize(("environ", "says"), WARNINGS)
def test_warnings(environ: dict[str, str], says: str) -> None:
    (warning,) = load(**environ).warnings
    assert says in warning


def test_known_names_give_no_warning() -> None:
    assert load(CLAUDE_PROXY_PORT="1", CLAUDE_PROXY_LOG_FORMAT="json", BIG_MODEL="x").warnings == ()


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60/minute", (60, 60)),
        ("1000/Hour", (1000, 3600)),
        ("5 / 10 seconds", (5, 10)),
        ("9/31days", (9, 31 * 86_400)),
    ],
)
def test_rates(text: str, rate: tuple[int, int]) -> None:
    assert load(CLAUDE_PROXY_RATE_LIMIT_PER_KEY=text).rate_limit_per_key == text
    assert parse_rate(text) == rate


KEYS = {"CLAUDE_PROXY_TAVILY_API_KEY": "tvly-1", "BRAVE_API_KEY": "BSA-1"}
SEARXNG = {"CLAUDE_PROXY_SEARXNG_URL": "http://localhost:8888/search/"}


@pytest.mark.parametrize(
    ("environ", "chosen"),
    [
        ({}, None),
        (KEYS, ("brave", "https://api.search.brave.com/res/v1", "BSA-1")),
        ({**KEYS, **SEARXNG}, ("searxng", "http://localhost:8888", "")),
        ({**KEYS, "CLAUDE_PROXY_SEARCH": "Tavily"}, ("tavily", "https://api.tavily.com", "tvly-1")),
        ({**KEYS, "CLAUDE_PROXY_SEARCH": "none"}, None),
    ],
)
def test_who_searches_the_web(environ: dict[str, str], chosen: tuple[str, str, str] | None) -> None:
    assert load(**environ).search_service() == chosen


def test_a_search_service_that_is_named_has_to_be_set() -> None:
    with pytest.raises(SettingsError, match="set CLAUDE_PROXY_BRAVE_API_KEY"):
        load(CLAUDE_PROXY_SEARCH="brave", **SEARXNG)
