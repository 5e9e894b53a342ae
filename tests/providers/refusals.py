"""How each provider says no: the shapes of its errors."""

from typing import Any

from tests.upstream import Reply

INVALID = "invalid_request_error"


def openai(text: str) -> Reply:
    return Reply(
        {"error": {"message": text, "type": INVALID, "param": None, "code": None}}, status=400
    )


def azure(text: str) -> Reply:
    error = {"message": text, "type": INVALID, "param": "messages", "code": "invalid_value"}
    return Reply({"error": {**error, "innererror": {"code": "x"}}}, status=400)


def openrouter(text: str) -> Reply:
    metadata = {"raw": text, "provider_name": "Anthropic", "is_byok": False}
    error = {"message": "Provider returned error", "code": 400, "metadata": metadata}
    return Reply({"error": error, "user_id": "user_1"}, status=400)


def deepseek(text: str) -> Reply:
    error = {"message": text, "type": INVALID, "param": None, "code": INVALID}
    return Reply({"error": error}, status=400)


def dashscope(text: str) -> Reply:
    told = f"<400> InternalError.Algo.InvalidParameter: {text}"
    error = {"message": told, "type": INVALID, "param": None, "code": "invalid_parameter_error"}
    return Reply({"error": error, "id": "chatcmpl-1", "request_id": "1"}, status=400)


def gemini(text: str) -> Reply:
    error = {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}
    return Reply([{"error": error}], status=400)


def xai(text: str) -> Reply:
    return Reply({"code": "Client specified an invalid argument", "error": text}, status=400)


def mistral(text: str) -> Reply:
    """Its own errors are 400; what its parser finds is 422 in FastAPI's shape."""
    if text.startswith("unknown field"):
        detail = {"type": "extra_forbidden", "loc": ["body", text.split()[-1]], "input": None}
        told = {**detail, "msg": f"Extra inputs are not permitted: {text}"}
        return Reply({"detail": [told]}, status=422)
    error = {"object": "error", "message": text, "type": "invalid_request_message_order"}
    return Reply({**error, "param": None, "code": "3230"}, status=400)


def together(text: str) -> Reply:
    error = {"message": text, "type": INVALID, "param": None, "code": None}
    return Reply({"id": "abc", "error": error}, status=400)


def fireworks(text: str) -> Reply:
    error: dict[str, Any] = {"object": "error", "type": INVALID, "code": INVALID}
    return Reply({"error": {**error, "message": text}}, status=400)


def glm(text: str) -> Reply:
    return Reply({"error": {"code": "1214", "message": text}}, status=400)


def moonshot(text: str) -> Reply:
    return Reply({"error": {"message": f"Invalid request: {text}", "type": INVALID}}, status=400)


def minimax(text: str) -> Reply:
    told = f"invalid params, {text} (2013)"
    error = {"type": "bad_request_error", "message": told, "http_code": "400"}
    return Reply({"type": "error", "error": error, "request_id": "1"}, status=400)


def vllm(text: str) -> Reply:
    error = {"message": text, "type": "BadRequestError", "param": None, "code": 400}
    return Reply({"error": error}, status=400)


def llama_cpp(text: str) -> Reply:
    return Reply({"error": {"code": 400, "message": text, "type": INVALID}}, status=400)


def lmstudio(text: str) -> Reply:
    return Reply({"error": text}, status=400)
