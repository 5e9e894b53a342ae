"""`/v1/models`: the tiers first, then what the upstream offers, in the client's own shape."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from claude_proxy.codecs import Peek
from claude_proxy.errors import RequestError
from claude_proxy.profiles import Profile
from claude_proxy.routing import DEFAULT
from claude_proxy.server import direct
from claude_proxy.server.context import Context
from claude_proxy.server.notes import shortened
from claude_proxy.server.responses import send_json
from claude_proxy.server.services import Services
from claude_proxy.server.surface import MESSAGES
from claude_proxy.types import Json

_DEFAULT_PAGE, _LARGEST_PAGE = 20, 1000

# The client's model discovery keeps only ids that contain "claude".
TIER_IDS = (
    ("claude-opus-5-5", "Opus"),
    ("claude-sonnet-5-5", "Sonnet"),
    ("claude-haiku-5-5", "Haiku"),
)


_STARTED = int(time.time())
"""Unix seconds. When a model was made is what clients sort by, so it is some time for all."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One model as both shapes need it. `created`: Unix seconds; our start where none are known."""

    id: str
    name: str
    owner: str
    created: int
    profile: Profile


async def list_models(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    if await _passed(services, context, scope, receive, send):
        return
    listed = await _all_models(services, context)
    if context.surface is not MESSAGES:
        await send_json(send, 200, {"object": "list", "data": [_openai(m) for m in listed]})
        return
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
    await send_json(send, 200, _page(listed, query))


async def retrieve_model(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> None:
    if await _passed(services, context, scope, receive, send):
        return
    wanted = scope["path_params"]["id"]
    listed = await _all_models(services, context)
    found = next((m for m in listed if m.id == wanted), None) or _tier_model(services, wanted)
    if found is None:
        raise RequestError(f"model: {shortened(wanted)}", status=404)
    shape = _anthropic if context.surface is MESSAGES else _openai
    await send_json(send, 200, shape(found))


async def _passed(
    services: Services, context: Context, scope: Scope, receive: Receive, send: Send
) -> bool:
    """Whether it is an Anthropic client that an upstream of its own language has answered."""
    if context.surface is not MESSAGES:
        return False
    return await direct.models(services, context, scope, receive, send)


def _tier_model(services: Services, id: str) -> Listed | None:
    """Any name that stands for a model, as Claude's do and aliases, though no list has it."""
    route = services.route(Peek(id, stream=False))
    found = Listed(id, route.model, "claude-proxy", _STARTED, route.profile)
    return None if route.model == id else found


async def _all_models(services: Services, context: Context) -> list[Listed]:
    """The tiers, what the user has configured, and what the default upstream offers."""
    models, oauth = services.models, "oauth-" in context.header(b"anthropic-beta")
    key = services.upstream.key(context.keys(), oauth=oauth)
    entries = {entry["id"]: entry for entry in await services.model_lists[DEFAULT].get(key)}
    tiers = [models.place(target) for target in (models.big, models.middle, models.small)]
    listed = [
        _own(services, id, place, f"{place[1]} (Claude {word})")
        for (id, word), place in zip(TIER_IDS, tiers, strict=True)
    ]
    configured = {model: (upstream, model) for upstream, model in tiers}
    for name in services.router.names():
        route = services.route(Peek(name, stream=False))
        configured.setdefault(name, (route.upstream, route.model))
    for name in dict.fromkeys([*configured, *entries]):
        if name in entries and configured.get(name, ("", name)) in (("", name), (DEFAULT, name)):
            listed.append(_offered(services, name, entries[name]))
        else:
            listed.append(_own(services, name, configured[name], name))
    return listed


def _own(services: Services, id: str, place: tuple[str, str], name: str) -> Listed:
    upstream, model = place
    owner = "claude-proxy" if id != model else "upstream"
    return Listed(id, name, owner, _STARTED, services.profile(model, upstream))


def _offered(services: Services, model: str, entry: Json) -> Listed:
    """One of the default upstream's own."""
    created, owner = entry.get("created"), entry.get("owned_by")
    return Listed(
        model,
        model,
        owner if isinstance(owner, str) else "upstream",
        created if type(created) is int and 0 < created < 1 << 33 else _moment(entry),
        services.profile(model),
    )


def _moment(entry: Json) -> int:
    """When a model was made, as Anthropic tells it; our start if nobody does."""
    told = entry.get("created_at")
    try:
        made = datetime.fromisoformat(told).timestamp() if isinstance(told, str) else 0.0
    except (ValueError, OverflowError):
        made = 0.0
    return int(made) if made > 0 else _STARTED


def _page(listed: list[Listed], query: dict[str, str]) -> Json:
    """Anthropic's paging: `limit`, `after_id`, `before_id`. `RequestError` for a bad value."""
    limit = query.get("limit", str(_DEFAULT_PAGE))
    if not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= _LARGEST_PAGE):
        raise RequestError(f"limit: must be a number from 1 to {_LARGEST_PAGE}")
    ids = [model.id for model in listed]
    start, end = 0, len(ids)
    if "after_id" in query:
        start = _position(ids, query["after_id"], "after_id") + 1
        end = min(end, start + int(limit))
        more = end < len(ids)
    elif "before_id" in query:
        end = _position(ids, query["before_id"], "before_id")
        start = max(0, end - int(limit))
        more = start > 0
    else:
        end = min(end, int(limit))
        more = end < len(ids)
    page = listed[start:end]
    return {
        "data": [_anthropic(model) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _position(ids: list[str], id: str, name: str) -> int:
    if id not in ids:
        raise RequestError(f"{name}: no model with this id")
    return ids.index(id)


def _anthropic(model: Listed) -> Json:
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": datetime.fromtimestamp(model.created, UTC).isoformat().replace("+00:00", "Z"),
        "lifecycle": "active",
        "max_input_tokens": model.profile.context_window,
        "max_tokens": model.profile.max_output_tokens,
    }


def _openai(model: Listed) -> Json:
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
    }
