"""Probes and self-tests. What is open without a key shows no URL, model or key state."""

import os
import time
from datetime import UTC, datetime
from secrets import token_hex

from starlette.types import Receive, Scope, Send

from claude_proxy._version import __version__
from claude_proxy.backends.claude_cli import ClaudeCli
from claude_proxy.codecs.jsonio import Body, dumps
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.server.body import Call
from claude_proxy.server.context import Context
from claude_proxy.server.plans import make_plan
from claude_proxy.server.responses import clean_error, send_json
from claude_proxy.server.services import Services
from claude_proxy.types import Json

_STARTED = time.monotonic()

# What usually helps, by the status that the upstream's answer maps to. `{key}` and `{url}` are
# the variables of the upstream.
_HINTS = {
    400: "The upstream refused the request: check CLAUDE_PROXY_SMALL_MODEL against its models.",
    401: "The upstream refused the key: check {key}, or the key that you sent.",
    402: "The upstream wants to be paid: check the account's credit.",
    403: "The upstream forbids this: check the key's rights, and the region.",
    404: "Not found: check {url} (most end in /v1) and CLAUDE_PROXY_SMALL_MODEL.",
    429: "The upstream limits the rate or the quota: wait, or check the account's limits.",
    502: "The upstream could not be reached: check {url}, and that the server runs.",
    504: "The upstream did not answer in time: check {url}, or the network.",
}


async def root(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    body = {
        "name": "claude-proxy",
        "version": __version__,
        "endpoints": [
            "/v1/messages",
            "/v1/messages/count_tokens",
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/models",
            "/health",
            "/metrics",
            "/openapi.json",
        ],
        "usage": "Set ANTHROPIC_BASE_URL to this server's address, or OPENAI_BASE_URL to its /v1.",
    }
    await send_json(send, 200, body)


def _state(services: Services) -> Json:
    draining = services.drain.draining
    return {
        "status": "draining" if draining else "ok",
        "version": __version__,
        "pid": os.getpid(),
        "uptime_seconds": round(time.monotonic() - _STARTED, 1),
        "in_flight": services.in_flight,
        "draining": draining,
    }


async def health(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    """Readiness: load balancers stop sending new requests to a server that drains."""
    state = _state(services)
    if services.cli is not None:
        state |= await _cli_state(services.cli, services, state)
    await send_json(send, 503 if services.drain.draining else 200, state)


async def _cli_state(cli: ClaudeCli, services: Services, state: Json) -> Json:
    """The CLI's version, if it has one, and how many of its processes are at work."""
    version = await cli.version()
    about = {
        "version": version,
        "active": cli.pool.active,
        "idle": cli.pool.idle,
        "max": services.settings.cli_max_processes,
    }
    well = version is not None or state["status"] != "ok"
    return {"status": state["status"] if well else "degraded", "cli": about}


async def livez(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    """Liveness: a server that drains must not be killed for it."""
    timestamp = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    await send_json(send, 200, {**_state(services), "timestamp": timestamp})


def _hint(services: Services, status: int) -> str:
    hint = _HINTS.get(status, "See the server's log.")
    return hint.format_map(services.settings.backing._asdict())


async def test_connection(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    """One call of five tokens to the small model, through everything a real request meets."""
    body: Json = {
        "model": services.models.small,
        "max_tokens": 5,
        "messages": [{"role": "user", "content": f"Say hello. ({token_hex(2)})"}],
    }
    started = time.monotonic()
    upstream, model = services.models.place(services.models.small)
    report: Json = {"model": model, "base_url": services.upstreams[upstream].base_url}
    try:
        with services.slot():
            plan = make_plan(services, context, Call(Body(dumps(body))))
            usage = await plan.usage(services, receive)
    except ClaudeProxyError as error:
        clean = clean_error(error, services.redactor, context)
        context.note_error(error, services.redactor)
        report |= {
            "status": "error",
            "error": {"type": clean.type, "message": clean.message},
            "hint": _hint(services, clean.status),
        }
        await send_json(send, clean.status, report, clean.headers)
        return
    report |= {
        "status": "ok",
        "milliseconds": round((time.monotonic() - started) * 1000),
        "usage": usage,
    }
    await send_json(send, 200, report)
