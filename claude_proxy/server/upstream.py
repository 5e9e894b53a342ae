"""Where requests to the upstream go and what they carry: URLs, credentials, custom headers."""

import hmac
from collections.abc import AsyncIterable, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from claude_proxy._version import __version__
from claude_proxy.backends import StandingHeaders, WireRequest
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.native import (
    Choice,
    Dialect,
    dialect_for,
    gateway_for,
    is_anthropics,
    messages_base,
    native_for,
    only_messages,
)
from claude_proxy.profiles import Profile
from claude_proxy.routing import DEFAULT
from claude_proxy.settings import Settings, is_loopback
from claude_proxy.settings.upstreams import NamedUpstream

if TYPE_CHECKING:
    from claude_proxy.server.context import Context

_MAX_URLS = 64
_MAX_FIELDS = 32
_MAX_UNSPOKEN = 256

CHAT = "/chat/completions"
_RESPONSES = "/responses"
_OF_DEPLOYMENTS = (CHAT, "/completions")
_OPENAI, _AZURE = "api.openai.com", ".openai.azure.com"
_AZURES = (_AZURE, ".services.ai.azure.com", ".cognitiveservices.azure.com")
_LOGIN_START = "sk-ant-oat"
_TOKEN_START, _TOKEN_PARTS = "eyJ", 3
"""A JSON web token, as Microsoft Entra gives them: three parts, of which the first is an object."""

_OWN_HEADERS = {"accept-encoding": "identity", "user-agent": f"claude-proxy/{__version__}"}
_FIXED_HEADERS = {"content-type": "application/json", **_OWN_HEADERS}


def upstreams(settings: Settings) -> dict[str, "Upstream"]:
    """Every configured upstream by its name. Custom headers, which may be secrets, are the
    default one's alone."""
    key = settings.upstream_key if settings.fixed else None
    kept = _kept_back(settings)
    found = {
        DEFAULT: Upstream(
            settings.upstream_url,
            "" if settings.backing.address else key.get_secret_value() if key else None,
            azure_version=settings.azure_api_version,
            custom_headers=settings.custom_headers,
            choice=settings.dialect,
            gateway=settings.backing.anthropic,
            version=settings.anthropic_version,
            demotes=settings.anthropic_demote_nonstreaming,
            kept_back=kept,
        )
    }
    for name, named in settings.upstreams.items():
        found[name] = Upstream(
            named.base_url,
            _key_of(named),
            azure_version=named.azure_api_version,
            custom_headers=named.headers,
            choice=named.dialect,
            version=settings.anthropic_version,
            demotes=settings.anthropic_demote_nonstreaming,
            kept_back=kept,
        )
    return found


def _key_of(named: NamedUpstream) -> str | None:
    """None passes each client's key on, which only the user's own word allows."""
    if named.mode == "passthrough":
        return None
    return named.api_key.get_secret_value() if named.api_key else ""


def _kept_back(settings: Settings) -> tuple[bytes, ...]:
    """What clients show to this server, and no upstream may see."""
    keys = [settings.auth_key] if settings.auth_key else []
    if settings.fixed:
        keys += settings.client_keys.values()
    return tuple(key.get_secret_value().encode() for key in keys)


class Upstream:
    """One upstream: its URLs and headers. Holds no connection. Mutable: it remembers what turned
    out to be missing there.

    `key` is the server's own; None passes each client's key on, and "" sends none. `choice` is
    the language that the user wants it to be asked in; `gateway`: the user says that Anthropic's
    API is there, whatever the host. `kept_back`: keys that never go there.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None,
        *,
        azure_version: str | None = None,
        custom_headers: Mapping[str, str] = MappingProxyType({}),
        choice: Choice = "auto",
        gateway: bool = False,
        version: str = "2023-06-01",
        demotes: bool = False,
        kept_back: Sequence[bytes] = (),
    ) -> None:
        self.base_url = _base(base_url)
        self.native = gateway_for(self.base_url) if gateway else native_for(self.base_url)
        host = urlsplit(self.base_url).hostname or ""
        self.anthropics = is_anthropics(self.base_url, gateway=gateway, local=is_loopback(host))
        """Whether it is Anthropic's own, so that a client's Anthropic credential may go there."""
        self.version = version
        """Anthropic's `anthropic-version`, for clients that name none."""
        self.only_messages = only_messages(choice, self.base_url)
        self.demotes = demotes and self.native.claude
        """Whether it is asked for streams where clients want whole answers."""
        self.may_pass = choice != "chat" and (self.only_messages or bool(self.native.prefer))
        """Whether any of its models may be asked in Messages."""
        self._unspoken: set[tuple[str, str]] = set()
        """Languages that it turned out not to have, for a model or, with "", for any."""
        self.without_counts = not self.native.counts
        """The same for token counts."""
        self._choice = choice
        self._has_responses = host == _OPENAI or host.endswith(_AZURE)
        self._azure_version = azure_version
        self._takes_api_key = azure_version is not None or host.endswith(_AZURES)
        self._key = key
        self._kept_back = kept_back
        self._custom = {name.lower(): value for name, value in custom_headers.items()}
        self._urls: dict[str, str] = {}
        self._messages_urls: dict[tuple[str, str], str] = {}
        self._messages_base = urlsplit(messages_base(self.base_url))

    @cached_property
    def _own_headers(self) -> dict[str, StandingHeaders]:
        """Of requests with the server's own key, by what they accept."""
        return {}

    @property
    def whole_api(self) -> bool:
        """Whether all of Anthropic's API is there."""
        return self.native.claude and self.only_messages

    @property
    def own_key(self) -> str | None:
        """The server's key for it, "" where it wants none; None where clients bring theirs."""
        return self._key

    def refuses(self, field: str) -> None:
        """Remembers that requests in Messages go without this field."""
        if len(self.native.drop_fields) < _MAX_FIELDS:
            self.native = self.native.without(field)

    def unlearn(self, language: str, model: str = "") -> None:
        """Remembers that it does not speak a client's language after all, or not for a model."""
        if len(self._unspoken) < _MAX_UNSPOKEN:
            self._unspoken.add((language, model))

    def speaks(self, language: str, model: str) -> bool:
        """Whether it is worth asking for a model in it."""
        return not self._unspoken or not {(language, ""), (language, model)} & self._unspoken

    def dialect(self, model: str, profile: Profile, spoken: Dialect = "messages") -> Dialect:
        """The language in which it is asked for a model; `spoken` is the client's."""
        if spoken == "chat" and self._choice == "auto" and not self.only_messages:
            return "chat"  # It is what its base URL stands for.
        dialect = dialect_for(self._choice, self.base_url, model)
        if dialect == "messages" and not self.speaks(dialect, model):
            dialect = "chat"
        if dialect == "chat" and self._choice == "auto" and profile.effort_with_tools is not None:
            # In Chat Completions the model could not think and call tools at once.
            return "responses" if self._has_responses else dialect
        return dialect

    def call(self, path: str, body: bytes, *, model: str, key: str, stream: bool) -> WireRequest:
        """A request in one of OpenAI's languages."""
        accept = "text/event-stream" if stream else "application/json"
        if path not in self._urls:
            self._urls[path] = self.url(path)
        url = self._urls[path]
        if self._azure_version is not None and self._needs_deployment():
            url = (
                self._deployment_url(path, model)
                if path in _OF_DEPLOYMENTS
                else self.url(f"/openai{path}")
            )
        if self._key is None or key != self._key:
            return WireRequest(url, body, headers={"accept": accept, **self._headers(key)})
        headers = self._own_headers.get(accept)
        if headers is None:
            headers = StandingHeaders({"accept": accept, **self._headers(key)})
            self._own_headers[accept] = headers
        return WireRequest(url, body, headers=headers)

    def messages(
        self, path: str, body: bytes, headers: Mapping[str, str], *, query: str
    ) -> WireRequest:
        """A request in Messages; `headers` are the client's, and its credential."""
        url = self._messages_url(path, query)
        method = "POST" if body else "GET"
        return WireRequest(
            url, body, method=method, headers={**_FIXED_HEADERS, **headers, **self._custom}
        )

    def through(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        query: str,
        parts: AsyncIterable[bytes] | None,
    ) -> WireRequest:
        """Any request of its API; `headers` as above, and what `parts` are, a body."""
        sent = {**_OWN_HEADERS, **headers, **self._custom}
        return WireRequest(
            self._messages_url(path, query), method=method, headers=sent, parts=parts
        )

    def _messages_url(self, path: str, query: str) -> str:
        url = self._messages_urls.get((path, query))
        if url is None:
            if len(self._messages_urls) >= _MAX_URLS:
                self._messages_urls.clear()  # clients choose queries
            scheme, host, base, own, _ = self._messages_base
            full = f"{own}&{query}" if own and query else own or query
            url = urlunsplit((scheme, host, base + path, full, ""))
            self._messages_urls[path, query] = url
        return url

    def credential(self, context: "Context") -> dict[str, str]:
        """The header, or headers, with the key for a request in Messages."""
        if self._key is None and self.anthropics:
            # As they came: both may be there, and a login is only one as a Bearer token.
            sent = {name: context.header(name.encode()) for name in ("x-api-key", "authorization")}
            if context.surface.dialect == "chat":
                sent = _by_kind(context.keys())
            found = {name: value for name, value in sent.items() if self._may_leave(value)}
            if found:
                return found
        key = self.key(context.keys(), oauth=context.oauth())
        by_token = self._key is None and key != context.header(b"x-api-key")
        return self.native_key(key, by_token=by_token)

    def native_key(self, key: str, *, by_token: bool = False) -> dict[str, str]:
        """The header with a key for a request in Messages; none without a key."""
        if not key:
            return {}
        if by_token or self.native.credential == "bearer":
            return {"authorization": f"Bearer {key}"}
        return {"x-api-key": key}

    def models(self, *, key: str) -> WireRequest:
        if self.only_messages:
            named = {"anthropic-version": self.version, **self.native_key(key)}
            headers = {"accept": "application/json", **named}
            return self.messages("/v1/models", b"", headers, query="limit=1000")
        path = "/openai/models" if self._needs_deployment() else "/models"
        return WireRequest(
            self.url(path),
            method="GET",
            headers={"accept": "application/json", **self._headers(key)},
        )

    def beside(self, path: str, *, key: str, body: bytes = b"") -> WireRequest | None:
        """A question at `path` beside the base URL's `/v1`; None where that is nowhere."""
        if not urlsplit(self.base_url).path.endswith("/v1"):
            return None
        headers = {"accept": "application/json", **self._headers(key)}
        method = "POST" if body else "GET"
        return WireRequest(self.url(path, beside=True), body, method=method, headers=headers)

    def counter(
        self, path: str, body: bytes, *, key: str, beside: bool, headers: Mapping[str, str]
    ) -> WireRequest | None:
        """A question for the tokens of a prompt, at `path` below the base URL or `beside` its
        `/v1`; None where that is nowhere."""
        if beside and not urlsplit(self.base_url).path.endswith("/v1"):
            return None
        sent = {"accept": "application/json", **headers, **self._headers(key)}
        return WireRequest(self.url(path, beside=beside), body, headers=sent)

    def url(self, path: str, *, beside: bool = False) -> str:
        """`path` below the base URL, whose own query (if any) is kept; Azure's version added.

        With `beside`, what is last in the base (`/v1`) is left out.
        """
        scheme, host, base, query, _ = urlsplit(self.base_url)
        base = base.rstrip("/")
        if beside:
            base = base.rpartition("/")[0]
        if self._azure_version:
            version = urlencode({"api-version": self._azure_version})
            query = f"{query}&{version}" if query else version
        return urlunsplit((scheme, host, base + path, query, ""))

    def key_for(self, context: "Context") -> str:
        """The credential for a client's request. Raises as `key` does."""
        own = self._key
        return own if own is not None else self.key(context.keys(), oauth=context.oauth())

    def key(self, client_keys: Sequence[str], *, oauth: bool) -> str:
        """The credential for the upstream: ours in fixed mode, else the client's own.

        An Anthropic credential never goes to somebody else's server: 401 instead.
        """
        if self._key is not None:
            return self._key
        foreign = oauth and not self.anthropics
        theirs = [key for key in client_keys if not self._is_kept_back(key)]
        if not theirs:
            raise ClaudeProxyError(
                "This request goes to an upstream that wants your own key, and you sent only the "
                "key of this server: send both, one as x-api-key and one as Authorization: Bearer.",
                status=401,
            )
        usable = [key for key in theirs if self.may_get(key) and not foreign]
        if not usable:
            raise ClaudeProxyError(
                "This is an Anthropic credential, and the upstream is not Anthropic over TLS, so "
                "it was not forwarded. Set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN) on the "
                "client to your upstream's key, or a key of the server's own.",
                status=401,
            )
        return usable[0]

    def _is_kept_back(self, key: str) -> bool:
        raw = key.encode("latin-1", "replace")
        return any([hmac.compare_digest(raw, kept) for kept in self._kept_back])

    def _may_leave(self, value: str) -> bool:
        """Whether a header's value is there, and is no key of this server's."""
        return bool(value) and not self._is_kept_back(value.rpartition(" ")[2])

    def may_get(self, text: str) -> bool:
        """Whether a text of the client's may go there: no Anthropic key to anybody else."""
        return self.anthropics or "sk-ant-" not in text.lower()

    def _headers(self, key: str) -> dict[str, str]:
        credential: dict[str, str] = {}
        if key and self._takes_api_key and not _is_token(key):
            credential = {"api-key": key}
        elif key:
            credential = {"authorization": f"Bearer {key}"}
        return {**_FIXED_HEADERS, **credential, **self._custom}

    def _needs_deployment(self) -> bool:
        """Azure's classic API names the deployment in the path, its v1 API in the body."""
        path = urlsplit(self.base_url).path
        return (
            self._azure_version is not None
            and not path.rstrip("/").endswith(("/v1", "/chat"))
            and "/deployments/" not in path
        )

    def _deployment_url(self, path: str, model: str) -> str:
        prefix = "" if urlsplit(self.base_url).path.rstrip("/").endswith("/openai") else "/openai"
        return self.url(f"{prefix}/deployments/{quote(model, safe='')}{path}")


def _base(url: str) -> str:
    """A base URL, also of somebody who gives a whole endpoint, as Azure's portal shows it."""
    parts = urlsplit(url.rstrip("/"))
    path = parts.path.rstrip("/").removesuffix(CHAT).removesuffix(_RESPONSES)
    return urlunsplit(parts._replace(path=path))


def _by_kind(keys: Sequence[str]) -> dict[str, str]:
    """OpenAI's clients send any key as a Bearer token, which at Anthropic only a login is."""
    key = keys[0] if keys else ""
    login = key.startswith(_LOGIN_START)
    return {"authorization": f"Bearer {key}"} if login else {"x-api-key": key}


def _is_token(key: str) -> bool:
    """Whether a credential for Azure is a token of a login and not a key."""
    return key.startswith(_TOKEN_START) and len(key.split(".")) == _TOKEN_PARTS
