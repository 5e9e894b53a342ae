"""The models' real limits: asked of the upstream, seen in its counts, and told to the client."""

from collections.abc import Callable, Container

import structlog

from claude_proxy.codecs import OnDrop
from claude_proxy.errors import RequestError
from claude_proxy.model_limits import (
    BYTES_PER_TOKEN,
    Limits,
    bare_name,
    fit,
    limits_by_model,
    scale,
    scaled,
    unread,
    within,
)
from claude_proxy.profiles import Profile, limited
from claude_proxy.routing import Route
from claude_proxy.server.notes import shortened
from claude_proxy.settings import Settings
from claude_proxy.tokens import estimate_tokens
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest, Usage

_MOST_MODELS = 5_000
_Model = tuple[str, str]
"""Upstream and model."""

log = structlog.get_logger("claude_proxy.windows")


class Windows:
    """Mutable; one for each app. `changed` is called when a model's limits turn out different."""

    def __init__(self, settings: Settings, changed: Callable[[], None]) -> None:
        self._settings = settings
        self._changed = changed
        self._limits: dict[_Model, Limits] = {}
        self._loaded: dict[_Model, int] = {}
        """Windows with which servers have loaded their models."""
        self._cut: dict[_Model, int] = {}
        """Windows of models whose servers cut prompts in silence, as their counts have shown."""

    def learn(self, upstream: str, entries: list[Json]) -> None:
        """Takes what an upstream's model list says."""
        found = {(upstream, model): each for model, each in limits_by_model(entries).items()}
        if any(self._limits.get(model) != limits for model, limits in found.items()):
            self._limits = dict([*self._limits.items(), *found.items()][-_MOST_MODELS:])
            self._changed()

    def learn_loaded(self, upstream: str, model: str, window: int) -> None:
        """Takes the window that a server has loaded a model with, which no list knows better."""
        if self._loaded.get((upstream, model)) != window:
            if len(self._loaded) >= _MOST_MODELS:
                self._loaded.clear()
            self._loaded[upstream, model] = window
            self._changed()

    def within(
        self, profile: Profile, upstream: str, model: str, own: Container[str] = ()
    ) -> Profile:
        """The profile with the limits that are known, and the user's own.

        `own`: the fields of the profile that the user has set himself.
        """
        profile = within(profile, self._limits.get((upstream, bare_name(model)), Limits()), own)
        loaded = self._loaded.get((upstream, model))
        if loaded is not None:
            profile = within(profile, Limits(window=loaded), own)
        cut = self._cut.get((upstream, model))
        if cut is not None:
            profile = within(profile, Limits(window=cut))
        return limited(profile, self._settings.max_tokens_limit)

    def fit(
        self, request: MessagesRequest, route: Route, *, size: int, on_drop: OnDrop
    ) -> MessagesRequest:
        """See `model_limits.fit`. `RequestError` in Claude's words for a prompt that would be cut
        in silence, where the settings want that."""
        window = self._cut.get((route.upstream, route.model))
        least = self._settings.min_tokens_limit
        if window is not None and self._refuses and size // BYTES_PER_TOKEN > window:
            _refuse(estimate_tokens(request), window)
        cuts = window is not None
        return fit(request, route.profile, size=size, least=least, on_drop=on_drop, cuts=cuts)

    def told(
        self, usage: Usage, request: MessagesRequest, route: Route, *, size: int, streamed: bool
    ) -> Usage:
        """The counts for the client; a look at whether the upstream has read the whole prompt.

        Where it has not, and the settings want that, `RequestError`; a stream, which the client
        has seen already, ends well, and the next request is refused.
        """
        read, created = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
        prompt = usage["input_tokens"] + read + created
        window = prompt + usage["output_tokens"]
        refuses = self._refuses and not streamed
        # What is known already is not found again with each request: counting takes its time.
        if refuses or window > self._cut.get((route.upstream, route.model), 0):
            count = unread(request, size=size, prompt=prompt, profile=route.profile)
            if count is not None:
                self._note_cut(route, window, count)
                if refuses:
                    _refuse(count, window)
        return scaled(usage, route.profile) if self._settings.token_scaling else usage

    def scale(self, profile: Profile) -> float:
        """By what counts of input tokens are multiplied for the client."""
        return scale(profile) if self._settings.token_scaling else 1.0

    @property
    def _refuses(self) -> bool:
        return self._settings.truncated_prompts == "reject"

    def _note_cut(self, route: Route, window: int, count: int) -> None:
        model = shortened(route.model)
        log.warning("prompt_truncated", model=model, read=window, estimate=count)
        if len(self._cut) < _MOST_MODELS:
            self._cut[route.upstream, route.model] = window
            self._changed()


def _refuse(count: int, window: int) -> None:
    if count > window:
        raise RequestError(f"prompt is too long: {count} tokens > {window} maximum")
