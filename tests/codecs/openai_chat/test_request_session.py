"""The key of a session goes where the upstream takes one, and is the same in every request."""

from dataclasses import replace
from typing import Any

import pytest

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.openai_chat.request import encode_request
from claude_proxy.codecs.sessions import session_key
from tests.conversation import twenty_turns
from tests.request_cases import NAMED, load_captures

GPT_4O = NAMED["openai/gpt-4o"]
BODY = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]}


def sent(body: dict[str, Any], field: Any, session: str = "") -> Any:
    profile = replace(GPT_4O, session_field=field)
    return encode_request(decode_request(body), profile=profile, session=session).get(field)


@pytest.mark.pitfall(34)
@pytest.mark.parametrize("field", ["prompt_cache_key", "session_id"])
def test_one_conversation_has_one_key(field: str) -> None:
    keys = {sent(step.body, field) for step in twenty_turns()}
    assert len(keys) == 1 and None not in keys


def test_a_subagent_has_its_sessions_key() -> None:
    body = load_captures()["sub_fork"]
    session = body["metadata"]["user_id"].rpartition('"session_id":"')[2].rstrip('"}')
    assert sent(body, "prompt_cache_key") == session_key({}, session)


def test_without_a_session_nothing_is_sent() -> None:
    assert sent(BODY, "prompt_cache_key") is None
    assert sent(BODY, "prompt_cache_key", "a-session") == session_key({}, "a-session")
    assert "prompt_cache_key" not in encode_request(
        decode_request(BODY), profile=GPT_4O, session="a"
    )
