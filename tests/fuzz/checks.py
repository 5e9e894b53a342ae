"""Laws of single inputs, for hypothesis, for atheris, and for the live server."""

import copy
import json
from collections.abc import Callable
from typing import Any, NoReturn

from claude_proxy import UnsupportedContentError, openai_responses
from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.jsonio import dumps_body, loads_body
from claude_proxy.codecs.openai_chat import encode_request, tool_names
from claude_proxy.codecs.sse import SSEDecoder
from claude_proxy.errors import ProtocolError, RequestError
from claude_proxy.profiles import Profile
from claude_proxy.tokens import estimate_tokens
from claude_proxy.types.anthropic import StreamEvent
from tests import chat_rules, responses_rules
from tests.codecs.openai_chat.grammar import assert_legal, cut
from tests.codecs.openai_chat.plays import decode
from tests.codecs.openai_responses.plays import decode as decode_responses

Decode = Callable[[list[bytes]], list[StreamEvent]]


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
        responses = openai_responses.encode_request(request, profile=profile)
    except RequestError as error:
        assert 400 <= error.status < 500 and error.message
        assert isinstance(error, UnsupportedContentError) or error.status == 400
        return
    marks = profile.cache_control != "drop"
    for sent, rules in ((chat, chat_rules), (responses, responses_rules)):
        assert strict(dumps_body(sent)) == sent
        plain = chat_rules.unmarked(sent) if marks and sent is chat else sent
        assert rules.broken_rules(plain) == []
    assert body == before
    assert all(isinstance(path, str) and why for path, why in dropped)
    assert all(isinstance(name, str) for name in tool_names(request, profile=profile).values())
    tokens = estimate_tokens(request)
    assert isinstance(tokens, int) and tokens >= 0


def check_framing(data: bytes, limit: int, seed: int) -> None:
    """The law of h11: payloads or the one protocol error, and the same for every split."""
    whole = _payloads([data], limit)
    assert _payloads([data[at : at + 1] for at in range(len(data))], limit) == whole
    assert _payloads(cut(data, seed, 9), limit) == whole


def _payloads(pieces: list[bytes], limit: int) -> list[bytes] | None:
    """All payloads, or None where a line or event is too long."""
    decoder = SSEDecoder(limit)
    try:
        return [payload for piece in pieces for payload in decoder.feed(piece)] + decoder.close()
    except ProtocolError:
        return None


def check_stream(data: bytes, seed: int, decode: Decode = decode) -> None:
    """One end, a legal order, and the same for every split; nothing is raised."""
    whole = decode([data])
    assert_legal(whole)
    assert decode(cut(data, seed)) == whole
    assert decode([data[at : at + 1] for at in range(len(data))]) == whole


def check_responses(data: bytes, seed: int) -> None:
    """The same of a stream of the Responses API."""
    check_stream(data, seed, decode_responses)
