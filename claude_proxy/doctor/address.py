"""Whether the upstream can be reached, step by step: name, connection, TLS, list of models."""

import asyncio
import difflib
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from claude_proxy.doctor.exchange import Exchange
from claude_proxy.doctor.findings import ADDRESS, KEY, Finding, Verdict
from claude_proxy.doctor.talk import Talk
from claude_proxy.errors import UpstreamError
from claude_proxy.model_limits import Limits, limits_by_model
from claude_proxy.settings import is_loopback
from claude_proxy.types import Json

_MOST_SKEW = 300  # seconds
_SHOWN = 3


class Place(NamedTuple):
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, base_url: str) -> "Place":
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname or "", port)


async def reach(base_url: str, patience: float) -> AsyncIterator[Finding]:
    """One finding for each step; ends with the first that fails."""
    place = Place.of(base_url)
    proxy = _web_proxy(place)
    if proxy:
        yield _line("web proxy", Verdict("ok", f"reached through {proxy}; not looked at directly."))
        return
    steps = (("name", _resolve), ("connection", _connect), ("TLS", _greet))
    for name, step in steps if place.scheme == "https" else steps[:2]:
        try:
            async with asyncio.timeout(patience):
                verdict = Verdict("ok", await step(place))
        except (OSError, UnicodeError) as error:
            verdict = _failure(place, error, patience)
        yield _line(name, verdict)
        if verdict.state == "failed":
            return


def _line(name: str, verdict: Verdict) -> Finding:
    return Finding(name, verdict, needed=True)


def _web_proxy(place: Place) -> str | None:
    """The environment's, without its password; none for this machine."""
    if is_loopback(place.host) or proxy_bypass(place.host):
        return None
    given = getproxies().get(place.scheme)
    return given and f"{urlsplit(given).scheme}://{urlsplit(given).netloc.rpartition('@')[2]}"


async def _resolve(place: Place) -> str:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
    return f"{place.host} is {', '.join(addresses[:_SHOWN])}{more}."


async def _connect(place: Place) -> str:
    started = time.monotonic()
    _, writer = await asyncio.open_connection(place.host, place.port)
    writer.close()
    return f"port {place.port} answers in {(time.monotonic() - started) * 1000:.0f} ms."


async def _greet(place: Place) -> str:
    context = ssl.create_default_context()
    _, writer = await asyncio.open_connection(place.host, place.port, ssl=context)
    tls = writer.get_extra_info("ssl_object")
    ends = dict(tls.getpeercert() or {}).get("notAfter", "an unknown day")
    version = tls.version()
    writer.transport.abort()
    return f"{version}, certificate good until {ends}."


def _failure(place: Place, error: Exception, patience: float) -> Verdict:
    """The name of what went wrong, and what to do."""
    where = f"{place.host}:{place.port}"
    remedy = f"Check {ADDRESS}, and that the server runs."
    if isinstance(error, ssl.SSLCertVerificationError):
        why = getattr(error, "verify_message", "") or "not trusted"
        trust = "For a certificate of your own set SSL_CERT_FILE=/path/to/ca.pem."
        return Verdict("failed", f"the certificate of {where} is refused: {why}.", trust)
    if isinstance(error, ssl.SSLError):
        plain = "If the server speaks plain HTTP, its address begins with http://."
        return Verdict("failed", f"{where} does not speak TLS ({error.reason}).", plain)
    if isinstance(error, TimeoutError):
        said = f"{where} did not answer within {patience:g} seconds."
        return Verdict("failed", said, "A firewall may drop the packets; see also --timeout.")
    if isinstance(error, socket.gaierror | UnicodeError):
        said = f"the host name {place.host} cannot be resolved."
        return Verdict("failed", said, f"Check {ADDRESS} for typing mistakes, and the DNS.")
    if isinstance(error, ConnectionRefusedError):
        return Verdict("failed", f"nothing listens on {where}.", remedy)
    why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
    return Verdict("failed", f"{where} cannot be reached: {why}.", remedy)


class Listed(NamedTuple):
    findings: tuple[Finding, ...]
    limits: dict[str, Limits]


async def listed(talk: Talk, wanted: Sequence[str], now: float) -> Listed:
    """What the upstream's list of models says of the wanted ones, and of our clock."""
    try:
        exchange = await talk.models()
    except UpstreamError as error:
        return Listed((Finding("models", Verdict("failed", error.message)),), {})
    clock = _clock(exchange, now)
    verdict, entries = _models(exchange, wanted)
    found = [Finding("models", verdict), *([Finding("clock", clock)] if clock else [])]
    limits = dict(limits_by_model(entries))
    known = [f"{model}: {_told(limits[model])}" for model in wanted if model in limits]
    if known:
        found.append(Finding("limits", Verdict("ok", f"{'; '.join(known)}.")))
    return Listed(tuple(found), limits)


def _models(exchange: Exchange, wanted: Sequence[str]) -> tuple[Verdict, list[Json]]:
    if exchange.status in (401, 403):
        said = f"the upstream refuses the key ({exchange.status})."
        return Verdict("failed", said, f"Set {KEY} to a key of this upstream."), []
    entries = _entries(exchange) if exchange.status == 200 else None
    if entries is None:
        said = f"there is no list of models (status {exchange.status}); the calls will tell."
        return Verdict("unknown", said), []
    names = [entry["id"] for entry in entries]
    missing = [model for model in wanted if model not in names]
    if not missing:
        return Verdict("ok", f"{len(names)} are listed, yours among them."), entries
    return Verdict("degraded", _not_listed(missing, names)), entries


def _not_listed(missing: Sequence[str], names: Sequence[str]) -> str:
    close = [difflib.get_close_matches(name, names, n=1, cutoff=0.6) for name in missing]
    meant = [found[0] for found in close if found] or list(names[:_SHOWN])
    there = f"; there are {', '.join(meant)}" if meant else ""
    return f"{', '.join(missing)}: not among the {len(names)} that are listed{there}."


def _entries(exchange: Exchange) -> list[Json] | None:
    try:
        body = json.loads(exchange.body)
    except ValueError:
        return None
    entries = body.get("data") if isinstance(body, dict) else None
    if not isinstance(entries, list):
        return None
    return [one for one in entries if isinstance(one, dict) and isinstance(one.get("id"), str)]


def _told(limits: Limits) -> str:
    window = f"window {limits.window:,}" if limits.window else ""
    output = f"output {limits.output:,}" if limits.output else ""
    images = {True: "sees pictures", False: "sees no pictures", None: ""}[limits.images]
    return ", ".join(part for part in (window, output, images) if part)


def _clock(exchange: Exchange, now: float) -> Verdict | None:
    """A wrong clock breaks TLS, and logs lie."""
    try:
        theirs = parsedate_to_datetime(exchange.headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return None
    skew = now - theirs
    if abs(skew) <= _MOST_SKEW:
        return Verdict("ok", "agrees with the upstream's.")
    way = "ahead of" if skew > 0 else "behind"
    return Verdict("degraded", f"{abs(skew):.0f} seconds {way} the upstream's.", "Set the clock.")
