"""Keys never leave: by value and by pattern."""

import time

import pytest

from claude_proxy.server.redact import MASK, Redactor


@pytest.mark.parametrize(
    "key",
    [
        "sk-abcdefgh12345",
        "sk-ant-api03-AbC_dEf-123456",
        "sk-proj-abc***********xyz",
        "gsk_abcdefgh1234567",
        "xai-abcdefgh1234567",
        "hf_abcdefgh1234567",
        "AIza" + "B" * 30,
    ],
)
def test_what_looks_like_a_key_is_masked(key):
    assert Redactor().clean(f"the key {key} is wrong") == f"the key {MASK} is wrong"


def test_a_bearer_token_is_masked():
    assert "abcdef0123" not in Redactor().clean("Authorization: Bearer abcdef0123456789")


def test_known_values_are_masked_whatever_they_look_like():
    cleaned = Redactor(["plain words"]).clean("with plain words and more-of-it", "more-of-it")
    assert cleaned == f"with {MASK} and {MASK}"


def test_longer_values_go_first_and_short_ones_stay():
    assert Redactor(["abcd", "abcdefgh", "a"]).clean("a abcdefgh abcd") == f"a {MASK} {MASK}"


@pytest.mark.parametrize("text", ["task-management", "keys", "sk-", "ask-me-anything", "api"])
def test_ordinary_words_stay(text):
    assert Redactor().clean(text) == text


def test_a_key_with_a_quote_is_masked_in_json_too():
    assert Redactor(['odd"key\\']).clean(r'{"a":"odd\"key\\"}') == '{"a":"[redacted]"}'


def test_a_long_text_takes_linear_time():
    cleaner = Redactor(["secret-value"])
    started = time.process_time()
    cleaner.clean("sk" * 200_000 + "bearer " * 50_000)
    assert time.process_time() - started < 5  # quadratic time would be minutes
