"""Where requests to the upstream go and what they carry: URLs, credentials, custom headers."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from claude_proxy._version import __version__
from claude_proxy.backends import WireRequest
from claude_proxy.errors import ClaudeProxyError
from claude_proxy.settings import Settings
from claude_proxy.settings.upstreams import DEFAULT

_FIXED_HEADERS = {
    "content-type": "application/json",
    "accept-encoding": "identity",
    "user-agent": f"claude-proxy/{__version__}",
}


def upstreams(settings: Settings) -> dict[str, "Upstream"]:
    """Every configured upstream by its name. Custom headers, which may be secrets, are the
    default one's alone."""
    key = settings.openai_api_key if settings.fixed else None
    found = {
        DEFAULT: Upstream(
            settings.openai_base_url,
            key.get_secret_value() if key else None,
            azure_version=settings.azure_api_version,
            custom_headers=settings.custom_headers,
        )
    }
    for name, named in settings.upstreams.items():
        own = named.api_key.get_secret_value() if named.api_key else ""
        found[name] = Upstream(named.base_url, own, azure_version=named.azure_api_version)
    return found


class Upstream:
    """One OpenAI-compatible upstream: its URLs and headers. Holds no connection.

    `key` is the server's own; None passes each client's key on, and "" sends none.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None,
        *,
        azure_version: str | None = None,
        custom_headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._azure_version = azure_version
        self._key = key
        self._custom = {name.lower(): value for name, value in custom_headers.items()}
        self._chat_url = self.url("/chat/completions")

    def chat(self, body: bytes, *, model: str, key: str, stream: bool) -> WireRequest:
        accept = "text/event-stream" if stream else "application/json"
        url = self._chat_url if self._azure_version is None else self._azure_chat_url(model)
        return WireRequest(url, body, headers={"accept": accept, **self._headers(key)})

    def models(self, *, key: str) -> WireRequest:
        path = "/openai/models" if self._needs_deployment() else "/models"
        return WireRequest(
            self.url(path),
            method="GET",
            headers={"accept": "application/json", **self._headers(key)},
        )

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

    def key(self, client_keys: Sequence[str], *, oauth: bool) -> str:
        """The credential for the upstream: ours in fixed mode, else the client's own.

        An Anthropic credential never goes to somebody else's server: 401 instead.
        """
        if self._key is not None:
            return self._key
        usable = [key for key in client_keys if "sk-ant-" not in key.lower() and not oauth]
        if not usable:
            raise ClaudeProxyError(
                "This is an Anthropic credential, and the upstream is not Anthropic, so it was "
                "not forwarded. Set ANTHROPIC_API_KEY (or ANTHROPIC_AUTH_TOKEN) on the client "
                "to your upstream's key, or OPENAI_API_KEY on the server.",
                status=401,
            )
        return usable[0]

    def _headers(self, key: str) -> dict[str, str]:
        credential: dict[str, str] = {}
        if not key:
            pass
        elif self._azure_version is None:
            credential = {"authorization": f"Bearer {key}"}
        else:
            credential = {"api-key": key}
        return {**_FIXED_HEADERS, **credential, **self._custom}

    def _needs_deployment(self) -> bool:
        """Azure's classic API names the deployment in the path, its v1 API in the body."""
        path = urlsplit(self.base_url).path
        return (
            self._azure_version is not None
            and not path.rstrip("/").endswith(("/v1", "/chat"))
            and "/deployments/" not in path
        )

    def _azure_chat_url(self, model: str) -> str:
        if not self._needs_deployment():
            return self._chat_url
        prefix = "" if urlsplit(self.base_url).path.rstrip("/").endswith("/openai") else "/openai"
        return self.url(f"{prefix}/deployments/{quote(model, safe='')}/chat/completions")
