"""The parts of OpenAI's Responses API that we produce.

Answers are read as plain JSON, field by field, because upstreams differ in what they send.
Source: https://platform.openai.com/docs/api-reference/responses
"""

from typing import Literal, TypedDict

from claude_proxy.types import Json


class InputMessage(TypedDict):
    type: Literal["message"]
    role: Literal["system", "user", "assistant"]
    content: str | list[Json]


class FunctionCall(TypedDict):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class FunctionCallOutput(TypedDict):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[Json]


class ReasoningItem(TypedDict):
    """Sent back without its `id`, which means nothing where `store` is false: Azure refuses it
    ("Item with id … not found"), and the encrypted content stands for itself."""

    type: Literal["reasoning"]
    summary: list[Json]
    encrypted_content: str


InputItem = InputMessage | FunctionCall | FunctionCallOutput | ReasoningItem
