"""`/openapi.json`: valid, open, and the same as what is served."""

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from claude_proxy import __version__
from claude_proxy.server.openapi import document
from claude_proxy.server.surfaces import PLAIN, TABLE, routes

PATHS = document()["paths"]
# One for all: a client of its own for each request costs more than most tests.
CLIENT = httpx.Client(timeout=20, limits=httpx.Limits(max_keepalive_connections=0))
METHODS = ("get", "head", "post", "put", "delete", "patch", "options")
OPERATIONS = [
    (path, method) for path, item in PATHS.items() for method in METHODS if method in item
]


def test_it_is_valid():
    OpenAPIV31SpecValidator(document()).validate()
    assert document()["info"]["version"] == __version__


def test_it_has_the_rows_of_the_table_and_no_other():
    rows = {
        (path.replace("{id:path}", "{id}"), method.lower())
        for path, methods, *_ in (*TABLE, *PLAIN)
        for method in methods
    }
    assert set(OPERATIONS) == rows


def test_its_prefixes_are_the_served_ones():
    served = {route.path for route in routes(None)}
    for path, _, _, prefixes in TABLE:
        servers = PATHS[path.replace("{id:path}", "{id}")]["servers"]
        bases = [server["url"].rstrip("/") for server in servers]
        assert bases == [*prefixes]
        assert {base + path for base in bases} <= served


def test_it_is_open_for_everybody(server):
    url = f"{server(CLAUDE_PROXY_AUTH_KEY='k', CLAUDE_PROXY_BIG_MODEL='big').url}/openapi.json"
    reply = CLIENT.get(url)
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/json"
    assert reply.json() == document()
    head = CLIENT.head(url)
    assert head.content == b"" and head.headers["content-length"] == str(len(reply.content))


def test_it_says_what_needs_a_key(server):
    url = server(CLAUDE_PROXY_AUTH_KEY="k").url
    for path, method in OPERATIONS:
        status = CLIENT.request(method, url + path).status_code
        needs_key = PATHS[path][method].get("security") != []
        assert (status == 401) is needs_key, f"{method} {path}: {status}"


def test_its_errors_are_the_real_ones(server):
    url = server(CLAUDE_PROXY_AUTH_KEY="k").url
    schema = document()["components"]["schemas"]["Error"]
    check = Draft202012Validator(schema)
    for path, headers in (("/v1/models", {}), ("/v1/models", {"anthropic-version": "2023-06-01"})):
        refused = CLIENT.get(url + path, headers=headers)
        assert refused.status_code == 401
        check.validate(refused.json())
        assert ("type" in refused.json()) is bool(headers)


@pytest.mark.parametrize(("path", "name"), [("/health", "Health"), ("/livez", "Livez")])
def test_probes_are_what_it_says(server, path, name):
    schema = document()["components"]["schemas"][name]
    answer = CLIENT.get(server().url + path).json()
    Draft202012Validator(schema).validate(answer)
    assert answer.keys() == schema["properties"].keys() - {"cli"}
    assert ("503" in PATHS[path]["get"]["responses"]) is (path == "/health")


def test_the_root_shows_the_way(server):
    shown = CLIENT.get(server().url).json()["endpoints"]
    assert {"/openapi.json", "/metrics"} <= set(shown) <= set(PATHS)


@pytest.mark.parametrize("name", ["MessagesRequest", "CountRequest"])
def test_what_it_calls_required_is_required(server, name):
    schema = document()["components"]["schemas"][name]
    path = "/v1/messages" + ("/count_tokens" if name == "CountRequest" else "")
    good = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    url = server().url + path
    for field in good:
        body = {key: value for key, value in good.items() if key != field}
        refused = CLIENT.post(url, json=body).status_code == 400
        assert refused is (field in schema["required"])
