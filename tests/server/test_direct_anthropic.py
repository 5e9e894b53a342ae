"""Anthropic's own API as the upstream: its names, its clients' credentials, its models."""

import asyncio
import json

import httpx
import pytest

from claude_proxy import create_app, load_settings
from tests.messages_upstream import message, refused

BODY = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}
OWN = "sk-ant-api03-server-0123456789"
VERSION = {"anthropic-version": "2023-06-01"}


class Api:
    """Stands in for api.anthropic.com. `answer` is a response, or what makes one."""

    def __init__(self):
        self.requests = []
        self.answer = httpx.Response(200, content=message(), headers=JSON)

    def __call__(self, request):
        self.requests.append(request)
        found = self.answer(request) if callable(self.answer) else self.answer
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)


JSON = {"content-type": "application/json"}


@pytest.fixture
def api():
    return Api()


def talk(api, method="POST", path="/v1/messages", body=BODY, headers=None, **environ):
    known = {"OPENAI_BASE_URL": "https://api.anthropic.com", **environ}
    settings = load_settings(environ=known, trusted_folder=False)

    async def one():
        app = create_app(settings, transport=httpx.MockTransport(api))
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            json = body if method == "POST" else None
            return await client.request(method, path, json=json, headers=headers)

    return asyncio.run(one())


def talk_to(gateway, api, **more):
    known = {"CLAUDE_PROXY_BACKEND": "anthropic", "OPENAI_BASE_URL": "", **more}
    return talk(api, **{"ANTHROPIC_FORWARD_URL": gateway, **known})


def sent(api):
    request = api.requests[-1]
    return {n: request.headers[n] for n in ("x-api-key", "authorization") if n in request.headers}


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": "sk-ant-api03-client"},
        {"authorization": "Bearer sk-ant-api03-client"},
        {"authorization": "Bearer sk-ant-oat01-client", "anthropic-beta": "oauth-2025-04-20"},
        {"x-api-key": "sk-ant-api03-client", "authorization": "Bearer another"},
    ],
)
def test_a_clients_credential_goes_on_as_it_came(api, headers):
    assert talk(api, headers=headers).status_code == 200
    assert sent(api) == {n: v for n, v in headers.items() if n != "anthropic-beta"}
    assert api.requests[-1].headers.get("anthropic-beta") == headers.get("anthropic-beta")
    assert str(api.requests[-1].url) == "https://api.anthropic.com/v1/messages"


def test_the_servers_key_stands_in_for_the_clients(api):
    talk(api, headers={"x-api-key": "client"}, OPENAI_API_KEY=OWN)
    assert sent(api) == {"x-api-key": OWN}


def test_without_tls_it_is_a_stranger(api):
    headers = {"x-api-key": "sk-ant-api03-client"}
    reply = talk(api, headers=headers, OPENAI_BASE_URL="http://api.anthropic.com")
    assert reply.status_code == 401 and api.requests == []


@pytest.mark.parametrize(
    ("asked", "environ", "got"),
    [
        ("claude-opus-5-5", {}, "claude-opus-5-5"),
        ("claude-haiku-4-5-20251001", {}, "claude-haiku-4-5-20251001"),
        ("claude-unheard-of-9", {}, "claude-unheard-of-9"),
        ("claude-sonnet-5-5[1m]", {}, "claude-sonnet-5-5"),
        ("haiku", {}, "claude-haiku-5-5"),
        ("claude-haiku-5-5", {"CLAUDE_PROXY_SMALL_MODEL": "claude-x"}, "claude-x"),
        ("claude-opus-5-5", {"CLAUDE_PROXY_SMALL_MODEL": "claude-x"}, "claude-opus-5-5"),
        ("claude-sonnet-5-5", {"CLAUDE_PROXY_BIG_MODEL": "claude-x"}, "claude-x"),
        ("claude-sonnet-5-5", {"CLAUDE_PROXY_MIDDLE_MODEL": "claude-x"}, "claude-x"),
        ("claude-opus-5-5", {"CLAUDE_PROXY_MODELS": "claude-opus-*:claude-y"}, "claude-y"),
        ("claude-opus-5-5", {"CLAUDE_PROXY_UNKNOWN_MODEL": "reject"}, "claude-opus-5-5"),
    ],
)
def test_claudes_names_are_its_own(api, asked, environ, got):
    reply = talk(api, body={**BODY, "model": asked}, OPENAI_API_KEY=OWN, **environ)
    assert reply.status_code == 200
    assert json.loads(api.requests[-1].content)["model"] == got


@pytest.mark.pitfall(12)
def test_thinking_that_we_made_never_gets_there(api):
    ours = {"type": "thinking", "thinking": "hm", "signature": "cpx1:deepseek"}
    history = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [ours, {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
    ]
    reply = talk(api, body={**BODY, "messages": history}, OPENAI_API_KEY=OWN)
    assert b"cpx1" not in api.requests[-1].content and b'"b"' in api.requests[-1].content
    assert "messages.1.content.0=" in reply.headers["x-claude-proxy-notes"]


REFUSED = refused(
    400,
    "invalid_request_error",
    "messages.1.content.0: Invalid `signature` in `thinking` block",
)
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "of another model"}
HIDDEN = {"type": "redacted_thinking", "data": "of another model"}
TALK = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": [THOUGHT, HIDDEN, {"type": "text", "text": "b"}]},
    {"role": "user", "content": "c"},
]


class Strict:
    """Refuses thinking as Anthropic does that knows none of it; `always`: whatever comes."""

    def __init__(self, always=False):
        self.always = always

    def __call__(self, request):
        if self.always or b"of another model" in request.content:
            return httpx.Response(400, content=REFUSED.body, headers=JSON)
        return httpx.Response(200, content=message(), headers=JSON)


@pytest.mark.pitfall(12)
def test_a_refused_signature_is_one_more_attempt_without_thinking(api):
    api.answer = Strict()
    reply = talk(api, body={**BODY, "messages": TALK}, OPENAI_API_KEY=OWN)
    assert reply.status_code == 200
    first, second = (json.loads(request.content) for request in api.requests)
    assert first["messages"] == TALK
    assert second["messages"][1]["content"] == [{"type": "text", "text": "b"}]
    notes = reply.headers["x-claude-proxy-notes"]
    assert "messages.1.content.0=" in notes and "messages.1.content.1=" in notes


@pytest.mark.pitfall(12)
def test_a_refused_signature_is_not_tried_a_third_time(api):
    api.answer = Strict(always=True)
    reply = talk(api, body={**BODY, "messages": TALK}, OPENAI_API_KEY=OWN)
    assert (reply.status_code, reply.content) == (400, REFUSED.body)
    assert len(api.requests) == 2


def test_without_thinking_there_is_no_other_attempt(api):
    api.answer = Strict(always=True)
    assert talk(api, OPENAI_API_KEY=OWN).status_code == 400
    assert len(api.requests) == 1


def test_other_refusals_keep_the_thinking(api):
    error = refused(400, "invalid_request_error", "max_tokens: too large")
    api.answer = httpx.Response(400, content=error.body, headers=JSON)
    talk(api, body={**BODY, "messages": TALK}, OPENAI_API_KEY=OWN)
    assert len(api.requests) == 1


def test_anthropics_refusal_of_a_field_is_for_its_clients(api):
    error = refused(400, "invalid_request_error", "speed: Extra inputs are not permitted")
    api.answer = httpx.Response(400, content=error.body, headers=JSON)
    reply = talk(api, body={**BODY, "speed": "fast"}, OPENAI_API_KEY=OWN)
    assert (reply.content, len(api.requests)) == (error.body, 1)


def test_without_learning_a_refused_signature_is_the_answer(api):
    api.answer = Strict()
    body = {**BODY, "messages": TALK}
    reply = talk(api, body=body, OPENAI_API_KEY=OWN, CLAUDE_PROXY_LEARNING="false")
    assert (reply.status_code, len(api.requests)) == (400, 1)


@pytest.mark.pitfall(12, 13)
def test_an_open_turn_that_loses_its_thinking_goes_on_without(api):
    api.answer = Strict()
    call = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
    turn = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [THOUGHT, call]},
        {"role": "user", "content": [result]},
    ]
    thinking = {"type": "enabled", "budget_tokens": 1024}
    body = {**BODY, "messages": turn, "thinking": thinking}
    assert talk(api, body=body, OPENAI_API_KEY=OWN).status_code == 200
    second = json.loads(api.requests[-1].content)
    assert second["thinking"] == {"type": "disabled"}
    assert second["messages"][1]["content"] == [call]


GATEWAYS = ["https://gw.example/base", "http://127.0.0.1:4000", ""]


@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_login_goes_to_the_gateway_that_the_user_named(api, gateway):
    login = {"authorization": "Bearer sk-ant-oat01-x", "anthropic-beta": "oauth-2025-04-20"}
    assert talk_to(gateway, api, headers=login).status_code == 200
    assert sent(api) == {"authorization": "Bearer sk-ant-oat01-x"}
    base = gateway or "https://api.anthropic.com"
    assert str(api.requests[-1].url) == f"{base}/v1/messages"


@pytest.mark.parametrize("gateway", ["http://gw.example", "https://openrouter.ai/api"])
def test_a_login_does_not_go_in_the_clear_or_to_strangers(api, gateway):
    login = {"authorization": "Bearer sk-ant-oat01-x"}
    assert talk_to(gateway, api, headers=login).status_code == 401
    assert api.requests == []


@pytest.mark.parametrize("gateway", [*GATEWAYS, "http://gw.example"])
def test_the_servers_anthropic_key_is_its_own_variable(api, gateway):
    headers = {"x-api-key": "client", "authorization": "Bearer client"}
    talk_to(gateway, api, headers=headers, ANTHROPIC_API_KEY=OWN, OPENAI_API_KEY="sk-other")
    assert sent(api) == {"x-api-key": OWN}


def test_without_a_key_the_client_is_told_of_anthropics(api):
    reply = talk_to("", api)
    assert reply.status_code == 401 and "or set ANTHROPIC_API_KEY" in reply.text


def test_the_version_of_clients_that_name_none_can_be_set(api):
    talk_to("", api, ANTHROPIC_API_KEY=OWN, ANTHROPIC_VERSION="2026-10-21")
    assert api.requests[-1].headers["anthropic-version"] == "2026-10-21"
    talk_to("", api, headers=VERSION, ANTHROPIC_API_KEY=OWN, ANTHROPIC_VERSION="2026-10-21")
    assert api.requests[-1].headers["anthropic-version"] == "2023-06-01"


def test_a_gateways_overflow_keeps_its_own_words(api):
    said = b'{"type":"error","error":{"type":"invalid_request_error","message":"context length"}}'
    api.answer = httpx.Response(400, content=said, headers=JSON)
    reply = talk_to("https://gw.example", api, ANTHROPIC_API_KEY=OWN)
    assert (reply.status_code, reply.content) == (400, said)


def test_a_route_may_lead_to_anthropic_beside_another_upstream(api):
    there = {"base_url": "https://api.anthropic.com", "mode": "passthrough"}
    environ = {
        "OPENAI_BASE_URL": "https://llm.example/v1",
        "CLAUDE_PROXY_UPSTREAMS": json.dumps({"claude": there}),
        "CLAUDE_PROXY_ROUTES": '[{"name": "own", "requested": "*", "model": "claude-x@claude"}]',
    }
    login = {"authorization": "Bearer sk-ant-oat01-x", "anthropic-beta": "oauth-2025-04-20"}
    assert talk(api, headers=login, **environ).status_code == 200
    assert str(api.requests[-1].url) == "https://api.anthropic.com/v1/messages"
    assert sent(api) == {"authorization": "Bearer sk-ant-oat01-x"}
    assert json.loads(api.requests[-1].content)["model"] == "claude-x"


LIST = b'{ "data": [{"id":"claude-opus-5-5","type":"model","new":1}], "has_more": false }'


def test_the_list_of_models_is_its_own(api):
    api.answer = httpx.Response(200, content=LIST, headers={**JSON, "request-id": "req_list"})
    reply = talk(api, "GET", "/v1/models?limit=1000", headers=VERSION, OPENAI_API_KEY=OWN)
    assert reply.content == LIST and reply.headers["request-id"] == "req_list"
    assert str(api.requests[-1].url) == "https://api.anthropic.com/v1/models?limit=1000"
    assert api.requests[-1].method == "GET" and sent(api) == {"x-api-key": OWN}


def test_one_model_is_its_own(api):
    api.answer = httpx.Response(200, content=b'{"id": "claude-x"}', headers=JSON)
    reply = talk(api, "GET", "/v1/models/claude-x", headers=VERSION, OPENAI_API_KEY=OWN)
    assert reply.content == b'{"id": "claude-x"}'
    assert api.requests[-1].url.path == "/v1/models/claude-x"


@pytest.mark.parametrize("id", ["a%2f..%2f..%2forganizations", "..", "%2e%2e%2fx", "a?b", "-x"])
def test_an_id_leads_nowhere_else(api, id):
    api.answer = httpx.Response(200, content=LIST, headers=JSON)
    talk(api, "GET", f"/v1/models/{id}", headers=VERSION, OPENAI_API_KEY=OWN)
    assert {request.url.path for request in api.requests} <= {"/v1/models", "/v1/models/a"}


def test_a_refused_key_is_told_for_models_too(api):
    error = refused(401, "authentication_error", "invalid x-api-key")
    api.answer = httpx.Response(401, content=error.body, headers=JSON)
    reply = talk(api, "GET", "/v1/models", headers=VERSION, OPENAI_API_KEY=OWN)
    assert (reply.status_code, reply.content) == (401, error.body)


def test_where_its_list_cannot_be_had_ours_must_do(api):
    def unreachable(request):
        raise httpx.ConnectError("no")

    api.answer = unreachable
    reply = talk(api, "GET", "/v1/models", headers=VERSION, OPENAI_API_KEY=OWN)
    assert [m["id"] for m in reply.json()["data"]][:3] == [
        "claude-opus-5-5",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
    ]


def test_openais_clients_get_its_models_in_their_shape(api):
    api.answer = httpx.Response(200, content=LIST, headers=JSON)
    reply = talk(api, "GET", "/v1/models", OPENAI_API_KEY=OWN)
    assert reply.json()["object"] == "list"
    assert "claude-opus-5-5" in [m["id"] for m in reply.json()["data"]]
    assert api.requests[-1].headers["anthropic-version"] == "2023-06-01"


def test_the_self_test_asks_the_smallest_of_its_models(api):
    report = talk(api, "GET", "/test-connection", OPENAI_API_KEY=OWN).json()
    assert report["status"] == "ok" and report["model"] == "claude-haiku-5-5"
