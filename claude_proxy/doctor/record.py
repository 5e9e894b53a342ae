"""Raw exchanges as files: for tests to replay, and to show to others. They hold no key."""

import json
import re
from pathlib import Path

from claude_proxy.doctor.exchange import Exchange
from claude_proxy.server.redact import Redactor
from claude_proxy.settings import SettingsError
from claude_proxy.types import Json

_SHOWN_HEADERS = frozenset(
    {"accept", "content-type", "user-agent", "date", "server", "retry-after", "x-request-id"}
    | {"anthropic-version", "anthropic-beta", "request-id"}
)
"""Others may name the account or hold cookies; only those of rates are also written."""


class Recorder:
    """Writes `NNN-MODEL-PROBE.json` for each exchange into a folder. Mutable: counts them."""

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        self._folder = folder
        self._redactor = redactor
        self._count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{folder} cannot be made: {error.strerror or error}") from None

    def keep(self, name: str, exchange: Exchange) -> None:
        self._count += 1
        sent = _json(exchange.request.body)
        model = sent.get("model", "") if isinstance(sent, dict) else ""
        words = re.findall(r"[a-z0-9]+", f"{model} {name}".lower())
        path = self._folder / f"{self._count:03}-{'-'.join(words)[:80]}.json"
        text = json.dumps(self._entry(name, exchange, sent), indent=1, ensure_ascii=False)
        try:
            # Headers of an upstream may hold any byte.
            path.write_text(f"{text}\n", "utf-8", "backslashreplace")
        except OSError as error:
            raise SettingsError(f"{path} cannot be written: {error.strerror or error}") from None

    def _entry(self, name: str, exchange: Exchange, sent: object) -> Json:
        request = exchange.request
        return {
            "probe": name,
            "request": {
                "method": request.method,
                "url": self._clean(request.url),
                "headers": self._headers(request.headers.items()),
                "body": json.loads(self._clean(json.dumps(sent))),
            },
            "response": {
                "status": exchange.status,
                "headers": self._headers(exchange.headers.items()),
                "reads": [[round(at, 4), text] for at, text in self._reads(exchange)],
            },
            "seconds": round(exchange.seconds, 4),
        }

    def _reads(self, exchange: Exchange) -> list[tuple[float, str]]:
        """The answer as it came. A key may be cut in two by reads: then they become one."""
        parts = [(at, data.decode("utf-8", "replace")) for at, data in exchange.reads]
        whole = exchange.body.decode("utf-8", "replace")
        clean = [(at, self._clean(text)) for at, text in parts]
        if "".join(text for _, text in clean) == (cleaned := self._clean(whole)):
            return clean
        return [(parts[0][0], cleaned)]

    def _headers(self, items: object) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in dict(items).items():  # type: ignore[call-overload]
            lower = name.lower()
            if lower in _SHOWN_HEADERS or lower.startswith("x-ratelimit-"):
                found[lower] = self._clean(value)
        return found

    def _clean(self, text: str) -> str:
        return self._redactor.clean_account(text)


def _json(raw: bytes) -> object:
    return json.loads(raw) if raw else None
