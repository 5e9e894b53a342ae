"""Windows and output caps of models: what upstreams say of them, and what they leave room for.

Every server names these differently, and most name none. Pure: entries of a model list in,
changed profiles and requests out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from claude_proxy.codecs import OnDrop
from claude_proxy.profiles import Profile
from claude_proxy.tokens import estimate_text, measure
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest, Usage

_Path = tuple[str, ...]

WINDOW_FIELDS: tuple[_Path, ...] = (
    ("loaded_context_length",),  # LM Studio: what the loaded model really has
    ("top_provider", "context_length"),  # OpenRouter: of whoever serves it
    ("context_length",),  # OpenRouter, Together, Fireworks, Moonshot
    ("max_model_len",),  # vLLM, SGLang
    ("meta", "n_ctx"),  # llama.cpp: what it was started with
    ("max_context_length",),  # Mistral, LM Studio
    ("context_window",),  # Groq
    ("max_input_tokens",),  # Anthropic
    ("inputTokenLimit",),  # Gemini
    ("meta", "n_ctx_train"),  # llama.cpp, where n_ctx is missing
)
"""Where the context window may stand, the most exact first."""
OUTPUT_FIELDS: tuple[_Path, ...] = (
    ("top_provider", "max_completion_tokens"),
    ("max_completion_tokens",),
    ("max_output_tokens",),
    ("outputTokenLimit",),
    ("max_tokens",),
)
IMAGE_FIELDS: tuple[_Path, ...] = (
    ("supports_image_in",),  # Moonshot
    ("supports_image_input",),  # Fireworks
    ("capabilities", "vision"),  # Mistral
)
_MODALITIES: tuple[_Path, ...] = (("architecture", "input_modalities"), ("input_modalities",))
_MOST = 100_000_000
"""Larger numbers are no token counts."""


class Limits(NamedTuple):
    """Of one model; None where nothing is known."""

    window: int | None = None
    """Tokens of prompt and answer together."""
    output: int | None = None
    """Most tokens of one answer."""
    images: bool | None = None


def limits_of(entry: Json) -> Limits:
    """What one entry of a model list says; whatever is not usable is left out."""
    window = next(_counts(entry, WINDOW_FIELDS), None)
    output = next(_counts(entry, OUTPUT_FIELDS), None)
    if window is not None and output is not None and output >= window:
        output = None  # The window once more: no limit of answers.
    return Limits(window, output, _images(entry))


def limits_by_model(entries: list[Json]) -> Mapping[str, Limits]:
    """Model → what its entry says, for the entries that say anything."""
    found = {entry["id"]: limits_of(entry) for entry in entries if isinstance(entry.get("id"), str)}
    return {model: limits for model, limits in found.items() if limits != Limits()}


def within(profile: Profile, limits: Limits) -> Profile:
    """The profile with what the upstream itself says, which is better than what we assume."""
    if limits.window is not None:
        profile = replace(profile, context_window=limits.window)
    if limits.output is not None:
        profile = replace(profile, max_output_tokens=limits.output, cap_assumed=False)
    return profile


def _counts(entry: Json, paths: tuple[_Path, ...]) -> Iterator[int]:
    for path in paths:
        value = _at(entry, path)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        if type(value) is int and 0 < value < _MOST:
            yield value


def _images(entry: Json) -> bool | None:
    for path in IMAGE_FIELDS:
        value = _at(entry, path)
        if isinstance(value, bool):
            return value
    for path in _MODALITIES:
        value = _at(entry, path)
        if isinstance(value, list) and value:
            return "image" in value
    return None


def _at(entry: object, path: _Path) -> object:
    for name in path:
        entry = entry.get(name) if isinstance(entry, dict) else None
    return entry


BYTES_PER_TOKEN = 3
"""Of a request's JSON, at least: hardly any text has more tokens, and most has a quarter less."""
_LEAST_ROOM = 1024
"""Output tokens that are always asked for: if even these do not fit, the upstream says so best."""
_MARGIN = 1.02
_TEMPLATE = 64
"""Tokens that chat templates add."""
_FEW_BYTES_READ = 12
_MANY_CHARACTERS = 8
"""Of a token; hardly any text has more."""
CLIENT_WINDOW = 200_000
"""What Claude Code takes for the window of a model, whatever it is."""


def fit(
    request: MessagesRequest, profile: Profile, *, size: int, least: int | None, on_drop: OnDrop
) -> MessagesRequest:
    """The request with as many output tokens as `least` and the context window allow.

    `size` is that of the encoded request in bytes: where it alone shows that everything fits,
    which is nearly always, nothing is counted.
    """
    asked = request.get("max_tokens")
    if asked is None:
        return request
    wanted = asked
    if least is not None and wanted < least:
        wanted = least
        on_drop("max_tokens", f"raised to {least}")
    cap, window = profile.max_output_tokens, profile.context_window
    most = wanted if cap is None else min(wanted, cap)
    if window is not None and size // BYTES_PER_TOKEN + most > window:
        room = window - int(_count(request, window, profile) * _MARGIN) - _TEMPLATE
        if room < most:
            wanted = max(room, min(most, _LEAST_ROOM))
            on_drop("max_tokens", f"{wanted} is what the context window leaves")
    return request if wanted == asked else {**request, "max_tokens": wanted}


def unread(
    request: MessagesRequest, *, size: int, prompt: int, profile: Profile | None = None
) -> int | None:
    """Our count of the prompt's tokens where the upstream plainly read only a part of them.

    Ollama and others cut what does not fit and say nothing. `prompt` is the upstream's count.
    """
    if not prompt or size // _FEW_BYTES_READ <= prompt:
        return None
    most = 2 * prompt + _LEAST_ROOM
    count = _count(request, most, profile)
    return count if count > most else None


def _count(request: MessagesRequest, most: int, profile: Profile | None) -> int:
    """Our count of the prompt's tokens; above `most` it is a rough one."""
    return sum(measure(request, partial(_count_beyond, most), profile=profile))


def _count_beyond(most: int, text: str) -> int:
    """Tokens of a text; where its beginning alone has more than `most`, judged by that, because
    megabytes take half a second."""
    head = text[: most * _MANY_CHARACTERS]
    count = estimate_text(head)
    if len(head) == len(text):
        return count
    return count * len(text) // len(head) if count > most else estimate_text(text)


def scale(profile: Profile) -> float:
    """What makes the model's window the one that the client believes in."""
    window = profile.context_window
    return 1.0 if window is None or window >= CLIENT_WINDOW else CLIENT_WINDOW / window


def scaled(usage: Usage, profile: Profile) -> Usage:
    """Input counts as if the window were the one that the client believes in."""
    factor = scale(profile)
    if factor == 1.0:
        return usage
    return {
        **usage,
        "input_tokens": round(usage["input_tokens"] * factor),
        "cache_read_input_tokens": round(usage["cache_read_input_tokens"] * factor),
        "cache_creation_input_tokens": round(usage["cache_creation_input_tokens"] * factor),
    }
