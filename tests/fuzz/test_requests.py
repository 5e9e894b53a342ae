"""Any request is translated into one that a strict server takes, or refused as it must be."""

import copy
import json
import math
from typing import Any, NoReturn

from hypothesis import strategies as st

from claude_proxy import UnsupportedContentError
from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps, dumps_body, loads_body
from claude_proxy.codecs.openai_chat import encode_request, tool_names
from claude_proxy.errors import RequestError
from claude_proxy.profiles import Profile
from claude_proxy.tokens import estimate_tokens
from tests.chat_rules import broken_rules
from tests.fuzz.law import law
from tests.fuzz.strategies import PROFILES, Json, requests

PAD = {"type": "text", "text": "lorem ipsum " * 1500}
"""Makes a body large enough for its parts to be shared with those of others."""


def strict(raw: bytes) -> Any:
    """The value by another parser, which takes nothing that is not in the standard."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(raw.decode("utf-8"), parse_constant=refuse)


def check_body(raw: bytes, profile: Profile) -> None:
    """The law: valid JSON within the rules, or one of the two errors; the input is unchanged."""
    try:
        body = loads_body(raw)
        before = copy.deepcopy(body)
        request = decode_request(body)
        dropped: list[tuple[str, str]] = []
        chat = encode_request(request, profile=profile, on_drop=lambda *note: dropped.append(note))
    except RequestError as error:
        assert 400 <= error.status < 500 and error.message
        assert isinstance(error, UnsupportedContentError) or error.status == 400
        return
    assert strict(dumps_body(chat)) == chat
    assert broken_rules(chat) == []
    assert body == before
    assert all(isinstance(text, str) and text for note in dropped for text in note)
    assert all(isinstance(name, str) for name in tool_names(request, profile=profile).values())
    tokens = estimate_tokens(request)
    assert isinstance(tokens, int) and 0 <= tokens < math.inf


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


@law(requests, few=100)
def test_any_request_that_counts_is_counted_or_refused(body: Json) -> None:
    try:
        request = decode_request(body, require_max_tokens=False)
    except RequestError:
        return
    assert estimate_tokens(request) >= 0
