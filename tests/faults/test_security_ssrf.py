"""URLs in requests and answers are data: a server that they name hears nothing."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import LiveServer, running, settings_for
from tests.faults.bodies import HELLO, Json, block, tool
from tests.faults.raw_client import exchange, request
from tests.upstream import Reply, Upstream, completion, serving, text_stream

pytestmark = pytest.mark.fault("ssrf")
METADATA = "http://169.254.169.254/latest/meta-data/iam"


@pytest.fixture(scope="module")
def decoy() -> Iterator[Upstream]:
    with serving(Upstream()) as started:
        yield started


@pytest.fixture(scope="module")
def live(quiet_upstream: Upstream) -> Iterator[LiveServer]:
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_TRUST_PROXY="true")) as started:
        yield started


@pytest.fixture(autouse=True)
def nothing_is_fetched(decoy: Upstream, quiet_upstream: Upstream) -> Iterator[None]:
    decoy.requests.clear()
    quiet_upstream.requests.clear()
    quiet_upstream.play(Reply(completion("ok")))
    yield
    assert not decoy.requests


HEADERS = [
    "host: {host}",
    "forwarded: host={host};proto=http",
    "x-forwarded-host: {host}",
    "x-forwarded-server: {host}",
    "x-forwarded-for: {host}",
    "x-forwarded-proto: {url}",
    "x-original-url: {url}/v1/messages",
    "x-rewrite-url: {url}/v1/messages",
    "x-original-host: {host}",
    "x-host: {host}",
    "x-upstream: {url}",
    "x-upstream-url: {url}/v1",
    "x-base-url: {url}/v1",
    "x-api-base: {url}/v1",
    "x-target-url: {url}",
    "x-portkey-custom-host: {url}/v1",
    "openai-base-url: {url}/v1",
    "x-openai-base-url: {url}/v1",
    "helicone-target-url: {url}",
    "x-http-destinationurl: {url}",
    "x-wap-profile: {url}/x.xml",
    "referer: {url}/",
    "proxy-connection: keep-alive",
    "via: 1.1 {host}",
    "x-claude-proxy-route: upstream={url}",
]


@pytest.mark.parametrize("line", HEADERS)
def test_a_header_names_no_upstream(live, decoy, quiet_upstream, line):
    named = line.format(host=decoy.url.removeprefix("http://"), url=decoy.url)
    host = named.removeprefix("host: ") if line.startswith("host") else "localhost"
    lines = [] if line.startswith("host") else [named.encode()]
    heard = exchange(live.port, request(b"/v1/messages", *lines, host=host.encode()))
    assert heard.status == 200
    assert decoy.url.removeprefix("http://") not in str(quiet_upstream.last.headers)


def test_an_absolute_target_names_no_upstream(live, decoy):
    exchange(live.port, request(f"{decoy.url}/v1/messages".encode()))
    exchange(live.port, request(decoy.url.removeprefix("http://").encode(), method=b"CONNECT"))


FIELDS = ["base_url", "api_base", "baseURL", "endpoint", "upstream", "url", "api_key", "proxy"]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_names_no_upstream(web, live, decoy, quiet_upstream, name):
    body = {**HELLO, name: f"{decoy.url}/v1", "metadata": {name: decoy.url}}
    assert web.post(f"{live.url}/v1/messages", json=body).status_code == 200
    assert quiet_upstream.last.path == "/v1/chat/completions"


MODELS = ["{url}/v1", "../../{url}", "openai@{url}", "//{host}/v1", "x?base_url={url}", "x#{url}"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_names_no_upstream(web, live, decoy, quiet_upstream, name):
    model = name.format(url=decoy.url, host=decoy.url.removeprefix("http://"))
    assert web.post(f"{live.url}/v1/messages", json={**HELLO, "model": model}).is_success
    assert quiet_upstream.last.path == "/v1/chat/completions"
    web.get(f"{live.url}/v1/models/{model}")


SEGMENTS = [*MODELS, "../../chat", "x/../../admin", "%2e%2e/x", "a?b", "a#b"]


def test_a_model_in_azures_path_is_one_segment(web, quiet_upstream, decoy):
    settings = settings_for(
        quiet_upstream, OPENAI_BASE_URL=quiet_upstream.url, AZURE_API_VERSION="2024-10-21"
    )
    with running(settings) as azure:
        for name in SEGMENTS:
            model = name.format(url=decoy.url, host=decoy.url.removeprefix("http://"))
            assert web.post(f"{azure.url}/v1/messages", json={**HELLO, "model": model}).is_success
            path = quiet_upstream.last.path.partition("?")[0]
            assert path.startswith("/openai/deployments/") and path.endswith("/chat/completions")
            assert path.count("/") == 5, name


def source(kind: str, url: str, *, type: str = "url") -> Json:
    return block({"type": kind, "source": {"type": type, "url": url, "file_id": url, "data": url}})


PLACES: dict[str, Callable[[str], Json]] = {
    "an image": lambda url: source("image", url),
    "a document": lambda url: source("document", url),
    "an image's file": lambda url: source("image", url, type="file"),
    "a document's file": lambda url: source("document", url, type="file"),
    "an image in a result": lambda url: block(
        {
            "type": "tool_result",
            "tool_use_id": "t",
            "content": [{"type": "image", "source": {"type": "url", "url": url}}],
        }
    ),
    "a search result": lambda url: block(
        {"type": "search_result", "source": url, "title": url, "content": []}
    ),
    "a text": lambda url: block({"type": "text", "text": f"read {url}"}),
    "an upload": lambda url: block({"type": "container_upload", "file_id": url}),
    "an MCP server": lambda url: {
        **HELLO,
        "mcp_servers": [{"type": "url", "url": url, "name": "m"}],
    },
    "a schema": lambda url: tool(input_schema={"type": "object", "$ref": url, "$schema": url}),
    "a web tool": lambda url: {
        **HELLO,
        "tools": [{"type": "web_fetch_20250910", "name": "web_fetch", "allowed_domains": [url]}],
    },
    "a container": lambda url: {**HELLO, "container": url},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_url_in_a_body_is_not_fetched(web, live, decoy, place):
    for path in ("/v1/messages", "/v1/messages/count_tokens"):
        for end in ("/a.png", "/a.pdf", "/v1/files/f"):
            reply = web.post(live.url + path, json=PLACES[place](decoy.url + end))
            assert reply.status_code in (200, 400)


LOCAL = [
    "file:///etc/passwd",
    "file://localhost/etc/hostname",
    METADATA,
    "/etc/passwd",
    "gopher://x",
]


@pytest.mark.parametrize("url", LOCAL)
@pytest.mark.parametrize(
    "place", ["an image", "a document", "an image's file", "a document's file"]
)
def test_no_local_file_is_read(web, live, quiet_upstream, tmp_path, place, url):
    secret = tmp_path / "secret.txt"
    secret.write_text("canary-of-a-file")
    for target in (url, secret.as_uri(), str(secret)):
        reply = web.post(f"{live.url}/v1/messages", json=PLACES[place](target))
        assert reply.status_code in (200, 400)
    sent = b"".join(post.body for post in quiet_upstream.posts)
    assert b"canary-of-a-file" not in sent and b"root:" not in sent


@pytest.mark.parametrize("transport", ["aiohttp", "httpx"])
def test_a_redirect_is_not_followed(web, quiet_upstream, decoy, transport):
    headers = {"location": f"{decoy.url}/v1/chat/completions", "refresh": f"0; url={decoy.url}"}
    with running(settings_for(quiet_upstream, CLAUDE_PROXY_TRANSPORT=transport)) as live:
        for status in (301, 302, 303, 307, 308):
            quiet_upstream.play(Reply({}, status=status, headers=headers))
            for stream in (False, True):
                quiet_upstream.requests.clear()
                reply = web.post(f"{live.url}/v1/messages", json={**HELLO, "stream": stream})
                assert reply.status_code == 502 and "location" not in reply.headers
                assert len(quiet_upstream.posts) == 1


def test_urls_in_an_answer_are_not_fetched(web, live, decoy, quiet_upstream):
    text = f"![x]({decoy.url}/x.png) <img src={decoy.url}/y.png>"
    quiet_upstream.play(Reply(stream=text_stream(text)))
    reply = web.post(f"{live.url}/v1/messages", json={**HELLO, "stream": True})
    assert decoy.url in reply.text
