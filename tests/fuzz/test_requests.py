"""Any request is translated into one that a strict server takes, or refused as it must be."""

from typing import Any

from hypothesis import strategies as st

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps
from claude_proxy.errors import RequestError
from claude_proxy.profiles import Profile
from claude_proxy.tokens import estimate_tokens
from tests.fuzz.checks import check_body
from tests.fuzz.law import law
from tests.fuzz.strategies import PROFILES, Json, requests

PAD = {"type": "text", "text": "lorem ipsum " * 1500}
"""Makes a body large enough for its parts to be shared with those of others."""


@law(requests, PROFILES, few=300)
def test_any_request_is_translated_or_refused(body: Json, profile: Profile) -> None:
    check_body(dumps(body), profile)


def padded(body: Json) -> Json:
    """The same request with a system text that is long."""
    system = body.get("system")
    return {**body, "system": [*(system if isinstance(system, list) else ()), PAD]}


@law(requests.map(padded), PROFILES, few=60, many=3_000)
def test_any_large_request_is_translated_or_refused(body: Json, profile: Profile) -> None:
    raw = dumps(body)
    assert len(raw) > 16_384
    for _ in range(2):  # the second time, its parts are known
        check_body(raw, profile)


@law(requests, st.data(), PROFILES, few=150)
def test_any_bytes_are_translated_or_refused(body: Json, data: Any, profile: Profile) -> None:
    raw = bytearray(dumps(body))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.binary(max_size=3)
            | st.sampled_from(
                [b"NaN", b"1e999", b"\\ud83d", b"[" * 2000, b"9" * 5000, b"\xff", b"{"]
            )
        )
    check_body(bytes(raw), profile)


@law(requests, few=100, many=3_000)
def test_any_request_that_counts_is_counted_or_refused(body: Json) -> None:
    try:
        request = decode_request(body, require_max_tokens=False)
    except RequestError:
        return
    assert estimate_tokens(request) >= 0
