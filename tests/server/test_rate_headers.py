"""Rate limits of upstreams in Anthropic's names."""

import httpx
import pytest

from claude_proxy.server.rate_headers import anthropic_limits, openai_limits
from tests.messages_upstream import message, refused
from tests.server.test_answers import ask
from tests.upstream import Reply, completion

NOON = 1_795_262_400.0  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("1s", "12:00:01"),
        ("7.66s", "12:00:08"),
        ("6m0s", "12:06:00"),
        ("2m59.56s", "12:03:00"),
        ("120ms", "12:00:01"),
        ("0s", "12:00:00"),
        ("1h2m3s", "13:02:03"),
        ("59", "12:00:59"),
        ("0.5", "12:00:01"),
    ],
)
def test_a_time_from_now_becomes_a_moment(given, told):
    found = anthropic_limits({"x-ratelimit-reset-tokens": given}, NOON)
    assert found == {"anthropic-ratelimit-tokens-reset": f"2026-11-21T{told}Z"}


@pytest.mark.parametrize(
    "given", ["", "soon", "1x", "s", "1h soon", "1795262400000", "-1", "9" * 40]
)
def test_other_times_are_not_guessed_at(given):
    assert anthropic_limits({"x-ratelimit-reset-requests": given}, NOON) == {}


@pytest.mark.parametrize("given", ["", "many", "-1", "1.5", "٣"])
def test_what_is_no_number_is_none(given):
    assert anthropic_limits({"x-ratelimit-remaining-requests": given}, NOON) == {}


@pytest.mark.pitfall(35)
def test_an_upstreams_limits_are_told_in_both_ways(server, upstream):
    limits = {
        "x-ratelimit-limit-requests": "60",
        "X-RateLimit-Remaining-Tokens": "0",
        "x-ratelimit-reset-tokens": "7.66s",
        "x-ratelimit-limit-audio": "5",
    }
    refusal = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    upstream.play(
        Reply(refusal, status=429, headers={**limits, "retry-after": "8"}),
        Reply(completion("ok"), headers=limits),
    )
    url = server().url
    for status in (429, 200):
        reply = ask(url)
        assert reply.status_code == status
        told = {k: v for k, v in reply.headers.items() if k.startswith("anthropic-ratelimit-")}
        assert told.pop("anthropic-ratelimit-tokens-reset").endswith("Z")
        assert told == {
            "anthropic-ratelimit-requests-limit": "60",
            "anthropic-ratelimit-tokens-remaining": "0",
        }
        assert reply.headers["x-ratelimit-limit-requests"] == "60"


def test_nothing_is_made_up_where_an_upstream_tells_no_limits(server, upstream):
    upstream.play(Reply({"error": {"message": "slow down"}}, status=429))
    reply = ask(server().url)
    assert reply.status_code == 429
    assert not [name for name in reply.headers if "ratelimit" in name or name == "retry-after"]


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        ("2026-11-21T12:00:01Z", "1s"),
        ("2026-11-21T12:06:00Z", "6m0s"),
        ("2026-11-21T13:02:03+00:00", "1h2m3s"),
        ("2026-11-21T13:06:00+01:00", "6m0s"),
        ("2026-11-21T11:00:00Z", "0s"),
    ],
)
def test_a_moment_becomes_a_time_from_now(moment, told):
    found = openai_limits({"anthropic-ratelimit-tokens-reset": moment}, NOON)
    assert found == {"x-ratelimit-reset-tokens": told}


@pytest.mark.parametrize("moment", ["", "soon", "2026-11-21T12:00:01", "12"])
def test_other_moments_are_not_guessed_at(moment):
    assert openai_limits({"anthropic-ratelimit-requests-reset": moment}, NOON) == {}


@pytest.mark.pitfall(35)
@pytest.mark.parametrize("status", [200, 429])
def test_clients_of_openai_see_the_limits_of_anthropic_in_their_names(server, upstream, status):
    limits = {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-remaining": "5",
        "request-id": "req_theirs",
    }
    answer = message() if status == 200 else refused(429, "rate_limit_error", "slow").body
    upstream.play(Reply(answer, status=status, headers=limits))
    url = server(CLAUDE_PROXY_UPSTREAM_DIALECT="messages").url
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
    reply = httpx.post(f"{url}/v1/chat/completions", json=body)
    assert reply.status_code == status
    assert reply.headers["x-ratelimit-limit-requests"] == "60"
    assert reply.headers["x-ratelimit-remaining-tokens"] == "0"
    assert reply.headers["anthropic-ratelimit-input-tokens-remaining"] == "5"
    assert reply.headers["x-upstream-request-id"] == "req_theirs"
