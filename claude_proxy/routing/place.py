"""Where a request goes, and what may stand in for that."""

from dataclasses import dataclass

from claude_proxy.codecs import Peek
from claude_proxy.learning import Correction
from claude_proxy.native import Dialect
from claude_proxy.profiles import Profile, profile_for
from claude_proxy.routing.names import DEFAULT, Fallback, ModelMap, by_name


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes; `reason` is for people: log, response header, dashboard."""

    upstream: str
    model: str
    profile: Profile
    reason: str
    dialect: Dialect = "chat"
    learned: tuple[Correction, ...] = ()
    """What the upstream has refused before; `profile` has it in."""
    trial: tuple[Correction, ...] = ()
    """The same, but it has to prove right yet."""
    fallbacks: tuple[Fallback, ...] | None = None
    """In place of the general ones."""


def fall_back(route: Route, fallback: Fallback, *, base_url: str) -> Route | None:
    """The route of a fallback (`base_url` is its upstream's), or None if it leads nowhere new."""
    model = fallback.model or route.model
    if (fallback.upstream, model) == (route.upstream, route.model):
        return None
    reason = f"{route.reason}, fallback for {route.model}@{route.upstream}"
    return Route(fallback.upstream, model, profile_for(base_url, model), reason)


def route(peek: Peek, models: ModelMap, *, base_url: str, upstream: str = DEFAULT) -> Route:
    """The upstream model of a request, by its name alone, and why. Raises what `by_name` does.

    `upstream` and `base_url`: of the default one, by whatever name.
    """
    named, model, reason = by_name(peek.model, models)
    place = upstream if named == DEFAULT else named
    return Route(place, model, profile_for(base_url, model), reason)
