"""The redactor: known keys in every encoding, unknown ones by their shape, in linear time."""

import base64
import html
import json
import logging
import time
import traceback
from urllib.parse import quote, urlencode

import pytest

from claude_proxy.server.redact import MASK, Redactor

KEY = "canary/Value+0123456789=quote'and\"more"
PLAIN = "canary0value1234567890"
KEYS = pytest.mark.parametrize("key", [KEY, PLAIN], ids=["odd", "plain"])

ENCODINGS = {
    "as it is": lambda key: key,
    "JSON": json.dumps,
    "JSON in JSON": lambda key: json.dumps(json.dumps({"key": key})),
    "repr": repr,
    "repr in JSON": lambda key: json.dumps({"text": repr(key)}),
    "repr of bytes": lambda key: repr(key.encode()),
    "HTML": html.escape,
    "a path segment": lambda key: quote(key, safe=""),
    "a path": quote,
    "a query": lambda key: urlencode({"key": key}),
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 for URLs": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "Basic": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "Basic, another offset": lambda key: base64.b64encode(f"users:{key}".encode()).decode(),
    "Basic, the third offset": lambda key: base64.b64encode(f"us:{key}:x".encode()).decode(),
    "a list of headers": lambda key: repr([(b"x-key", key.encode())]),
    "a formatted exception": lambda key: "".join(traceback.format_exception(KeyError(key))),
}


@pytest.mark.fault("secrets")
@KEYS
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_known_key_is_found_in_every_encoding(key, encoding):
    text = f"before {ENCODINGS[encoding](key)} behind"
    for cleaned in (Redactor([key]).clean(text), Redactor().clean(text, key)):
        assert MASK in cleaned and cleaned.startswith("before ") and cleaned.endswith(" behind")
        # Nothing of it is left that would help: not in clear, and not decoded.
        assert "0123456789" not in cleaned and "1234567890" not in cleaned
        assert not any("3456789" in text for text in decoded(cleaned))


def decoded(text: str) -> list[str]:
    """What the words of a text are when they are taken for base64 or hexadecimal."""
    found = []
    for word in text.replace(MASK, " ").split():
        for start in range(4):
            raw = word[start:].encode()
            padded = raw[: len(raw) // 4 * 4]
            for decode in (base64.b64decode, base64.urlsafe_b64decode):
                try:
                    found.append(decode(padded).decode("latin-1"))
                except ValueError:
                    continue
    return found


@pytest.mark.fault("secrets")
@pytest.mark.parametrize("length", [len(PLAIN) - 1, 15, 8])
def test_a_key_that_is_cut_off_is_masked_too(length):
    text = "the key is " + PLAIN[:length]
    assert Redactor([PLAIN]).clean(text) == f"the key is {MASK}"
    assert Redactor([PLAIN]).clean(text + "…") == f"the key is {MASK}…"


SHAPED = [
    "text {}",
    "\\n{}",
    "\\u000a{}",
    "\\x1b[31m{}",
    "\x1b[35m{}\x1b[0m",
    "?key={}",
    "%3D{}",
    "my_{}",
    '"{}"',
    "b'{}'",
    "({})",
]


@pytest.mark.fault("secrets")
@pytest.mark.parametrize("around", SHAPED)
@pytest.mark.parametrize(
    "key",
    [
        "sk-abcdefgh12345",
        "sk-ant-oat01-AbC_dEf",
        "nvapi-abcdefgh12345",
        "ghp_abcdefgh12345678",
        "eyJhbGciOiJI.eyJzdWIiOiIx.sig-abc_def",
    ],
)
def test_an_unknown_key_is_found_wherever_its_word_begins(around, key):
    cleaned = Redactor().clean(around.format(key))
    assert MASK in cleaned and key not in cleaned and "abcdefgh" not in cleaned


NAMED = [
    "{'x-api-key': 'made-up-by-hand'}",
    '{"x-api-key": "made-up-by-hand"}',
    '{\\"x-api-key\\": \\"made-up-by-hand\\"}',
    "(b'x-api-key', b'made-up-by-hand')",
    "x-api-key: made-up-by-hand",
    "X-API-Key:made-up-by-hand",
    "https://a.example/v1?api_key=made-up-by-hand&x=1",
    "?access_token=made-up-by-hand",
    "api-key=made-up-by-hand",
    "authorization: Bearer made-up-by-hand",
    "'Authorization': 'Bearer made-up-by-hand'",
    "Authorization: Basic bWFkZS11cC1ieS1oYW5k",
    "Bearer%20made-up-by-hand",
    "authorization: made-up-by-hand",
]


@pytest.mark.fault("secrets")
@pytest.mark.parametrize("text", NAMED)
def test_a_key_of_any_shape_is_found_by_its_name(text):
    cleaned = Redactor().clean(text)
    assert "made-up-by-hand" not in cleaned and "bWFkZS11" not in cleaned and MASK in cleaned


@pytest.mark.fault("secrets")
@pytest.mark.parametrize(
    "text",
    [
        "Missing or wrong key. Send the server's CLAUDE_PROXY_AUTH_KEY as x-api-key or as "
        "Authorization: Bearer (for Claude Code: ANTHROPIC_API_KEY).",
        "messages.0.content.0.source.media_type: Field required",
        "error=authentication_error reason=task-management",
        "basic understanding of the task",
        "request_id=req_3e30d7572ff1d75a2f5c1139ba949f85 ms=5 path=/v1/messages",
        "api_error",
    ],
)
def test_what_is_no_key_stays(text):
    assert Redactor([KEY, PLAIN]).clean(text) == text


PROVOCATIONS = [
    "sk-",
    "sk-a",
    "bearer ",
    "bearer",
    "eyJ",
    "eyJa.",
    "AIza",
    "x-api-key",
    "\\x1",
    "%3",
]


@pytest.mark.fault("redos")
@pytest.mark.parametrize(
    "piece", [*PROVOCATIONS, "api_key=", "api_key: ", PLAIN[:8], PLAIN[:9], " "]
)
def test_cleaning_takes_linear_time(piece):
    cleaner = Redactor([KEY, PLAIN])

    def seconds(length: int) -> float:
        text = (piece * length)[:length] + "sk-"
        started = time.process_time()
        cleaner.clean(text)
        return time.process_time() - started

    assert seconds(1_000_000) < 2  # a quadratic pattern takes minutes


def test_a_record_of_another_library_is_cleaned_on_its_way(capsys):
    from claude_proxy.server.logs import configure_logs
    from claude_proxy.settings import load_settings

    settings = load_settings(environ={"OPENAI_API_KEY": PLAIN}, trusted_folder=False)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logs(settings)
        try:
            raise ValueError(f"sent {PLAIN} as Basic {base64.b64encode(PLAIN.encode()).decode()}")
        except ValueError:
            logging.getLogger("other").exception("with %s", {"key": PLAIN})
        written = capsys.readouterr().err
    finally:
        import structlog

        structlog.reset_defaults()
        root.handlers[:], root.level = before
    assert "ValueError" in written and written.count(MASK) >= 3 and PLAIN not in written


@pytest.mark.fault("log-injection")
def test_a_json_line_is_one_line_for_every_reader():
    from claude_proxy.server.logs import _render_json

    odd = "a\u2028b\u2029c\x85d\u202ee\x7f\x1b\n\U000e0001\u00e9\U0001f600"
    line = _render_json(None, "info", {"event": "learned", "model": odd})
    assert line.isprintable() and "\u00e9\U0001f600" in line
    assert json.loads(line)["model"] == odd
