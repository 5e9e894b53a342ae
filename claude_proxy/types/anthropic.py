"""The Anthropic Messages API: requests, messages and stream events.

Requests stay open: Anthropic adds fields and block types faster than anyone releases, so blocks
are plain JSON objects and unknown keys live on. What we *produce* is closed and fully typed.
Source: https://docs.anthropic.com/en/api/messages
"""

from typing import Literal, NotRequired, TypedDict

from claude_proxy.types import Json

Role = Literal["user", "assistant", "system"]

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "request_too_large",
    "rate_limit_error",
    "api_error",
    "overloaded_error",
    "timeout_error",
]


class MessageParam(TypedDict):
    role: Role
    content: str | list[Json]


class MessagesRequest(TypedDict):
    """A `POST /v1/messages` body after the edge check; unknown keys stay in the dict."""

    model: str
    messages: list[MessageParam]
    max_tokens: NotRequired[int]
    system: NotRequired[str | list[Json]]
    tools: NotRequired[list[Json]]
    tool_choice: NotRequired[Json]
    stop_sequences: NotRequired[list[str]]
    stream: NotRequired[bool]
    temperature: NotRequired[float]
    top_p: NotRequired[float]
    top_k: NotRequired[int]
    metadata: NotRequired[Json]
    thinking: NotRequired[Json]
    output_config: NotRequired[Json]
    output_format: NotRequired[Json]


class Citation(TypedDict):
    """Which page of the web a text rests on."""

    type: Literal["web_search_result_location"]
    cited_text: str
    url: str
    title: str | None
    encrypted_index: str


class TextBlock(TypedDict):
    type: Literal["text"]
    text: str
    citations: NotRequired[list[Citation]]


class ThinkingBlock(TypedDict):
    type: Literal["thinking"]
    thinking: str
    signature: str


class ToolUseBlock(TypedDict):
    type: Literal["tool_use"]
    id: str
    name: str
    input: Json


class ServerToolUseBlock(TypedDict):
    """A call of a tool that the client does not run."""

    type: Literal["server_tool_use"]
    id: str
    name: str
    input: Json


class WebSearchToolResultBlock(TypedDict):
    type: Literal["web_search_tool_result"]
    tool_use_id: str
    content: list[Json] | Json
    """Pages, or the one object that says why there are none."""


ContentBlock = (
    TextBlock | ThinkingBlock | ToolUseBlock | ServerToolUseBlock | WebSearchToolResultBlock
)


class OutputTokensDetails(TypedDict):
    thinking_tokens: int


class ServerToolUsage(TypedDict):
    web_search_requests: int
    web_fetch_requests: int


class Usage(TypedDict):
    """Token counts; the three input numbers are disjoint and add up to the whole prompt."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens_details: NotRequired[OutputTokensDetails]
    server_tool_use: NotRequired[ServerToolUsage]


class Message(TypedDict):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[ContentBlock]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: Usage


class TextDelta(TypedDict):
    type: Literal["text_delta"]
    text: str


class ThinkingDelta(TypedDict):
    type: Literal["thinking_delta"]
    thinking: str


class SignatureDelta(TypedDict):
    type: Literal["signature_delta"]
    signature: str


class InputJsonDelta(TypedDict):
    type: Literal["input_json_delta"]
    partial_json: str


class CitationsDelta(TypedDict):
    type: Literal["citations_delta"]
    citation: Citation


BlockDelta = TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta | CitationsDelta


class MessageStart(TypedDict):
    type: Literal["message_start"]
    message: Message


class ContentBlockStart(TypedDict):
    type: Literal["content_block_start"]
    index: int
    content_block: ContentBlock


class ContentBlockDelta(TypedDict):
    type: Literal["content_block_delta"]
    index: int
    delta: BlockDelta


class ContentBlockStop(TypedDict):
    type: Literal["content_block_stop"]
    index: int


class StopDelta(TypedDict):
    stop_reason: StopReason
    stop_sequence: str | None


class MessageDelta(TypedDict):
    type: Literal["message_delta"]
    delta: StopDelta
    usage: Usage


class MessageStop(TypedDict):
    type: Literal["message_stop"]


class Ping(TypedDict):
    type: Literal["ping"]


class ErrorBody(TypedDict):
    type: ErrorType
    message: str
    details: NotRequired[Json]


class ErrorEvent(TypedDict):
    """In a stream; the same object with a `request_id` beside `error` is the body of a 4xx/5xx."""

    type: Literal["error"]
    error: ErrorBody
    request_id: NotRequired[str]


StreamEvent = (
    MessageStart
    | ContentBlockStart
    | ContentBlockDelta
    | ContentBlockStop
    | MessageDelta
    | MessageStop
    | Ping
    | ErrorEvent
)
