"""Which conversation a request belongs to, as a key that upstreams may see.

An upstream that gets the same key with every request of a session sends them to the machine that
has the session's prompt in its cache. Subagents share the session's key: OpenAI tells requests
apart by key and start of the prompt together, so theirs do not mix with the main conversation's,
and subagents of one kind, or forks with the whole history, do find what was computed before.
Source: https://developers.openai.com/api/docs/guides/prompt-caching (seen 2026-11).
"""

import re
from functools import lru_cache
from hashlib import sha256

from claude_proxy.codecs.jsonio import loads
from claude_proxy.types import Json

KEY_LENGTH = 32
"""OpenAI takes up to 64 characters."""

_MARK = "_session_"
_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
_LONGEST = 4096


def session_key(body: Json, told: str = "") -> str | None:
    """The key of a request's session; None if none is known, never a random one.

    `told` is the session's id where the client tells it beside the request; else it is read from
    `metadata.user_id`, as Claude Code writes it.
    """
    user = (body.get("metadata") or {}).get("user_id") or ""
    return _key(told, user if len(user) <= _LONGEST else "")


@lru_cache(maxsize=1024)
def _key(told: str, user: str) -> str | None:
    session = told or _session_of(user)
    if not session:
        return None
    return sha256(f"session:{session}".encode("utf-8", "surrogatepass")).hexdigest()[:KEY_LENGTH]


def _session_of(user: str) -> str:
    """Newer clients write a JSON object, older ones `user_…_account_…_session_ID`."""
    _, marked, older = user.rpartition(_MARK)
    if marked and _ID.fullmatch(older):
        return older
    try:
        session = loads(user)["session_id"]
    except (ValueError, TypeError, KeyError):
        return ""
    return session if isinstance(session, str) else ""
