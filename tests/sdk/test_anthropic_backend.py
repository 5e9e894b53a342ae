"""The official client in front of Anthropic itself: all of its API, by a key or by a login."""

from collections.abc import Iterator

import anthropic
import pytest
from anthropic import Anthropic, beta_tool

from claude_proxy.settings import load_settings
from tests.anthropic_api import MODELS, AnthropicApi
from tests.conftest import running
from tests.messages_upstream import message, said
from tests.upstream import Reply, serving

OWN = "sk-ant-api03-server-0123456789"
LOGIN = "sk-ant-oat01-client-0123456789"
KEY = "sdk-client-key"
HELLO: list[anthropic.types.MessageParam] = [{"role": "user", "content": "hello"}]

WAYS = {
    "server's key": {"ANTHROPIC_API_KEY": OWN, "CLAUDE_PROXY_AUTH_KEY": KEY},
    "login": {},
    "demoted": {
        "ANTHROPIC_API_KEY": OWN,
        "CLAUDE_PROXY_AUTH_KEY": KEY,
        "ANTHROPIC_DEMOTE_NONSTREAMING": "true",
    },
}


@pytest.fixture(scope="module", params=WAYS)
def stage(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, AnthropicApi]]:
    with serving(AnthropicApi()) as api:
        assert isinstance(api, AnthropicApi)
        base = {"CLAUDE_PROXY_BACKEND": "anthropic", "ANTHROPIC_FORWARD_URL": api.url}
        environ = {**base, **WAYS[request.param]}
        with running(load_settings(environ=environ, trusted_folder=False)) as live:
            yield request.param, live.url, api


@pytest.fixture
def way(stage: tuple[str, str, AnthropicApi]) -> str:
    return stage[0]


@pytest.fixture
def api(stage: tuple[str, str, AnthropicApi]) -> AnthropicApi:
    api = stage[2]
    api.requests.clear()
    api.files.clear()
    api.batches.clear()
    return api


@pytest.fixture
def client(stage: tuple[str, str, AnthropicApi], way: str) -> Iterator[Anthropic]:
    beta = {"anthropic-beta": "oauth-2025-04-20"}
    login = {"auth_token": LOGIN, "api_key": None, "default_headers": beta}
    shown = login if way == "login" else {"api_key": KEY}
    with Anthropic(base_url=stage[1], max_retries=0, **shown) as client:  # type: ignore[arg-type]
        yield client


@pytest.fixture(autouse=True)
def credentials(api: AnthropicApi, way: str) -> Iterator[None]:
    """Whatever a test asks, the upstream has seen the right key and no other."""
    yield
    for got in api.requests:
        shown = {name: got.headers.get(name) for name in ("authorization", "x-api-key")}
        login = {"authorization": f"Bearer {LOGIN}", "x-api-key": None}
        assert shown == (login if way == "login" else {"authorization": None, "x-api-key": OWN})


def test_messages(client: Anthropic, api: AnthropicApi, way: str) -> None:
    api.play(Reply(stream=said("good ", "day")) if way == "demoted" else Reply(message("good day")))
    found = client.messages.create(model="claude-opus-5-5", max_tokens=9, messages=HELLO)
    assert found.content[0].type == "text" and found.content[0].text == "good day"
    assert (found.usage.input_tokens, found.usage.output_tokens) == (5, 42)
    assert api.last.json.get("stream", False) is (way == "demoted")


def test_stream(client: Anthropic, api: AnthropicApi) -> None:
    api.play(Reply(stream=said("good ", "day")))
    with client.messages.stream(model="claude-x", max_tokens=9, messages=HELLO) as stream:
        assert list(stream.text_stream) == ["good ", "day"]


def test_count_tokens(client: Anthropic, api: AnthropicApi) -> None:
    assert client.messages.count_tokens(model="claude-x", messages=HELLO).input_tokens == 4711


def test_models(client: Anthropic, api: AnthropicApi) -> None:
    assert tuple(model.id for model in client.models.list()) == MODELS
    found = client.models.retrieve("claude-opus-5-5")
    assert found.id == "claude-opus-5-5" and (found.model_extra or {})["brand_new"] == 1


def test_files(client: Anthropic, api: AnthropicApi) -> None:
    data = bytes(range(256)) * 1000
    files = client.beta.files
    made = files.upload(file=("a.bin", data, "application/pdf"))
    assert (made.size_bytes, made.filename, made.mime_type) == (256_000, "a.bin", "application/pdf")
    assert files.download(made.id).read() == data
    assert files.retrieve_metadata(made.id) == made
    assert [each.id for each in files.list()] == [made.id]
    assert files.delete(made.id).id == made.id
    assert api.files == {}


def test_batches(
    client: Anthropic, api: AnthropicApi, stage: tuple[str, str, AnthropicApi]
) -> None:
    batches = client.messages.batches
    params = {"model": "claude-x", "max_tokens": 9, "messages": HELLO}
    made = batches.create(
        requests=[{"custom_id": id, "params": params} for id in ("a", "b")]  # type: ignore[typeddict-item]
    )
    assert batches.retrieve(made.id).request_counts.succeeded == 2
    assert [each.id for each in batches.list()] == [made.id]
    assert batches.cancel(made.id).id == made.id
    # The SDK follows `results_url`, which leads to Anthropic itself (docs/anthropic.md).
    results = client.get(f"/v1/messages/batches/{made.id}/results", cast_to=str)
    assert results.count("\n") == 2 and '"to b"' in results


def test_what_is_not_there_is_told_by_anthropic(client: Anthropic, api: AnthropicApi) -> None:
    with pytest.raises(anthropic.NotFoundError, match="GET /v1/organizations/me"):
        client.get("/v1/organizations/me", cast_to=object)


@beta_tool
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    return str(a + b)


def test_a_refused_thread_is_the_runners_to_mend(
    client: Anthropic, api: AnthropicApi, way: str
) -> None:
    asked = {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 2, "b": 3}}
    first = Reply(message(content=[asked], stop_reason="tool_use"))
    api.play(first, Reply(message("It is 5.")))
    runner = client.beta.messages.tool_runner(
        model="claude-x", max_tokens=9, tools=[add], messages=[{"role": "user", "content": "2+3?"}]
    )
    final = runner.until_done()
    assert final.content[0].type == "text" and final.content[0].text == "It is 5."
    threads = ["thread" in post.json for post in api.posts]
    assert threads[0] and not threads[-1]
    assert api.last.json["messages"][-1]["content"][0]["content"] == "5"
