"""What the server says when it starts, and whether its upstream answers."""

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from shutil import which
from urllib.parse import urlsplit

from claude_proxy import __version__
from claude_proxy.cli.common import url
from claude_proxy.native import messages_base, only_messages
from claude_proxy.routing import TIERS, ModelMap
from claude_proxy.settings import Settings, is_loopback

_PATIENCE = 3.0  # seconds


def banner(settings: Settings, port: int) -> Iterator[str]:
    """Lines for the terminal: mode, upstream, tiers, address, how to connect, warnings.

    Raises `SettingsError` when the address is not safe.
    """
    host, why = settings.bind()
    models = settings.model_map()
    yield f"claude-proxy {__version__}"
    yield f"  mode      {_mode(settings)}"
    yield f"  upstream  {_upstream(settings)}{_azure(settings)}{_direct(settings)}"
    yield f"  models    {_models(models)}"
    if routing := ", ".join(_routing(settings)):
        yield f"  routing   {routing}"
    yield f"  listens   {host}:{port} ({why})"
    yield "Connect Claude Code:"
    yield f"  export ANTHROPIC_BASE_URL={url(host, port)}"
    yield f"  {_client_key(settings)}"
    for warning in settings.warnings:
        yield f"Warning: {warning}"


def _routing(settings: Settings) -> Iterator[str]:
    """What there is beside the default upstream and the tiers."""
    counted = {"rule": len(settings.routes), "agent": len(settings.subagents)}
    for word, count in counted.items():
        if count:
            yield f"{count} {word}{'s' if count > 1 else ''}"
    if settings.upstreams:
        yield f"more upstreams: {', '.join(settings.upstreams)}"


def _mode(settings: Settings) -> str:
    if settings.backing.address:
        return "fixed: the login of the server's own CLI is used for all clients"
    why = "" if settings.mode != "auto" else _automatic(settings)
    if settings.fixed:
        return f"fixed: the server's key is used for all clients{why}"
    return f"passthrough: each client's key goes to the upstream{why}"


def _automatic(settings: Settings) -> str:
    return f" (auto: {settings.backing.key} is {'set' if settings.fixed else 'not set'})"


def _upstream(settings: Settings) -> str:
    if settings.backing.address:
        return f"{settings.cli_command}, the Claude Code CLI of this machine, with its own login"
    return settings.upstream_url


def _azure(settings: Settings) -> str:
    version = settings.azure_api_version
    return f" (Azure, api-version {version})" if version else ""


def _direct(settings: Settings) -> str:
    choice, base_url = settings.dialect, settings.upstream_url
    if not only_messages(choice, base_url):
        return ""
    return f" (Messages, without translation: {messages_base(base_url)}/v1/messages)"


def _models(models: ModelMap) -> str:
    tiers = {
        word: "itself" if tier in models.unset else models.tier(tier)
        for word, tier in TIERS.items()
    }
    return ", ".join(f"{word} -> {model}" for word, model in tiers.items())


def _client_key(settings: Settings) -> str:
    if settings.fixed:
        key = "'<CLAUDE_PROXY_AUTH_KEY>'" if settings.auth_key else "anything"
    elif settings.backing.anthropic:
        return "(its login or key at Anthropic is passed on)"
    else:
        key = "'<your key for the upstream>'"
    return f"export ANTHROPIC_API_KEY={key}"


def check_upstream(settings: Settings, warn: Callable[[str], None]) -> threading.Thread:
    """Warns when the upstream does not answer; never in the way of the start."""

    def check() -> None:
        if settings.runs_cli and which(settings.cli_command) is None:
            warn(f"Warning: CLAUDE_PROXY_CLI_COMMAND: there is no program {settings.cli_command}.")
        if settings.backing.address:
            return
        problem = upstream_problem(settings.upstream_url)
        if problem:
            warn(f"Warning: {settings.upstream_url} does not answer: {problem}")

    thread = threading.Thread(target=check, name="upstream-check", daemon=True)
    thread.start()
    return thread


def upstream_problem(base_url: str, patience: float = _PATIENCE) -> str | None:
    """Why an address does not answer within `patience` seconds; None when it does.

    Any HTTP status is an answer: no key is sent, so most upstreams say 401.
    """
    agent = {"user-agent": f"claude-proxy/{__version__}"}
    # The settings take http and https alone.
    request = urllib.request.Request(f"{base_url}/models", headers=agent)  # noqa: S310
    local = is_loopback(urlsplit(base_url).hostname or "")
    # A web proxy of the environment could not reach this machine.
    proxies = urllib.request.ProxyHandler({} if local else None)
    try:
        urllib.request.build_opener(proxies).open(request, timeout=patience).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except urllib.error.URLError as error:
        reason = error.reason
        return (reason.strerror or str(reason)) if isinstance(reason, OSError) else str(reason)
    except (OSError, ValueError) as error:
        return str(error)
    return None
