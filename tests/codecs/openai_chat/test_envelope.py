"""Errors in the one shape that OpenAI's clients know."""

import json

import pytest

from claude_proxy.codecs.openai_chat import decode_error, encode_error
from claude_proxy.codecs.openai_chat.envelope import ending_in, enveloped, failed
from claude_proxy.errors import STATUS, ClaudeProxyError, RequestError, UpstreamError


def test_an_error_may_have_a_more_exact_code() -> None:
    error = RequestError("no", status=404, code="unknown_url")
    assert encode_error(error)[1]["error"]["code"] == "unknown_url"


def test_encode_error_is_openai_s_envelope() -> None:
    assert encode_error(RequestError("no"), request_id="req_1") == (
        400,
        {
            "error": {
                "message": "no",
                "type": "invalid_request_error",
                "param": None,
                "code": None,
            }
        },
    )


def test_an_error_of_a_request_names_its_field() -> None:
    status, body = encode_error(RequestError("n: no", param="n"))
    assert (status, body["error"]["param"], body["error"]["code"]) == (400, "n", None)


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("prompt is too long: 5 tokens > 4 maximum", 400, "context_length_exceeded"),
        ("prompt is too long: 5 tokens > 4 maximum", 500, None),
        ("no", 400, None),
        ("no", 401, "invalid_api_key"),
        ("no", 404, "model_not_found"),
        ("no", 429, "rate_limit_exceeded"),
        ("no", 402, "insufficient_quota"),
    ],
)
def test_codes_of_openai(message: str, status: int, code: str | None) -> None:
    assert encode_error(UpstreamError(message, status=status))[1]["error"]["code"] == code


@pytest.mark.parametrize("type", STATUS)
def test_every_error_type_has_its_envelope(type: str) -> None:
    status, body = encode_error(ClaudeProxyError("no", status=418, type=type))
    assert status == 418
    assert set(body["error"]) == {"message", "type", "param", "code"}


def test_no_money_has_a_code_and_a_type_of_its_own() -> None:
    refused = decode_error(429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}')
    error = encode_error(refused)[1]["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")


@pytest.mark.parametrize(
    ("code", "told"),
    [("unsupported_parameter", "unsupported_parameter"), ("1113x", "1113x"), ("1234", None)]
    + [(400, None), ("", None), (None, None)],
)
def test_an_upstreams_code_stays(code, told) -> None:
    refused = decode_error(400, json.dumps({"error": {"message": "no", "code": code}}).encode())
    assert encode_error(refused)[1]["error"]["code"] == told


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        {"error": {"message": "no", "type": None, "param": None, "code": 5, "more": [1]}},
        {"type": "error", "error": {"type": "not_found_error", "message": "model: x"}},
        {"error": {"message": "no"}, "user_id": "u"},
    ],
)
def test_what_the_clients_can_read_keeps_its_bytes(body) -> None:
    raw = json.dumps(body, indent=1).encode()
    assert enveloped(400, raw) is raw


BAD = "invalid_request_error"


LONG = "This model's maximum context length is 4096 tokens."
SILENT = "The upstream answered 500 Internal Server Error without a message."
MISSING = {"loc": ["body", "n"], "msg": "Field required", "type": "missing"}
VLLM = {"object": "error", "message": "bad", "type": "BadRequestError", "param": None, "code": 400}


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, {"error": "try pulling it"}, ("try pulling it", BAD, None, None)),
        (403, {"detail": "Not you"}, ("Not you", "permission_error", None, None)),
        (422, {"detail": [MISSING]}, ("Field required", BAD, "n", None)),
        (400, VLLM, ("bad", "BadRequestError", None, "400")),
        (400, {"type": "error", "message": "bad"}, ("bad", BAD, None, None)),
        (400, {"code": "Invalid argument", "error": "x"}, ("x", BAD, None, "Invalid argument")),
        (429, {"message": "slow"}, ("slow", "rate_limit_error", None, "rate_limit_exceeded")),
        (400, {"detail": LONG}, (LONG, BAD, None, "context_length_exceeded")),
        (400, {"error": {"msg": "bad", "type": "x"}}, ("bad", "x", None, None)),
        (500, {"errno": 7}, (SILENT, "server_error", None, None)),
    ],
)
def test_other_errors_get_an_envelope_beside_their_fields(status, body, told) -> None:
    made = json.loads(enveloped(status, json.dumps(body).encode()))
    error = made.pop("error")
    assert (error["message"], error["type"], error["param"], error["code"]) == told
    assert made == {name: value for name, value in body.items() if name != "error"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [(b"engine on fire", "engine on fire"), (b'{"error": {"mess', '{"error": {"mess')]
    + [(b'["no"]', "no"), (b'[{"error": {"message": "no"}}]', "no")],
)
def test_what_is_no_object_is_told_in_one(raw, message) -> None:
    told = json.loads(enveloped(503, raw))
    assert told == {
        "error": {"message": message, "type": "server_error", "param": None, "code": "overloaded"}
    }


def test_a_refusal_in_an_event_is_one_without_it() -> None:
    raw = b'{"error": {"message": "no"}}'
    assert enveloped(400, b"data: " + raw + b"\n\n") == raw


def test_an_error_that_said_200_has_its_status_and_its_words() -> None:
    raw = b'{"error": {"message": "pay", "code": "insufficient_quota"}}'
    error = failed(raw)
    assert error.status == 429 and error.answer == (raw, "application/json", "", 429)
    error = failed(b'{"detail": "no"}')
    assert error.status == 502 and error.answer is not None
    assert json.loads(error.answer.body)["error"]["message"] == "no"


FIRST = b'data: {"choices": []}\n\n'


@pytest.mark.parametrize("before", [b"", FIRST, FIRST + b": comment\r\n\r\n"])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\r", b""])
def test_the_last_event_of_a_stream_gets_the_envelope(before, end) -> None:
    failure = b'{"error": "died"}'
    made = ending_in(failure, before + b"event: error\ndata: " + failure + end)
    assert made.startswith(before + b"data: ") and made.endswith(b"\n\n")
    assert json.loads(made[len(before) + 6 :])["error"]["message"] == "died"


def test_a_last_event_that_has_it_stays_as_it_is() -> None:
    failure = b'{"error":  {"message": "died"}}'
    events = FIRST + b"data: " + failure + b"\r\n\r\n"
    assert ending_in(failure, events) is events
