"""What a provider wants back with the next turn, carried in a thinking block's signature.

Encrypted reasoning, signatures of calls and structured details have no place in a Messages answer
but one: the `signature` of a thinking block, which clients keep and send back unchanged. Ours is

    cpx1:PROFILE              our own block, nothing carried
    cpx1:PROFILE:DATA:MAC     DATA is JSON, MAC its authentication, both in base64url

The MAC covers the profile's family, the upstream's model and the data. So what comes back for
another model, for another user's key, or changed, is known as such and left out; no server has to
keep anything, and every replica with the same secret can read it.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Literal

from claude_proxy.codecs.jsonio import dumps, loads
from claude_proxy.types import Json

MARK = "cpx1:"
MOST_DATA = 192 << 10
"""Bytes of JSON. A turn's encrypted reasoning has some ten thousand, and clients send every
signature back with every request."""
_MAC_BYTES = 16
_LABEL = b"claude-proxy carried reasoning v1"

Origin = Literal["unsigned", "own", "stale", "foreign"]
"""Whose thinking block it is: without a signature; ours for this model; ours, but not to be used
(of another model or key, or damaged); somebody else's."""


def derive_key(secret: str) -> bytes:
    """The key for `Seal` from a credential, which it does not reveal."""
    return hmac.digest(_LABEL, secret.encode("utf-8", "surrogatepass"), "sha256")


_NO_KEY = derive_key("")


def is_ours(signature: str) -> bool:
    """Whether this project made the signature, whatever it carries."""
    return signature.startswith(MARK)


@dataclass(frozen=True, slots=True)
class Seal:
    """Makes and reads the signatures of one upstream model's thinking blocks."""

    key: bytes
    """From `derive_key`."""
    profile: str
    """The name of the profile, without a colon; its family is what stands before the slash."""
    model: str
    """The upstream's name of the model."""

    @classmethod
    def plain(cls, profile: str) -> "Seal":
        """For callers who have no secret: what was changed is noticed, what was forged is not."""
        return cls(_NO_KEY, profile, "")

    def sign(self, data: Json | None = None) -> str:
        """The signature of a block that carries `data`, or of one that carries nothing.

        Data that is too large is not carried: `read` gives `{"too_large": bytes}` instead.
        """
        mark = MARK + self.profile
        if not data:
            return mark
        raw = dumps(data)
        if len(raw) <= MOST_DATA:
            text = _text(raw)
            return f"{mark}:{text}:{self._mac(text)}"
        return self.sign({"too_large": len(raw)})

    def read(self, signature: str) -> tuple[Origin, Json]:
        """Whose block it is, and what it carries: nothing unless it is our own."""
        if not signature:
            return "unsigned", {}
        if not is_ours(signature):
            return "foreign", {}
        profile, _, carried = signature.removeprefix(MARK).partition(":")
        if _family(profile) != _family(self.profile):
            return "stale", {}
        if not carried:
            return "own", {}
        text, _, mac = carried.partition(":")
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(text).encode()):
            return "stale", {}
        return "own", _data(text)

    def _mac(self, text: str) -> str:
        parts = (_family(self.profile), self.model, text)
        covered = "\0".join(parts).encode("utf-8", "surrogatepass")
        return _text(hmac.digest(self.key, covered, "sha256")[:_MAC_BYTES])


def _family(profile: str) -> str:
    """`openai` of `openai/gpt-5`: a corrected or limited profile of a model has another name."""
    return profile.partition("/")[0]


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _data(text: str) -> Json:
    """What `sign` wrote: authentic, so it can be read."""
    data: Json = loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return data
