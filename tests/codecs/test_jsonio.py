"""JSON in and out: however bytes fail to be JSON, the failure is one kind of error."""

import pytest

from claude_proxy.codecs.jsonio import dumps, dumps_text, loads, loads_body
from claude_proxy.errors import RequestError

NO_JSON = [
    b"",
    b"{",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b'"\\ud800"',
    b'"\xff"',
    b"[" * 100_000,
    b"1" * 5000,
    b"\xef\xbb\xbf{}",
    '{"a": 1}'.encode("utf-16"),
]


@pytest.mark.parametrize("raw", NO_JSON, ids=lambda raw: repr(raw[:12]))
def test_what_is_no_json_is_a_value_error_and_a_400(raw):
    with pytest.raises(ValueError):
        loads(raw)
    with pytest.raises(RequestError, match="not valid JSON") as caught:
        loads_body(raw)
    assert caught.value.status == 400


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"1"])
def test_a_body_is_an_object(raw):
    with pytest.raises(RequestError, match="must be a JSON object"):
        loads_body(raw)


def test_what_went_in_comes_out():
    value = {"a": [1, 2.5, None, True, "ü\u2028\x00"], "big": 12345678901234567890123}
    assert loads(dumps(value)) == loads(dumps_text(value)) == value
    assert loads_body(b'{"a": 1, "a": 2}') == {"a": 2}


def test_text_is_compact_and_keeps_its_characters():
    assert dumps_text({"a": "ü"}) == '{"a":"ü"}'
