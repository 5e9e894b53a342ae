"""The parts of OpenAI's Chat Completions that we produce or read.

Upstreams differ in what they send, so answers are read as plain JSON, field by field; only what
we send upstream has a fixed shape.
Source: https://platform.openai.com/docs/api-reference/chat
"""

from typing import Literal, NotRequired, TypedDict

from claude_proxy.types import Json


class ToolCallFunction(TypedDict):
    name: str
    arguments: str


class ToolCall(TypedDict):
    id: str
    type: Literal["function"]
    function: ToolCallFunction
    extra_content: NotRequired[Json]


class ChatMessage(TypedDict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Json] | None
    tool_calls: NotRequired[list[ToolCall]]
    tool_call_id: NotRequired[str]
    reasoning_content: NotRequired[str]
    reasoning: NotRequired[str]
    reasoning_details: NotRequired[list[Json]]


class FunctionTool(TypedDict):
    type: Literal["function"]
    function: Json
    cache_control: NotRequired[Json]
