"""The official SDK's own types accept what we send, and read the answers of our plays."""

from collections.abc import Iterable
from typing import Any

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from claude_proxy.codecs.anthropic_messages import decode_request
from claude_proxy.codecs.openai_responses import encode_request
from tests.parts import missing
from tests.request_cases import NAMED, load_captures, load_cases

pytestmark = pytest.mark.slow

CASES = load_cases("responses", 60) + load_cases()
GPT_5 = NAMED["openai/gpt-5"]


@pytest.fixture(scope="module")
def params() -> TypeAdapter[Any]:
    """Checks a body, and that it has no field which the SDK does not know."""
    try:
        from openai.types.responses import response_create_params
    except ImportError:
        missing("the package openai is not installed")
    kind = response_create_params.ResponseCreateParamsNonStreaming
    return TypeAdapter(with_config(ConfigDict(extra="forbid"))(kind))


def checked(body: dict[str, Any], params: TypeAdapter[Any]) -> None:
    # `stream` decides between two types of the SDK. A reasoning item needs an id there, which
    # the API itself does not, and which Azure refuses where nothing is stored. `top_k` is not
    # OpenAI's; no profile of theirs sends it.
    items = [
        {"id": "rs_1", **item} if item["type"] == "reasoning" else item for item in body["input"]
    ]
    fields = {name: value for name, value in body.items() if name not in ("stream", "top_k")}
    read_all(params.validate_python({**fields, "input": items}, strict=True))


def read_all(value: Any) -> None:
    """Lists that the SDK calls iterable are checked only while they are read."""
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for each in value:
            read_all(each)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden_requests(case: Any, params: TypeAdapter[Any]) -> None:
    checked(encode_request(decode_request(case.messages), profile=case.profile), params)


@pytest.mark.parametrize("body", load_captures().values(), ids=load_captures().keys())
def test_requests_of_the_real_client(body: dict[str, Any], params: TypeAdapter[Any]) -> None:
    checked(encode_request(decode_request(body), profile=GPT_5), params)


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": [{"type": "message", "role": "user"}]},
        {"input": [{"type": "function_call", "call_id": "a", "name": "b"}]},
        {"tools": [{"type": "function", "name": "a"}]},
        {"tool_choice": {"type": "function"}},
        {"novel": 1},
    ],
)
def test_these_types_refuse_something(wrong: dict[str, Any], params: TypeAdapter[Any]) -> None:
    body = {"model": "m", "input": [{"type": "message", "role": "user", "content": "Hi"}]}
    with pytest.raises(ValidationError):
        checked({**body, **wrong}, params)
