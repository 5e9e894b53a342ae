"""Which servers speak Anthropic Messages themselves, as data.

Such a server needs no translation: what a client says to it passes as it is. A row of `NATIVES`
tells where on a host Messages is spoken, with which credential, and whether that is better than
translating for users who gave the address of its OpenAI-compatible API. It is better only where it
loses nothing: where the row's `prefer` is empty, `why` says what would be lost.

Facts: the vendors' own pages where a row names one, else what their users report.
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import SplitResult, urlsplit, urlunsplit

Dialect = Literal["chat", "responses", "messages", "claude-cli"]
"""A language in which an upstream is asked."""

Choice = Literal["auto", "chat", "responses", "messages", "claude-cli"]
"""What users may set; `auto` follows `NATIVES`."""

_CLIENTS_ADD = "/v1"
_USUAL = "/anthropic"


@dataclass(frozen=True, slots=True)
class Native:
    """How one host speaks Messages."""

    name: str

    hosts: tuple[str, ...]
    """Globs of the host, or of `host:port`."""

    why: str
    """The reason for `prefer`."""

    path: str | None = None
    """The path of its Anthropic base URL, to which clients add `/v1/messages`; None: as given."""

    prefer: tuple[str, ...] = ()
    """Globs of models that `auto` asks in Messages though an OpenAI base URL is set."""

    claude: bool = False
    """Anthropic's own: Claude's names are its own, signatures are checked, and a client's
    Anthropic credential may go there."""

    credential: Literal["x-api-key", "bearer"] = "x-api-key"
    """How the server's key is sent; "bearer" also holds for keys that clients sent otherwise."""

    own_thinking: Literal["keep", "drop"] = "keep"
    """Thinking blocks in the history that we made ourselves while translating. Servers that check
    signatures refuse them ("Invalid `signature` in `thinking` block"); others want them back."""

    counts: bool = True
    """Whether it may have `/v1/messages/count_tokens`; one that says 404 is not asked again."""

    lists: bool = False
    """Whether `/v1/models` beside it lists models in Anthropic's shape."""

    history_thinking: Literal["sent", "dropped"] = "sent"
    """"dropped": no thinking block of the history is sent, whoever made it; each is told."""

    searches: bool = False
    """Whether its own servers run Anthropic's tool `web_search`, as far as is known."""

    client_headers: tuple[str, ...] = ()
    """Globs of the client's headers that go there beside `anthropic-*`, in lower case."""

    drop_fields: tuple[str, ...] = ()
    """Fields that are refused ("Extra inputs are not permitted"), top-level or as dotted paths,
    on which lists stand for each of their entries; each is told."""

    drop_betas: tuple[str, ...] = ()
    """Globs of values of `anthropic-beta` that are refused; each is told."""

    def without(self, field: str) -> "Native":
        """The same, which refuses this field too."""
        return replace(self, drop_fields=(*self.drop_fields, field))

    def prefers(self, model: str) -> bool:
        return any(fnmatchcase(model.lower(), glob) for glob in self.prefer)


NATIVES: tuple[Native, ...] = (
    Native(
        "anthropic",
        hosts=("api.anthropic.com",),
        path="",
        prefer=("*",),
        claude=True,
        own_thinking="drop",
        lists=True,
        searches=True,
        # By these it knows its own clients, and some of its rights belong to them.
        client_headers=("user-agent", "x-app", "x-claude-code-*", "x-stainless-*"),
        why="its OpenAI-compatible API is the translation; it has no caching and no thinking",
    ),
    Native(
        "openrouter",
        hosts=("openrouter.ai",),
        path="/api",
        prefer=("anthropic/*", "~anthropic/*"),
        credential="bearer",
        # Claude's signatures are checked behind it.
        own_thinking="drop",
        searches=True,
        why="Claude keeps its thinking and its cache marks; other models are translated there by "
        "rules that we do not know",
    ),
    Native(
        "minimax",
        hosts=("api.minimax.io", "api.minimaxi.com"),
        path=_USUAL,
        prefer=("*",),
        # platform.minimax.io/docs/api-reference/text-anthropic-api
        why="the vendor recommends it: all thinking has to come back, and here it is a block",
    ),
    Native(
        "deepseek",
        hosts=("api.deepseek.com",),
        path=_USUAL,
        # api-docs.deepseek.com/guides/anthropic_api
        why="ignores thinking budgets and top_k, takes no image, document or search result, and "
        "answers unknown model names with another model instead of an error",
    ),
    Native(
        "zai",
        hosts=("api.z.ai", "open.bigmodel.cn"),
        path="/api/anthropic",
        credential="bearer",
        why="the other API is billed otherwise (the coding plan), so only its own URL chooses it",
    ),
    Native(
        "moonshot",
        hosts=("api.moonshot.ai", "api.moonshot.cn"),
        path=_USUAL,
        credential="bearer",
        why="what it does with documents and effort is not told",
    ),
    Native(
        "kimi-coding",
        hosts=("api.kimi.com",),
        path="/coding",
        credential="bearer",
        why="what it does with documents and effort is not told",
    ),
    Native(
        "dashscope",
        hosts=("dashscope.aliyuncs.com", "dashscope-*.aliyuncs.com"),
        path="/apps/anthropic",
        why="serves fewer models than the OpenAI-compatible API",
    ),
    Native(
        "fireworks",
        hosts=("api.fireworks.ai",),
        path="/inference",
        why="known from users' reports only",
    ),
    Native(
        "mimo",
        hosts=("api.xiaomimimo.com",),
        path=_USUAL,
        why="known from users' settings only",
    ),
    Native(
        "ollama",
        hosts=("*:11434",),
        path="",
        counts=False,
        why="has no token counts, no forced tools, no images by URL, and its errors in mid-stream "
        "are no events",
    ),
    Native(
        "lmstudio",
        hosts=("*:1234",),
        path="",
        why="older versions answer 200 to a path that they do not have",
    ),
    Native(
        "other",
        hosts=("*",),
        why="nothing is known of it, not even whether it has such an API (llama.cpp and vLLM "
        "translate on their own, without telling what they leave out)",
    ),
)
"""First match wins; the last row matches every host."""


def native_for(base_url: str) -> Native:
    """The row of an upstream's host."""
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    full = f"{host}:{parts.port}" if parts.port else host
    return next(
        row
        for row in NATIVES
        if any(fnmatchcase(host, glob) or fnmatchcase(full, glob) for glob in row.hosts)
    )


def gateway_for(base_url: str) -> Native:
    """The row of an address that its user calls Anthropic's, as of a gateway to it: Anthropic's
    own, unless somebody else is known to serve there."""
    found = native_for(base_url)
    return NATIVES[0] if found is NATIVES[-1] else found


def is_anthropics(base_url: str, *, gateway: bool = False, local: bool = False) -> bool:
    """Whether a client's Anthropic credential may go there: Anthropic's own host, over TLS, or
    what its user calls a `gateway` to it, over TLS or on this machine (`local`)."""
    native = gateway_for(base_url) if gateway else native_for(base_url)
    return native.claude and (urlsplit(base_url).scheme == "https" or (gateway and local))


def dialect_for(choice: Choice, base_url: str, model: str) -> Dialect:
    """The language in which an upstream is asked for a model."""
    if choice != "auto":
        return choice
    native = native_for(base_url)
    if _is_anthropic_base(urlsplit(base_url).path, native) or native.prefers(model):
        return "messages"
    return "chat"


def only_messages(choice: Choice, base_url: str) -> bool:
    """Whether its base URL is that of Messages, so that it can be asked in nothing else."""
    native = native_for(base_url)
    named = _is_anthropic_base(urlsplit(base_url).path, native) or native.claude
    return choice == "messages" or (choice == "auto" and named)


def messages_base(base_url: str) -> str:
    """The URL to which `/v1/messages` is added: the given one, or the host's Anthropic base."""
    parts: SplitResult = urlsplit(base_url)
    path = parts.path.rstrip("/")
    short = path.removesuffix(_CLIENTS_ADD)
    native = native_for(base_url)
    if not (native.path in (None, "", short) or _is_anthropic_base(path, native)):
        short = native.path or ""
    return urlunsplit((parts.scheme, parts.netloc, short, parts.query, ""))


def _is_anthropic_base(path: str, native: Native) -> bool:
    """Whether an address is one that its vendor gives to Anthropic's clients."""
    path = path.rstrip("/")
    return path == native.path or path.removesuffix(_CLIENTS_ADD).endswith(_USUAL)
