"""Errors of upstreams, in all their shapes."""

import json
import time

import pytest

from claude_proxy.codecs.openai_chat import decode_error
from claude_proxy.codecs.openai_chat.errors import MESSAGE_LIMIT, find_error, stream_error

STATUSES = [
    (400, 400, "invalid_request_error"),
    (401, 401, "authentication_error"),
    (402, 402, "billing_error"),
    (403, 403, "permission_error"),
    (404, 404, "not_found_error"),
    (408, 504, "timeout_error"),
    (409, 409, "invalid_request_error"),
    (413, 413, "request_too_large"),
    (422, 422, "invalid_request_error"),
    (429, 429, "rate_limit_error"),
    (500, 502, "api_error"),
    (501, 502, "api_error"),
    (502, 502, "api_error"),
    (503, 503, "overloaded_error"),
    (504, 504, "timeout_error"),
    (520, 502, "api_error"),
    (524, 504, "timeout_error"),
    (529, 529, "overloaded_error"),
    (200, 502, "api_error"),
    (302, 502, "api_error"),
]

MESSAGES = [
    ("OpenAI", '{"error": {"message": "bad", "type": "x", "code": null}}', "bad"),
    ("LM Studio", '{"error": "bad"}', "bad"),
    ("Gemini", '[{"error": {"code": 400, "message": "bad", "status": "INVALID_ARGUMENT"}}]', "bad"),
    ("xAI", '{"code": "Some requested entity was not found", "error": "bad"}', "bad"),
    ("message", '{"message": "bad"}', "bad"),
    ("FastAPI", '{"detail": "bad"}', "bad"),
    (
        "FastAPI validation",
        '{"detail": [{"loc": ["body"], "msg": "bad"}, {"msg": "worse"}]}',
        "bad; worse",
    ),
    (
        "Mistral",
        '{"object": "error", "message": {"detail": [{"msg": "bad"}]}, "type": "x", "code": 1}',
        "bad",
    ),
    ("OAuth", '{"error": {"error_description": "bad"}}', "bad"),
    (
        "OpenRouter",
        '{"error": {"message": "Provider returned error", "metadata": '
        '{"raw": "{\\"error\\": {\\"message\\": \\"bad\\"}}"}}}',
        "Provider returned error: bad",
    ),
    (
        "OpenRouter, plain text",
        '{"error": {"metadata": {"raw": "bad"}}}',
        "bad",
    ),
    (
        "OpenRouter, object",
        '{"error": {"message": "x", "metadata": {"raw": {"detail": "bad"}}}}',
        "x: bad",
    ),
    ("an event", 'data: {"error": {"message": "bad"}}\n\n', "bad"),
    ("plain text", "  bad\n", "bad"),
    ("a JSON string", '"bad"', "bad"),
    ("HTML", "<!DOCTYPE html><h1>bad</h1>", "The upstream answered with an HTML page (status 400)"),
    ("nginx", "\n<html><head>", "The upstream answered with an HTML page (status 400)"),
    (
        "HTML in JSON",
        '{"error": {"message": "<html>bad</html>"}}',
        "The upstream answered with an HTML page (status 400)",
    ),
    ("nothing", "", "The upstream answered 400 Bad Request without a message."),
    ("an empty object", "{}", "The upstream answered 400 Bad Request without a message."),
    ("a number", "17", "The upstream answered 400 Bad Request without a message."),
    ("an empty list", "[]", "The upstream answered 400 Bad Request without a message."),
    (
        "nested without end",
        '{"error": {"error": {"error": {"error": {"error": {"error": "bad"}}}}}}',
        "The upstream answered 400 Bad Request without a message.",
    ),
]

BY_PROVIDER = [
    (
        "Azure",
        400,
        {"error": {"message": "filtered", "code": "content_filter", "innererror": {"code": "x"}}},
        (400, "filtered"),
    ),
    (
        "DeepSeek",
        402,
        {"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "x"}},
        (402, "Insufficient Balance"),
    ),
    (
        "DashScope",
        400,
        {"error": {"code": "Arrearage", "message": "Access denied", "type": "Arrearage"}},
        (429, "Access denied"),
    ),
    (
        "DashScope, its own shape",
        400,
        {"code": "InvalidParameter", "message": "enable_thinking", "request_id": "1"},
        (400, "enable_thinking"),
    ),
    (
        "Gemini",
        429,
        [{"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}],
        (429, "quota"),
    ),
    (
        "xAI",
        400,
        {"code": "Client specified an invalid argument", "error": "no stop"},
        (400, "no stop"),
    ),
    (
        "Mistral, within messages",
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "user"], "msg": "Extra inputs"}]},
        (422, "Extra inputs"),
    ),
    (
        "Groq",
        400,
        {"error": {"message": "no call", "code": "tool_use_failed", "failed_generation": "x"}},
        (
            400,
            "The model wrote a tool call that its server could not read: no call It wrote: x",
        ),
    ),
    (
        "Groq, without the words",
        400,
        {"error": {"message": "no call", "code": "tool_use_failed"}},
        (400, "The model wrote a tool call that its server could not read: no call"),
    ),
    (
        "Together",
        422,
        {"id": "1", "error": {"message": "bad", "type": "invalid_request_error", "code": None}},
        (422, "bad"),
    ),
    ("Fireworks", 400, {"error": {"object": "error", "message": "bad"}}, (400, "bad")),
    ("GLM", 429, {"error": {"code": "1113", "message": "no balance"}}, (429, "no balance")),
    (
        "Moonshot",
        429,
        {"error": {"message": "suspended", "type": "exceeded_current_quota_error"}},
        (429, "suspended"),
    ),
    (
        "MiniMax",
        401,
        {"type": "error", "error": {"type": "authentication_error", "message": "login (1004)"}},
        (401, "login (1004)"),
    ),
    (
        "MiniMax, its own shape",
        200,
        {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        (429, "insufficient balance"),
    ),
    ("Ollama", 404, {"error": {"message": 'model "x" not found', "type": "x"}}, (404, None)),
    ("vLLM", 400, {"object": "error", "message": "bad", "code": 400}, (400, "bad")),
    ("FastAPI in front", 422, {"detail": [{"loc": ["body"], "msg": "bad"}]}, (422, "bad")),
    ("llama.cpp", 500, {"error": {"code": 500, "message": "bad", "type": "x"}}, (502, "bad")),
    ("LM Studio", 400, {"error": "Invalid tool_choice type"}, (400, "Invalid tool_choice type")),
]

NO_NUMBERS = (
    "prompt is too long: the request has more tokens than the context window of the model holds"
)

TOO_LONG = [
    (
        "OpenAI",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in "
        "9001 tokens. Please reduce the length of the messages.",
        "prompt is too long: 9001 tokens > 8192 maximum",
    ),
    (
        "OpenAI, prompt and completion too long",
        "This model's maximum context length is 8192 tokens. However, you requested 10024 tokens "
        "(9000 in the messages, 1024 in the completion). Please reduce the length of the messages "
        "or completion.",
        "prompt is too long: 9000 tokens > 8192 maximum",
    ),
    (
        "OpenAI, the completion is too long",
        "This model's maximum context length is 8192 tokens. However, you requested 9024 tokens "
        "(8000 in the messages, 1024 in the completion). Please reduce the length of the messages "
        "or completion.",
        "input length and `max_tokens` exceed context limit: 8000 + 1024 > 8192, "
        "decrease input length or `max_tokens` and try again",
    ),
    (
        "OpenAI with functions",
        "This model's maximum context length is 16385 tokens. However, you requested 17000 tokens "
        "(12000 in the messages, 1000 in the functions, and 4000 in the completion).",
        "input length and `max_tokens` exceed context limit: 13000 + 4000 > 16385, "
        "decrease input length or `max_tokens` and try again",
    ),
    (
        "OpenRouter",
        "This endpoint's maximum context length is 131072 tokens. However, you requested about "
        "140000 tokens (120000 of text input, 4000 of tool input, 16000 in the output). Please "
        'reduce the length of either one, or use the "middle-out" transform.',
        "input length and `max_tokens` exceed context limit: 124000 + 16000 > 131072, "
        "decrease input length or `max_tokens` and try again",
    ),
    (
        "vLLM 0.10",
        "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum "
        "context length is 40960 tokens and your request has 12000 input tokens "
        "(32000 > 40960 - 12000).",
        "input length and `max_tokens` exceed context limit: 12000 + 32000 > 40960, "
        "decrease input length or `max_tokens` and try again",
    ),
    (
        "vLLM 0.11",
        "This model's maximum context length is 40960 tokens. However, you requested 32000 output "
        "tokens and your prompt contains at least 8961 input tokens, for a total of at least "
        "40961 tokens.",
        "input length and `max_tokens` exceed context limit: 8961 + 32000 > 40960, "
        "decrease input length or `max_tokens` and try again",
    ),
    (
        "vLLM, only input",
        "This model's maximum context length is 8192 tokens. However, your request has 9000 input "
        "tokens. Please reduce the length of the input messages.",
        "prompt is too long: 9000 tokens > 8192 maximum",
    ),
    (
        "OpenAI, newer",
        "Your input exceeds the context window of this model. Please adjust your input.",
        NO_NUMBERS,
    ),
    (
        "Gemini",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        "prompt is too long: 1200000 tokens > 1048576 maximum",
    ),
    (
        "xAI",
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        "prompt is too long: 537812 tokens > 131072 maximum",
    ),
    (
        "Groq",
        "Please reduce the length of the messages or completion.",
        NO_NUMBERS,
    ),
    (
        "GitHub Copilot",
        "prompt token count of 130,000 exceeds the limit of 128,000",
        "prompt is too long: 130000 tokens > 128000 maximum",
    ),
    (
        "llama.cpp",
        "request (4242 tokens) exceeds the available context size (4096 tokens), try increasing it",
        "prompt is too long: 4242 tokens > 4096 maximum",
    ),
    (
        "LM Studio",
        "Trying to keep the first 9000 tokens when context the overflows. However, the number of "
        "tokens to keep from the initial prompt is greater than the context length. The model is "
        "loaded with context length of only 4096 tokens",
        "prompt is too long: more than 4096 tokens > 4096 maximum",
    ),
    (
        "MiniMax: (2013) is a code",
        "invalid params, context window exceeds limit (2013)",
        NO_NUMBERS,
    ),
    (
        "Moonshot",
        "Invalid request: Your request exceeded model token limit: 262144 (requested: 270000)",
        "prompt is too long: 270000 tokens > 262144 maximum",
    ),
    (
        "Mistral",
        "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum "
        "context length",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "Mistral, one number",
        "The prompt is too large for model with 32768 maximum context length",
        "prompt is too long: more than 32768 tokens > 32768 maximum",
    ),
    (
        "Bedrock",
        "Input is too long for requested model.",
        NO_NUMBERS,
    ),
    (
        "Cerebras",
        "Please reduce the length of the messages or completion. Current length is 12000 while "
        "limit is 8192",
        "prompt is too long: 12000 tokens > 8192 maximum",
    ),
    (
        "NVIDIA NIM",
        "The prompt is longer than the model's context length.",
        NO_NUMBERS,
    ),
    (
        "omlx",
        "Prompt too long: 40000 tokens exceeds max context window of 32768 tokens",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "omlx, one number",
        "Prompt too long: 40000 tokens",
        "prompt is too long: 40000 tokens, more than the context window of the model holds",
    ),
    (
        "Fireworks",
        "The prompt is too long: 140000, model maximum context length: 131072",
        "prompt is too long: 140000 tokens > 131072 maximum",
    ),
    (
        "Together",
        "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 8000 `inputs` tokens and "
        "1000 `max_new_tokens`",
        "input length and `max_tokens` exceed context limit: 8000 + 1000 > 8193, "
        "decrease input length or `max_tokens` and try again",
    ),
    (
        "DashScope",
        "Range of input length should be [1, 98304]",
        "prompt is too long: more than 98304 tokens > 98304 maximum",
    ),
    (
        "vLLM, older",
        "The decoder prompt (length 40000) is longer than the maximum model length of 32768. Make "
        "sure that `max_model_len` is no smaller than the number of text tokens.",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "vLLM, older, with images",
        "The prompt (total length 40000) is too long to fit into the model (context length 32768).",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "SGLang",
        "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "SGLang, the completion is too long",
        "Requested token count exceeds the model's maximum context length of 32768 tokens. You "
        "requested a total of 40000 tokens: 30000 tokens from the input messages and 10000 tokens "
        "for the completion. Please reduce the number of tokens.",
        "input length and `max_tokens` exceed context limit: 30000 + 10000 > 32768, "
        "decrease input length or `max_tokens` and try again",
    ),
    (
        "TGI",
        "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000",
        "prompt is too long: 5000 tokens > 4095 maximum",
    ),
    (
        "Vertex AI",
        "Unable to submit request because the input token count is 1200000 but model only supports "
        "up to 1048576. Reduce the input token count and try again.",
        "prompt is too long: 1200000 tokens > 1048576 maximum",
    ),
    (
        "SiliconFlow",
        "length of prompt_tokens (40000) must be less than max_seq_len (32768).",
        "prompt is too long: 40000 tokens > 32768 maximum",
    ),
    (
        "Poolside",
        "Input length 131393 exceeds the maximum allowed input length of 131040 tokens.",
        "prompt is too long: more than 131040 tokens > 131040 maximum",
    ),
    (
        "LM Studio, newer",
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is "
        "loaded with context length of only 4096 tokens, which is not enough.",
        "prompt is too long: more than 4096 tokens > 4096 maximum",
    ),
    ("Ollama", "prompt too long; exceeded max context length by 120 tokens", NO_NUMBERS),
    ("Ollama, other words", "the input length exceeds the context length", NO_NUMBERS),
    ("a gateway's token", "capability_rejected: prompt_too_long", NO_NUMBERS),
    (
        "any server, one number",
        "Error: maximum context length of 4096 tokens reached",
        "prompt is too long: more than 4096 tokens > 4096 maximum",
    ),
    (
        "Claude behind a gateway",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ),
    (
        "Claude behind a gateway, second form",
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, decrease "
        "input length or `max_tokens` and try again",
        "input length and `max_tokens` exceed context limit: 190000 + 32000 > 200000, "
        "decrease input length or `max_tokens` and try again",
    ),
]

NOT_TOO_LONG = [
    (
        "Groq: tokens per minute",
        413,
        "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 8000, "
        "please reduce your message size and try again.",
        "request_too_large",
    ),
    ("a rate limit", 400, "Rate limit: too many tokens per day", "invalid_request_error"),
    (
        "status 429",
        429,
        "This model's maximum context length is 8 tokens.",
        "rate_limit_error",
    ),
    ("another limit", 400, "max_tokens is too large: 128000", "invalid_request_error"),
    ("a wrong key", 401, "prompt is too long", "authentication_error"),
]


@pytest.mark.pitfall(35)
@pytest.mark.parametrize(("status", "ours", "type"), STATUSES)
def test_status(status: int, ours: int, type: str) -> None:
    error = decode_error(status, b'{"error": {"message": "bad"}}')
    assert (error.status, error.type, error.message) == (ours, type, "bad")


@pytest.mark.parametrize(
    ("body", "message"), [m[1:] for m in MESSAGES], ids=[m[0] for m in MESSAGES]
)
def test_message(body: str, message: str) -> None:
    assert decode_error(400, body.encode()).message == message


@pytest.mark.parametrize(
    ("status", "body", "expected"), [b[1:] for b in BY_PROVIDER], ids=[b[0] for b in BY_PROVIDER]
)
def test_errors_of_each_provider(status: int, body: object, expected: tuple) -> None:
    error = decode_error(status, json.dumps(body).encode())
    assert error.status == expected[0]
    assert error.message == (expected[1] or 'model "x" not found')


@pytest.mark.parametrize(
    ("code", "status"), [(1002, 429), (1004, 401), (1001, 504), (2013, 400), (9, 502)]
)
def test_minimax_tells_its_errors_in_answers_without_choices(code: int, status: int) -> None:
    body = {"choices": None, "base_resp": {"status_code": code, "status_msg": "no"}}
    assert find_error(body) is body
    assert (stream_error(body).status, stream_error(body).message) == (status, "no")


@pytest.mark.parametrize("base", [{"status_code": 0, "status_msg": ""}, {}, "x", None])
def test_other_answers_of_minimax_are_no_errors(base: object) -> None:
    assert find_error({"choices": [], "base_resp": base}) is None


@pytest.mark.pitfall(31)
@pytest.mark.parametrize(
    ("text", "sentence"), [t[1:] for t in TOO_LONG], ids=[t[0] for t in TOO_LONG]
)
@pytest.mark.parametrize("status", [400, 413, 500])
def test_overflow_is_told_in_claude_s_words(text: str, sentence: str, status: int) -> None:
    error = decode_error(status, json.dumps({"error": {"message": text}}).encode())
    assert error.message == sentence
    assert (error.status, error.type) == (400, "invalid_request_error")


@pytest.mark.parametrize(
    ("status", "text", "type"), [n[1:] for n in NOT_TOO_LONG], ids=[n[0] for n in NOT_TOO_LONG]
)
def test_what_is_no_overflow(status: int, text: str, type: str) -> None:
    error = decode_error(status, json.dumps({"error": {"message": text}}).encode())
    assert (error.message, error.type) == (text, type)


@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_too_large_without_a_word_is_an_overflow(body: bytes) -> None:
    error = decode_error(413, body)
    assert (error.status, error.message) == (400, NO_NUMBERS)


def test_a_page_of_a_web_server_that_something_is_too_large_is_none() -> None:
    assert decode_error(413, b"<html><h1>413</h1></html>").type == "request_too_large"


def test_a_rate_limit_by_its_code_is_no_overflow() -> None:
    body = {"error": {"message": "too many tokens", "code": "rate_limit_exceeded"}}
    assert decode_error(413, json.dumps(body).encode()).type == "request_too_large"


@pytest.mark.parametrize(
    "code",
    [
        "context_length_exceeded",
        "model_max_prompt_tokens_exceeded",
        "model_context_window_exceeded",
        "1261",
        3051,
    ],
)
def test_overflow_by_code(code: str | int) -> None:
    error = decode_error(400, json.dumps({"error": {"message": "no", "code": code}}).encode())
    assert error.message.startswith("prompt is too long: ")


def test_llama_cpp_gives_its_numbers_as_fields() -> None:
    error = {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}
    body = json.dumps({"error": {**error, "message": "the request exceeds …"}}).encode()
    assert decode_error(400, body).message == "prompt is too long: 9 tokens > 4 maximum"


def test_patterns_are_linear() -> None:
    text = "maximum context length is 1 tokens requested " * 20_000 + "(" + "1 tokens in " * 20_000
    began = time.process_time()
    decode_error(400, json.dumps({"error": {"message": text}}).encode())
    assert time.process_time() - began < 5


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_tried_again(status: int) -> None:
    assert decode_error(status, b"").headers == {"x-should-retry": "false"}


@pytest.mark.pitfall(35)
@pytest.mark.parametrize("code", ["insufficient_quota", "billing_not_active", "1113"])
@pytest.mark.parametrize("status", [400, 403, 429])
def test_an_empty_account_is_not_tried_again(status: int, code: str) -> None:
    error = decode_error(status, json.dumps({"error": {"message": "pay", "code": code}}).encode())
    assert (error.status, error.type, error.message) == (429, "rate_limit_error", "pay")
    assert error.headers == {"x-should-retry": "false"}


def test_payment_required_keeps_its_status() -> None:
    body = b'{"error": {"message": "Insufficient Balance", "code": "insufficient_balance"}}'
    error = decode_error(402, body)
    assert (error.status, error.type, error.headers) == (402, "billing_error", {})


def test_other_errors_may_be_tried_again() -> None:
    assert decode_error(429, b"{}").headers == {}


def test_a_long_message_is_cut() -> None:
    message = decode_error(400, json.dumps({"error": "x" * 5_000}).encode()).message
    assert len(message) == MESSAGE_LIMIT
    assert message.endswith("x…")
    assert len(decode_error(400, b"x" * 100_000).message) == MESSAGE_LIMIT


def test_an_unknown_status_without_a_message() -> None:
    expected = "The upstream answered 599 (unknown status) without a message."
    assert decode_error(599, b"").message == expected


STREAM_ERRORS = [
    ({"error": {"code": 429, "message": "a"}}, 429, "rate_limit_error"),
    ({"error": {"code": "429", "message": "a"}}, 429, "rate_limit_error"),
    ({"error": {"message": "a"}, "status_code": 503}, 503, "overloaded_error"),
    ({"error": {"type": "overloaded_error", "message": "a"}}, 529, "overloaded_error"),
    ({"error": {"code": "rate_limit_exceeded", "message": "a"}}, 429, "rate_limit_error"),
    ({"error": {"type": "rate_limit_reached_error", "message": "a"}}, 429, "rate_limit_error"),
    ({"error": {"status": "UNAVAILABLE", "message": "a"}}, 503, "overloaded_error"),
    ({"error": {"code": 700, "message": "a"}}, 502, "api_error"),
    ({"error": {"code": 500, "message": "a"}}, 502, "api_error"),
    ({"error": {"type": "invalid_request_error", "message": "a"}}, 400, "invalid_request_error"),
    ({"error": "a"}, 502, "api_error"),
    ({"type": "error", "message": "a"}, 502, "api_error"),
    ({"detail": "a"}, 502, "api_error"),
    ({"code": "Throttling", "message": "a"}, 502, "api_error"),
    ([{"error": {"code": 503, "message": "a"}}], 503, "overloaded_error"),
]


@pytest.mark.parametrize(("value", "status", "type"), STREAM_ERRORS)
def test_error_with_status_200(value: object, status: int, type: str) -> None:
    assert find_error(value) is not None
    error = stream_error(value)
    assert (error.status, error.type, error.message) == (status, type, "a")


@pytest.mark.parametrize(
    "value", [None, 1, "error", [], [1], {}, {"error": None}, {"choices": [], "detail": "x"}]
)
def test_what_is_no_error(value: object) -> None:
    assert find_error(value) is None


@pytest.mark.parametrize(
    ("body", "params"),
    [
        ({"error": {"message": "bad", "param": "stop"}}, ("stop",)),
        ({"error": {"message": "bad", "param": None}}, ()),
        ({"error": {"message": "bad", "param": ""}}, ()),
        ({"error": {"message": "bad", "param": 5}}, ()),
        ({"message": "bad", "param": "x" * 301}, ("x" * 300,)),
        ({"error": "bad"}, ()),
        ({"detail": [{"loc": ["body", "user"], "msg": "bad"}]}, ("user",)),
        ({"detail": [{"loc": ["body", "messages", 0, "name"]}]}, ("messages.0.name",)),
        ({"detail": [{"loc": ["query", None, {}, "user"]}]}, ("query.user",)),
        ({"detail": [{"loc": "user"}]}, ()),
        ({"message": {"detail": [{"loc": ["body", "a"]}, {"loc": ["body", "b"]}]}}, ("a", "b")),
        ({"detail": [{"loc": ["body", str(number)]} for number in range(9)]}, tuple("01234")),
        ([{"error": {"param": "stop"}}], ("stop",)),
        ({"error": {"error": {"error": {"error": {"error": {"param": "deep"}}}}}}, ()),
    ],
)
def test_what_an_error_says_is_wrong_is_read(body, params):
    assert decode_error(400, json.dumps(body).encode()).params == params


def test_codes_are_kept_in_lower_case():
    body = {"error": {"message": "bad", "code": "Unknown_Parameter", "type": "x"}, "code": 7}
    assert decode_error(400, json.dumps(body).encode()).codes == {"unknown_parameter", "x", "7"}
