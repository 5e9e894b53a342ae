"""The key of a session: the same in every request, never random, never the id itself."""

import pytest

from claude_proxy.codecs.sessions import KEY_LENGTH, session_key
from tests.request_cases import load_captures

ID = "fdca36ab-151d-4611-927b-e2ef4c09ee51"
NEWER = f'{{"device_id":"d","account_uuid":"","session_id":"{ID}"}}'
OLDER = f"user_0123abcd_account__session_{ID}"


def body(user: object) -> dict[str, object]:
    return {"metadata": {"user_id": user}}


def test_all_that_names_one_session_gives_one_key() -> None:
    keys = {session_key(body(NEWER)), session_key(body(OLDER)), session_key({}, ID)}
    (key,) = keys
    assert key and len(key) == KEY_LENGTH <= 64 and key.isalnum() and ID not in key
    assert session_key(body(NEWER), "other") == session_key({}, "other") != key


@pytest.mark.parametrize(
    "user",
    ["", None, "alice", "[]", "5", "{}", '{"session_id": 5}', '{"session_id": ""}', "a" * 5000],
)
def test_without_a_session_there_is_no_key(user: object) -> None:
    assert session_key(body(user)) is None


def test_without_metadata_there_is_no_key() -> None:
    assert session_key({}) is None
    assert session_key({"metadata": None}) is None


def test_requests_of_the_real_client_have_a_key() -> None:
    captures = load_captures()
    assert all(session_key(capture) for capture in captures.values())
