"""The settings of searches of the web."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator

from claude_proxy.settings import parse
from claude_proxy.settings.fields import Key, SettingsError, Var


class ChosenService(NamedTuple):
    """The service that is asked."""

    name: str
    url: str
    """Its base URL, without a slash at the end."""
    key: str


def _address(given: str) -> str:
    """The base URL of a service; people paste the address of its search, too."""
    return parse.base_url(given.strip().rstrip("/").removesuffix("/search"))


Address = Annotated[str, AfterValidator(_address)]

Search = Annotated[
    Literal["auto", "searxng", "brave", "tavily", "upstream", "none"],
    BeforeValidator(parse.lower),
    Var(
        "CLAUDE_PROXY_SEARCH",
        "Who searches the web for models: `auto` the first of SearXNG, Brave and Tavily whose "
        "address or key is set, else the upstream's own search where it has one (`upstream`); "
        "`none` nobody.",
        "auto, searxng, brave, tavily, upstream or none",
    ),
]
SearxngUrl = Annotated[
    Address | None,
    Var(
        "CLAUDE_PROXY_SEARXNG_URL",
        "Address of a SearXNG instance whose settings allow the format `json`.",
        "an address like http://localhost:8888",
        private=True,
    ),
]
BraveKey = Annotated[
    Key | None,
    Var(
        "CLAUDE_PROXY_BRAVE_API_KEY",
        "Key for Brave Search.",
        aliases=("BRAVE_API_KEY",),
        private=True,
    ),
]
BraveUrl = Annotated[
    Address,
    Var(
        "CLAUDE_PROXY_BRAVE_URL",
        "Address of Brave Search, or of a gateway to it.",
        "an address like https://api.search.brave.com/res/v1",
        private=True,
    ),
]
TavilyKey = Annotated[
    Key | None,
    Var(
        "CLAUDE_PROXY_TAVILY_API_KEY",
        "Key for Tavily.",
        aliases=("TAVILY_API_KEY",),
        private=True,
    ),
]
TavilyUrl = Annotated[
    Address,
    Var(
        "CLAUDE_PROXY_TAVILY_URL",
        "Address of Tavily, or of a gateway to it.",
        "an address like https://api.tavily.com",
        private=True,
    ),
]

BRAVE = "https://api.search.brave.com/res/v1"
TAVILY = "https://api.tavily.com"

NEEDS = {
    "searxng": "CLAUDE_PROXY_SEARXNG_URL",
    "brave": "CLAUDE_PROXY_BRAVE_API_KEY",
    "tavily": "CLAUDE_PROXY_TAVILY_API_KEY",
}
"""What has to be set for each service."""


def choose(search: str, services: Sequence[ChosenService]) -> ChosenService | None:
    """The service that is asked, of those that can be; None for none of them.

    Raises `SettingsError` for one that is wanted and cannot be.
    """
    known = {each.name: each for each in services}
    if search in ("none", "upstream"):
        return None
    if search == "auto":
        return next(iter(known.values()), None)
    if search not in known:
        raise SettingsError(f"CLAUDE_PROXY_SEARCH is {search}: set {NEEDS[search]}.")
    return known[search]
