"""A client's request for an upstream of the same language: only what must be is changed."""

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.retarget import whole_number
from claude_proxy.profiles import Profile
from claude_proxy.types import Json

_LIMITS = ("max_completion_tokens", "max_tokens")
"""Of two the first one counts, as in `decode_request`."""


def retarget(body: Json, /, *, model: str, profile: Profile, on_drop: OnDrop = ignore_drop) -> Json:
    """The body for `model` at an upstream that the profile describes.

    The model's name changes; the limit gets the name that the upstream takes, and is lowered to
    what the model can do; fields that the upstream has refused are left out. All else stays as
    the client sent it, in its order.
    """
    changed: Json = {}
    for name, value in body.items():
        if name in _LIMITS:
            changed |= _limit(name, body, profile, on_drop)
        elif name in profile.without:
            on_drop(name, f"{name} is not accepted by this model")
        else:
            changed[name] = model if name == "model" else value
    return changed


def _limit(name: str, body: Json, profile: Profile, on_drop: OnDrop) -> Json:
    value = body[name]
    if name == "max_tokens" and body.get("max_completion_tokens") is not None:
        if value not in (None, body["max_completion_tokens"]):
            on_drop(name, "max_completion_tokens is used")
        return {}
    if value is None:
        # Which means the same everywhere, so nothing has to change for it.
        kept = name == profile.max_tokens_field and not any(body.get(limit) for limit in _LIMITS)
        return {name: None} if kept else {}
    # A careful guess about an unknown model must not override what the client knows.
    most = None if profile.cap_assumed else profile.max_output_tokens
    asked = whole_number(value)
    if asked is not None and most is not None and asked > most:
        on_drop(name, f"clamped to {most}")
        asked = most
    return {profile.max_tokens_field: value if asked is None else asked}
