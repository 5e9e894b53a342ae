"""Windows and output caps of models: what upstreams say of them, and what they leave room for.

Every server names these differently, and most name none. Pure: entries of a model list in,
changed profiles and requests out.
"""

import re
from collections.abc import Container, Iterator, Mapping
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
_PARAMETERS = "supported_parameters"
"""OpenRouter's list of what a model's servers take."""
_REASONING = frozenset({"reasoning", "include_reasoning", "reasoning_effort"})
_NUM_CTX = re.compile(r"^num_ctx\s+(\d{1,9})\s*$", re.MULTILINE)
_PARAMETERS_LENGTH = 16_384
_MOST = 100_000_000
"""Larger numbers are no token counts."""


class Limits(NamedTuple):
    """Of one model; None where nothing is known."""

    window: int | None = None
    """Tokens of prompt and answer together."""
    output: int | None = None
    """Most tokens of one answer."""
    images: bool | None = None
    parameters: frozenset[str] | None = None
    """The fields of a request that it takes."""


def entries_of(body: object) -> list[Json]:
    """The entries of a model list, each with an `id`: what requests call the model.

    Most servers list them in `data`; Together sends the bare list, Gemini's own API and xAI's list
    of prices have `models`. Gemini's names may go without their `models/`.
    """
    listed = body
    if isinstance(body, dict):
        listed = body.get("data") if isinstance(body.get("data"), list) else body.get("models")
    named = [(_name(entry), entry) for entry in (listed if isinstance(listed, list) else ())]
    return [{**entry, "id": name} for name, entry in named if name]


def with_windows(entries: list[Json], body: object) -> list[Json]:
    """The entries with what `Profile.windows_at` says of them."""
    window = _at(body, ("default_generation_settings", "n_ctx"))
    if window is not None:
        return [{**entry, "loaded_context_length": window} for entry in entries]
    found = {entry["id"]: entry for entry in entries_of(body)}
    return [{**entry, **found.get(entry["id"], {})} for entry in entries]


def shown(body: object) -> Json:
    """What `Profile.shown_at` says of one model, as an entry of a list would say it.

    Ollama: `num_ctx` of its Modelfile is the window, unless the server has loaded it with another
    one; the length that it was trained for is at least a bound.
    """
    found: Json = {}
    lengths = [
        value
        for name, value in _dict(_at(body, ("model_info",))).items()
        if name.endswith(".context_length") and type(value) is int
    ]
    own = _NUM_CTX.search(str(_at(body, ("parameters",)) or "")[:_PARAMETERS_LENGTH])
    if own or lengths:
        found["context_length"] = int(own[1]) if own else min(lengths)
    abilities = _at(body, ("capabilities",))
    if isinstance(abilities, list):
        found["supports_image_input"] = "vision" in abilities
    return found


def _dict(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _name(entry: object) -> str:
    if not isinstance(entry, dict):
        return ""
    name = entry.get("id", entry.get("name"))
    return bare_name(name) if isinstance(name, str) else ""


def bare_name(model: str) -> str:
    """A model's name as `entries_of` has it."""
    return model.removeprefix("models/")


def limits_of(entry: Json) -> Limits:
    """What one entry of a model list says; whatever is not usable is left out."""
    window = next(_counts(entry, WINDOW_FIELDS), None)
    output = next(_counts(entry, OUTPUT_FIELDS), None)
    if window is not None and output is not None and output >= window:
        output = None  # The window once more: no limit of answers.
    return Limits(window, output, _images(entry), _parameters(entry))


def limits_by_model(entries: list[Json]) -> Mapping[str, Limits]:
    """Model → what its entry says, for the entries that say anything."""
    found = {entry["id"]: limits_of(entry) for entry in entries if isinstance(entry.get("id"), str)}
    return {model: limits for model, limits in found.items() if limits != Limits()}


def within(profile: Profile, limits: Limits, own: Container[str] = ()) -> Profile:
    """The profile with what the upstream itself says, which is better than what we assume.

    `own`: the fields that the user has set himself, which stay as they are.
    """
    said = {**_numbers(limits), **_abilities(profile, limits)}
    changes = {name: value for name, value in said.items() if name not in own}
    return replace(profile, **changes) if changes else profile


def _numbers(limits: Limits) -> Json:
    window = {} if limits.window is None else {"context_window": limits.window}
    if limits.output is None:
        return window
    return {**window, "max_output_tokens": limits.output, "cap_assumed": False}


def _abilities(profile: Profile, limits: Limits) -> Json:
    """Fields of the profile that are other than the list says. What a model may get besides is
    not told by the list: it only ever takes away, but for eyes.

    Tools are never taken away: without them it would be another request, and the upstream says
    best that there is nobody for them.
    """
    found: Json = {}
    if limits.images is not None:
        found["vision"] = "seen" if limits.images else "told"
    taken = limits.parameters
    if taken is None:
        return found
    if "temperature" not in taken:
        found["sampling"] = False
    if "top_k" not in taken:
        found["top_k"] = False
    if "stop" not in taken:
        found["max_stops"] = 0
    if "parallel_tool_calls" not in taken:
        found["parallel_calls_field"] = False
    if "tools" in taken and "tool_choice" not in taken:
        found["tool_choices"] = ("auto",)
    if taken.isdisjoint(_REASONING):
        found |= {"thinking": "effort", "efforts": (), "budget_in": None}
    if "structured_outputs" not in taken and profile.response_format == "json_schema":
        found["response_format"] = "json_object"
    if "response_format" not in taken and "structured_outputs" not in taken:
        found["response_format"] = "told"
    return found


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


def _parameters(entry: Json) -> frozenset[str] | None:
    """None for a list that does not even know the length of an answer: it is of something else."""
    listed = entry.get(_PARAMETERS)
    if not isinstance(listed, list):
        return None
    names = frozenset(name for name in listed if isinstance(name, str))
    return None if names.isdisjoint(("max_tokens", "max_completion_tokens")) else names


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
    request: MessagesRequest,
    profile: Profile,
    *,
    size: int,
    least: int | None,
    on_drop: OnDrop,
    cuts: bool = False,
) -> MessagesRequest:
    """The request with as many output tokens as `least` and the context window allow.

    `cuts`: the server makes room by itself, so nothing is counted to find out what is left.

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
    cap, window = profile.max_output_tokens, None if cuts else profile.context_window
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
