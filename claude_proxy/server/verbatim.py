"""What passes by as it is around a body: headers of both sides, and the query."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import quote

from claude_proxy.backends import WireResponse
from claude_proxy.codecs import OnDrop
from claude_proxy.codecs.retarget import kept_betas
from claude_proxy.native import Native
from claude_proxy.server.body import Call
from claude_proxy.server.passages import Passage
from claude_proxy.server.reading import is_json
from claude_proxy.server.redact import Redactor
from claude_proxy.server.upstream import Upstream

_KEPT_BACK = frozenset({b"anthropic-dangerous-direct-browser-access"})
_MAX_PASSED, _MAX_PASSED_VALUE = 64, 1024
_MAX_TYPE = 256
_QUERY_SAFE = "!$%&'()*+,-./:;=?@_~"


def anthropic_headers(
    call: Call, upstream: Upstream, native: Native, on_drop: OnDrop
) -> dict[str, str]:
    """The client's own, verbatim: an open list, so none is looked for by its name."""
    found: dict[str, str] = {}
    for raw_name, raw_value in call.headers:
        if not _goes_on(raw_name, native.client_headers):
            continue
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").strip()
        if not (value.isascii() and value.isprintable() and upstream.may_get(value)):
            on_drop(name, "must not leave, or is not printable ASCII")
            continue
        found[name] = f"{found[name]},{value}" if name in found else value
    if native.drop_betas and "anthropic-beta" in found:
        betas = kept_betas(found.pop("anthropic-beta"), native, on_drop)
        found |= {"anthropic-beta": betas} if betas else {}
    return {"anthropic-version": upstream.version, **found}


@lru_cache(maxsize=512)
def _goes_on(raw_name: bytes, more: Sequence[str]) -> bool:
    if raw_name.startswith(b"anthropic-"):
        return raw_name not in _KEPT_BACK
    name = raw_name.decode("latin-1")
    return any(fnmatchcase(name, glob) for glob in more)


def passed_query(raw: bytes, upstream: Upstream, on_drop: OnDrop) -> str:
    """`?beta=true` and whatever else the client asked with."""
    text = _quoted(raw) if raw else ""
    if not upstream.may_get(text):
        on_drop("query", "must not leave")
        return ""
    return text


@lru_cache(maxsize=64)
def _quoted(query: bytes) -> str:
    return quote(query, safe=_QUERY_SAFE)


def passed_headers(
    response: WireResponse, passage: Passage, redactor: Redactor, keys: Sequence[str]
) -> dict[str, str]:
    """The upstream's headers that mean something to clients, by lower-case names; none with one
    of the client's `keys` or of ours."""
    passed: dict[str, str] = {}
    for name, value in response.headers.items():
        lower = name.lower()
        if lower not in passage.header_names and not lower.startswith(passage.header_starts):
            continue
        if len(passed) < _MAX_PASSED and len(value) <= _MAX_PASSED_VALUE:
            if may_be_shown(value, redactor, keys):
                passed[lower] = value
    return passed


def passed_type(response: WireResponse, redactor: Redactor, keys: Sequence[str]) -> str:
    """The content type of a whole answer, which is JSON whatever the upstream calls it."""
    kind = response.headers.get("content-type", "")
    fine = is_json(response) and len(kind) <= _MAX_TYPE and may_be_shown(kind, redactor, keys)
    return kind if fine else "application/json"


def may_be_shown(value: str, redactor: Redactor, keys: Sequence[str]) -> bool:
    return value.isascii() and value.isprintable() and not redactor.knows(value, *keys)
