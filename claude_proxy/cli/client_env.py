"""The variables that bring Claude Code to the proxy, and how shells write them."""

import shlex
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from claude_proxy.codecs.jsonio import loads
from claude_proxy.model_limits import Limits, limits_by_model, within
from claude_proxy.native import native_for
from claude_proxy.profiles import limited
from claude_proxy.routing import DEFAULT
from claude_proxy.settings import Settings

_API_KEY, _LOGIN = "ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"
_ELSEWHERE = ("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY")
"""Variables that would send the client to another server."""

_TIER_VARIABLES = {
    "ANTHROPIC_DEFAULT_OPUS_MODEL": "BIG",
    "ANTHROPIC_DEFAULT_SONNET_MODEL": "MIDDLE",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL": "SMALL",
    "ANTHROPIC_SMALL_FAST_MODEL": "SMALL",
}

_COMPACT_WINDOW = (100_000, 1_000_000)
"""Tokens that CLAUDE_CODE_AUTO_COMPACT_WINDOW may have; outside of it the client ignores it."""

_NOTHING: Mapping[str, Limits] = MappingProxyType({})
_PROXIES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def removed(settings: Settings) -> tuple[str, ...]:
    """The client's variables that would send it elsewhere, or a credential that is not for the
    upstream: in passthrough mode its key is, and a login where the upstream is Anthropic."""
    if settings.fixed:
        return (_API_KEY, _LOGIN, *_ELSEWHERE)
    return _ELSEWHERE if settings.backing.anthropic else (_LOGIN, *_ELSEWHERE)


def connection(settings: Settings, url: str, token: str | None) -> dict[str, str]:
    """Where the client goes, with which token, and the real models' names.

    The client sizes its context by `CLAUDE_CODE_MAX_CONTEXT_TOKENS` only for names that do not
    start with `claude-`, so it gets the upstream's own names, which routing passes unchanged.
    Where Claude's names are the upstream's own, the client chooses among them itself.
    """
    models = settings.model_map()
    return {
        "ANTHROPIC_BASE_URL": url,
        **({"ANTHROPIC_AUTH_TOKEN": token} if token else {}),
        **{
            variable: models.tier(tier)
            for variable, tier in _TIER_VARIABLES.items()
            if tier not in models.unset
        },
    }


def _address(settings: Settings, upstream: str) -> str:
    return settings.upstream_url if upstream == DEFAULT else settings.upstreams[upstream].base_url


def _is_claudes(settings: Settings, upstream: str) -> bool:
    own = upstream == DEFAULT and settings.backing.anthropic
    return own or native_for(_address(settings, upstream)).claude


def limits(settings: Settings, listed: Mapping[str, Limits] = _NOTHING) -> dict[str, str]:
    """What the main models take, as far as known: the client assumes 200,000 and 32,000.

    `listed`: what the upstream itself says of its models, as from `ask_limits`. Of Claude's own
    models the client knows more than we do.
    """
    models, finder = settings.model_map(), settings.profile_finder()
    places = [models.place(target) for target in (models.big, models.middle)]
    if any(_is_claudes(settings, upstream) for upstream, _ in places):
        return {}
    profiles = [
        limited(
            within(
                finder.find(upstream, _address(settings, upstream), model),
                listed.get(model, Limits()),
            ),
            settings.max_tokens_limit,
        )
        for upstream, model in places
    ]
    windows = [profile.context_window for profile in profiles if profile.context_window]
    outputs = [profile.max_output_tokens for profile in profiles if profile.max_output_tokens]
    window = min(windows, default=None)
    least, most = _COMPACT_WINDOW
    values = {
        "CLAUDE_CODE_MAX_CONTEXT_TOKENS": window,
        "CLAUDE_CODE_AUTO_COMPACT_WINDOW": min(window, most)
        if window and window >= least
        else None,
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS": min(outputs, default=None),
    }
    # Otherwise the client takes its default model as `NAME[1m]`, with a window of a million
    # tokens whatever the variables say (Claude Code 2.1.329).
    known = {name: str(value) for name, value in values.items() if value}
    return {"CLAUDE_CODE_DISABLE_1M_CONTEXT": "1", **known}


def ask_limits(url: str, token: str | None, patience: float) -> dict[str, Limits]:
    """What a server of ours knows of its models; nothing if it does not answer in time."""
    headers = {"anthropic-version": "2023-06-01"}
    if token:
        headers["x-api-key"] = token
    # Our own address, of which the settings take http and https alone.
    request = urllib.request.Request(f"{url}/v1/models?limit=1000", headers=headers)  # noqa: S310
    # Loopback must not go through the user's web proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=patience) as answer:
            entries = loads(answer.read())["data"]
        return dict(limits_by_model(entries))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def child_environment(
    environ: Mapping[str, str],
    settings: Settings,
    url: str,
    token: str | None,
    listed: Mapping[str, Limits] = _NOTHING,
) -> dict[str, str]:
    """The environment of a client that `run` starts. The user's own limits win over ours."""
    gone = removed(settings)
    kept = {name: value for name, value in environ.items() if name not in gone}
    return {
        **limits(settings, listed),
        **kept,
        **_direct(environ),
        **connection(settings, url, token),
    }


def _direct(environ: Mapping[str, str]) -> dict[str, str]:
    """Loopback must not go through the user's web proxy."""
    if not any(environ.get(name) for name in _PROXIES):
        return {}
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    hosts = ",".join(filter(None, [given, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": hosts, "no_proxy": hosts}


@dataclass(frozen=True, slots=True)
class Shell:
    """How one shell sets and removes a variable and writes a remark."""

    set: Callable[[str, str], str]
    unset: Callable[[str], str]
    remark: str


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _powershell(text: str) -> str:
    # PowerShell ends a quoted text at the typographic quotes too; doubled they are plain.
    for quote in "'\u2018\u2019\u201a\u201b":
        text = text.replace(quote, quote * 2)
    return f"'{text}'"


SHELLS = {
    "sh": Shell(lambda k, v: f"export {k}={shlex.quote(v)}", lambda k: f"unset {k}", "#"),
    "fish": Shell(lambda k, v: f"set -gx {k} {_fish(v)}", lambda k: f"set -e {k}", "#"),
    "powershell": Shell(
        lambda k, v: f"$env:{k} = {_powershell(v)}",
        lambda k: f"Remove-Item Env:{k} -ErrorAction SilentlyContinue",
        "#",
    ),
    "cmd": Shell(lambda k, v: f'set "{k}={v}"', lambda k: f'set "{k}="', "rem"),
}


def script(shell: str, values: Mapping[str, str], removed: tuple[str, ...] = ()) -> str:
    """Lines that a shell can evaluate."""
    syntax = SHELLS[shell]
    lines = [*map(syntax.unset, removed), *(syntax.set(k, v) for k, v in values.items())]
    return "\n".join(lines)
