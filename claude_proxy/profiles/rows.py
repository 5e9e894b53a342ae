"""All rows in the order in which they are tried."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Literal, TypeVar

from claude_proxy.profiles import (
    claude_cli,
    deepseek,
    gemini,
    generic,
    glm,
    local,
    minimax,
    mistral,
    moonshot,
    openai,
    openrouter,
    qwen,
    serverless,
    xai,
)
from claude_proxy.profiles.profile import Place, Profile, ProfileRow

T = TypeVar("T")

PROFILES: tuple[ProfileRow, ...] = (
    *openrouter.ROWS,
    *openai.FAMILIES,
    *openai.HOSTS,
    *deepseek.ROWS,
    *qwen.ROWS,
    *gemini.ROWS,
    *xai.ROWS,
    *mistral.ROWS,
    *serverless.ROWS,
    *glm.ROWS,
    *moonshot.ROWS,
    *minimax.ROWS,
    *local.ROWS,
    *claude_cli.ROWS,
    *generic.ROWS,
)

PROVIDERS: tuple[str, ...] = tuple(dict.fromkeys(row.profile.provider for row in PROFILES))
"""Whose rows these are."""

_OPENAI_NAMES = ("gpt-[0-9]*", "chatgpt-*", "o[1-9]", "o[1-9]-*")

SESSION_FIELDS: tuple[
    tuple[str, tuple[str, ...], Literal["prompt_cache_key", "session_id"]], ...
] = (
    ("api.openai.com/*", ("*",), "prompt_cache_key"),
    # Its v1 API takes it for OpenAI's models, not for others' (vectorize-io/hindsight#3518).
    ("*.openai.azure.com/openai/v1*", _OPENAI_NAMES, "prompt_cache_key"),
    # https://docs.mistral.ai/studio-api/conversations/advanced/prompt-caching (seen 2026-11)
    ("api.mistral.ai/*", ("*",), "prompt_cache_key"),
    # Keeps a session at one provider from its first request on; up to 256 characters.
    # https://openrouter.ai/docs/guides/best-practices/prompt-caching (seen 2026-11)
    ("openrouter.ai/*", ("*",), "session_id"),
)
"""Address, models, and the field in which a session's key is known to be taken there.

Beside the rows, because the rows of OpenAI's models match at every host."""


OWN_SEARCHES: tuple[
    tuple[str, tuple[str, ...], Literal["web_search", "openrouter:web_search"]], ...
] = (
    # https://developers.openai.com/api/docs/guides/tools-web-search (seen 2026-11); not tried out
    (
        "api.openai.com/*",
        (
            *("gpt-4o", "gpt-4o-20*", "gpt-4o-mini", "gpt-4o-mini-20*", "gpt-4.1", "gpt-4.1-20*"),
            *("gpt-4.1-mini*", "gpt-[5-9]*", "o3*", "o4*"),
        ),
        "web_search",
    ),
    # https://openrouter.ai/docs/guides/features/server-tools/web-search (seen 2026-11)
    ("openrouter.ai/*", ("*",), "openrouter:web_search"),
)
"""Address, models, and the provider's own search that they have there."""


def profile_for(base_url: str, model: str) -> Profile:
    """The first matching row's profile.

    `model` may carry a vendor prefix (`openai/gpt-5`) or the mark of a fine-tuned model
    (`ft:gpt-4o-mini:…`, whose limits are those of its base); both are left out for the match.
    """
    place, bare = Place.of(base_url), model.rsplit("/", 1)[-1].lower().removeprefix("ft:")
    found = next(row.profile for row in PROFILES if row.is_for(bare) and row.is_at(place))
    field = _known(SESSION_FIELDS, place, bare)
    search = _known(OWN_SEARCHES, place, bare)
    if field or search:
        found = replace(found, session_field=field or found.session_field, own_search=search)
    return found


def _known(table: Sequence[tuple[str, tuple[str, ...], T]], place: Place, model: str) -> T | None:
    """What the table says of this model at this place."""
    for address, models, value in table:
        if any(fnmatchcase(model, glob) for glob in models) and fnmatchcase(
            f"{place.path}/", address
        ):
            return value
    return None
