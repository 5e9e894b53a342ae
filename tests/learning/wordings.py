"""Refusals as upstreams have worded them, and what is to be learned of each.

`SEEN` are whole texts from public threads, `UNVERIFIED` are put together from what is said about
an upstream; both name their source. `NEAR_MISSES` look alike and must teach nothing.
"""

from typing import Any, NamedTuple

Body = dict[str, Any] | list[Any] | str


class Wording(NamedTuple):
    """An upstream's answer, and the corrections as (field, value)."""

    source: str
    status: int
    body: Body
    learned: tuple[tuple[str, object], ...]


def openai(message: str, param: str | None = None, code: str | None = None) -> Body:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return {"error": error}


def forbidden(*places: list[str | int]) -> Body:
    """As Mistral words what it does not know."""
    detail = [
        {
            "type": "extra_forbidden",
            "loc": ["body", *place],
            "msg": "Extra inputs are not permitted",
        }
        for place in places
    ]
    return {"object": "error", "message": {"detail": detail}, "type": "invalid_request_error"}


SEEN = (
    Wording(
        "OpenAI, griptape-ai/ComfyUI-Griptape#312",
        400,
        openai(
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead.",
            "max_tokens",
            "unsupported_parameter",
        ),
        (("max_tokens_field", "max_completion_tokens"),),
    ),
    Wording(
        "GitHub Copilot, caozhiyuan/copilot-api#164",
        400,
        {
            "error": {
                "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                "code": "invalid_request_body",
            }
        },
        (("max_tokens_field", "max_completion_tokens"),),
    ),
    Wording(
        "OpenAI, ChatGPTNextWeb/NextChat#3195",
        400,
        openai(
            "max_tokens is too large: 8192. This model supports at most 4096 completion tokens, "
            "whereas you provided 8192.",
            "max_tokens",
        ),
        (("max_output_tokens", 4096),),
    ),
    Wording(
        "OpenAI behind LiteLLM, enoch3712/ExtractThinker#346",
        400,
        openai(
            "litellm.BadRequestError: OpenAIException - max_tokens is too large: 32000. This model "
            "supports at most 16384 completion tokens, whereas you provided 32000."
        ),
        (("max_output_tokens", 16384),),
    ),
    Wording(
        "DeepSeek, deepseek-ai/DeepSeek-V3#69",
        400,
        openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"),
        (("max_output_tokens", 8192),),
    ),
    Wording(
        "DashScope, open-webui/open-webui#10507",
        400,
        openai(
            "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"
        ),
        (("max_output_tokens", 8192),),
    ),
    Wording(
        "Groq, skapadia3214/groq-moa#8",
        400,
        openai("max_tokens for `llama-3.1-8b-instant` must be less than or equal to 8000"),
        (("max_output_tokens", 8000),),
    ),
    Wording(
        "Groq, anomalyco/opencode#1000",
        400,
        openai(
            "`max_tokens` must be less than or equal to `16384`, the maximum value for "
            "`max_tokens` is less than the `context_window` for this model"
        ),
        (("max_output_tokens", 16384),),
    ),
    Wording(
        "Anthropic, anthropics/claude-code#2728",
        400,
        openai(
            "max_tokens: 150000 > 32000, which is the maximum allowed number of output tokens "
            "for claude-opus-4-20250514"
        ),
        (("max_output_tokens", 32000),),
    ),
    Wording(
        "OpenAI, pipecat-ai/pipecat#4043",
        400,
        openai(
            "Function tools with reasoning_effort are not supported for gpt-5.4 in "
            "/v1/chat/completions. Please use /v1/responses instead.",
            "reasoning_effort",
        ),
        (("effort_with_tools", "none"),),
    ),
    Wording(
        "OpenAI, GEMISIS/leviath#333",
        400,
        openai(
            "Function tools with reasoning_effort are not supported for gpt-5.6-terra in "
            "/v1/chat/completions. To use function tools, use /v1/responses or set "
            "reasoning_effort to 'none'.",
            "reasoning_effort",
        ),
        (("effort_with_tools", "none"),),
    ),
    Wording(
        "OpenAI, anomalyco/opencode#4451",
        400,
        openai(
            "Unsupported value: 'minimal' is not supported with the 'gpt-5.1' model. Supported "
            "values are: 'none', 'low', 'medium', and 'high'.",
            "***.effort",
            "unsupported_value",
        ),
        (("efforts", ("none", "low", "medium", "high")),),
    ),
    Wording(
        "Kimi Code, Kilo-Org/cloud PR#3807",
        400,
        openai(
            "Unsupported value: 'reasoning_effort' does not support 'none' with this model. "
            "Supported values are: 'minimal', 'low', 'medium', and 'high'."
        ),
        (("efforts", ("minimal", "low", "medium", "high")),),
    ),
    Wording(
        "Groq, earendil-works/pi#1745",
        400,
        openai("reasoning_effort must be one of none or default"),
        (("without", "reasoning_effort"),),
    ),
    Wording(
        "Ollama, ollama/ollama#12561",
        400,
        openai('think value "medium" is not supported for this model'),
        (("without", "reasoning_effort"),),
    ),
    Wording(
        "xAI, BerriAI/litellm PR#16265",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Model grok-4-latest does not support parameter reasoningEffort.",
        },
        (("without", "reasoning_effort"),),
    ),
    Wording(
        "OpenAI, owndev/Open-WebUI-Functions#98",
        400,
        openai(
            "Unsupported value: 'temperature' does not support 0.01 with this model. Only the "
            "default (1) value is supported.",
            "temperature",
            "unsupported_value",
        ),
        (("without", "temperature"),),
    ),
    Wording(
        "Moonshot, countbot-ai/CountBot#61",
        400,
        openai("invalid temperature: only 1 is allowed for this model"),
        (("without", "temperature"),),
    ),
    Wording(
        "Azure, QwenLM/Qwen-Agent#228",
        400,
        openai(
            "Invalid 'stop': array too long. Expected an array with maximum length 2, but got an "
            "array with length 5 instead.",
            "stop",
            "array_above_max_length",
        ),
        (("max_stops", 2),),
    ),
    Wording(
        "Gemini, BerriAI/litellm#18921",
        400,
        openai(
            "* GenerateContentRequest.generation_config.stop_sequences: the number of "
            "stop_sequences must not exceed 5.\n"
        ),
        (("max_stops", 5),),
    ),
    Wording(
        "OpenAI, FlowiseAI/Flowise#5046",
        400,
        openai("Unsupported parameter: 'stop' is not supported with this model.", "stop"),
        (("max_stops", 0),),
    ),
    Wording(
        "xAI, yym68686/uni-api#105 (there presencePenalty)",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Argument not supported on this model: stop",
        },
        (("max_stops", 0),),
    ),
    Wording(
        "Azure, Pythagora-io/gpt-pilot#1022",
        400,
        openai(
            "Unrecognized request argument supplied: stream_options. Please contact us through an "
            "Azure support request at: https://go.microsoft.com/fwlink/?linkid=2213926"
        ),
        (("stream_usage", False),),
    ),
    Wording(
        "Azure, by the text of zed#52000",
        400,
        openai("Unrecognized request argument supplied: prompt_cache_key"),
        (("session_field", None),),
    ),
    Wording(
        "Azure, Azure/azure-sdk-for-net#45719",
        400,
        openai("Unrecognized request argument supplied: parallel_tool_calls"),
        (("without", "parallel_tool_calls"),),
    ),
    Wording(
        "Azure, microsoft/semantic-kernel#8189",
        400,
        openai("Unknown parameter: 'stream_options'.", "stream_options", "unknown_parameter"),
        (("stream_usage", False),),
    ),
    Wording(
        "Gemini, ed-donner/agents#45",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": 'Invalid JSON payload received. Unknown name "metadata": Cannot '
                    'find field.\nInvalid JSON payload received. Unknown name "store": Cannot '
                    "find field.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        (("without", "metadata"),),
    ),
    Wording(
        "Mistral, OpenHands/OpenHands-CLI#83",
        422,
        forbidden(["metadata"]),
        (("without", "metadata"),),
    ),
    Wording(
        "Mistral, partITech/php-mistral#76",
        422,
        {
            "object": "Error",
            "detail": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "stream_options"],
                    "msg": "Extra inputs are not permitted",
                    "input": [],
                }
            ],
            "message": [
                {
                    "type": "extra_forbidden",
                    "loc": ["body", "stream_options"],
                    "msg": "Extra inputs are not permitted",
                    "input": [],
                }
            ],
            "type": "invalid_request_error",
            "code": 3001,
        },
        (("stream_usage", False),),
    ),
    Wording(
        "Mistral, charmbracelet/crush#1590",
        422,
        forbidden(["messages", 31, "assistant", "reasoning_content"]),
        (("reasoning_history", "drop"),),
    ),
    Wording(
        "Mistral, several at once, mistralai_client_dart#44",
        422,
        forbidden(["user"], ["parallel_tool_calls"]),
        (("user_field", None), ("without", "parallel_tool_calls")),
    ),
    Wording(
        "Groq, janhq/jan#8136",
        400,
        openai(
            "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : "
            "property 'reasoning_content' is unsupported)]"
        ),
        (("reasoning_history", "drop"),),
    ),
    Wording(
        "Cerebras, Kilo-Org/kilocode#10375",
        400,
        {
            "message": "messages.2.assistant.reasoning_content: property "
            "'messages.2.assistant.reasoning_content' is unsupported",
            "type": "invalid_request_error",
            "param": "validation_error",
            "code": "wrong_api_format",
        },
        (("reasoning_history", "drop"),),
    ),
    Wording(
        "Groq, vercel/ai PR#8057",
        400,
        openai("messages[3].reasoning: reasoning is not supported with this model"),
        (("reasoning_history", "drop"),),
    ),
    Wording(
        "Groq, musistudio/claude-code-router PR#1204",
        400,
        openai("property 'reasoning' is unsupported"),
        (("without", "reasoning"),),
    ),
    Wording(
        "xAI, BerriAI/litellm#6610",
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "The response_format parameter is unsupported at the moment. Leave it unset.",
        },
        (("response_format", "told"),),
    ),
    Wording(
        "vLLM, nashsu/llm_wiki#45",
        400,
        {
            "error": {
                "message": "System message must be at the beginning.",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            }
        },
        (("system_messages", "first"),),
    ),
    Wording(
        "oMLX, jundot/omlx#197",
        400,
        {"detail": "Chat template error: System message must be at the beginning."},
        (("system_messages", "first"),),
    ),
    Wording(
        "llama.cpp, Hal0ai/hal0 PR#992",
        500,
        openai("Jinja Exception: System message must be at the beginning."),
        (("system_messages", "first"),),
    ),
    Wording(
        "DeepSeek, dataelement/Clawith#570",
        400,
        openai("The `reasoning_content` in the thinking mode must be passed back to the API."),
        (("reasoning_history", "reasoning_content"),),
    ),
    Wording(
        "Xiaomi, suyiiyii/AutoGLM-GUI#396",
        400,
        {
            "error": {
                "code": "400",
                "message": "Param Incorrect",
                "param": "The reasoning_content in the thinking mode must be passed back to the "
                "API.",
                "type": "",
            }
        },
        (("reasoning_history", "reasoning_content"),),
    ),
    Wording(
        "SiliconFlow, agentscope-ai/QwenPaw#433",
        400,
        {
            "code": 20015,
            "message": "thinking is enabled but reasoning_content is missing in assistant tool "
            "call message at index 32",
            "data": None,
        },
        (("reasoning_history", "reasoning_content"),),
    ),
    Wording(
        "DeepSeek, continuedev/continue#11285",
        400,
        openai("Missing `reasoning_content` field in the assistant message at message index 2."),
        (("reasoning_history", "reasoning_content"),),
    ),
    Wording(
        "DeepSeek, mrexodia/ida-pro-mcp#129",
        400,
        openai(
            "Invalid 'tools[43].function.name': string too long. Expected a string with maximum "
            "length 32, but got a string with length 71 instead."
        ),
        (("tool_name_length", 32),),
    ),
    Wording(
        "DashScope, QwenLM/Qwen3-VL#2069 (there 64)",
        400,
        openai(
            "<400> InternalError.Algo.InvalidParameter: The length of the tool name cannot "
            "exceed 48."
        ),
        (("tool_name_length", 48),),
    ),
    Wording(
        "OpenAI, vercel/ai#8132 (there 40)",
        400,
        openai(
            "Invalid 'messages[36].tool_calls[0].id': string too long. Expected a string with "
            "maximum length 24, but got a string with length 51 instead."
        ),
        (("tool_id_length", 24),),
    ),
    Wording(
        "DashScope, cloudwego/eino#994",
        400,
        {
            "error": {
                "message": "<400> InternalError.Algo.InvalidParameter: The tool_choice parameter "
                "does not support being set to required or object in thinking mode",
                "type": "invalid_request_error",
                "param": None,
                "code": "invalid_parameter_error",
            },
            "id": "chatcmpl-1",
        },
        (("forced_choice", "plain"),),
    ),
    Wording(
        "Moonshot, can1357/oh-my-pi#1077",
        400,
        openai("tool_choice specified is incompatible with thinking enabled"),
        (("forced_choice", "plain"),),
    ),
    Wording(
        "Moonshot, can1357/oh-my-pi#827",
        400,
        openai("tool_choice 'specified' is incompatible with thinking enabled"),
        (("forced_choice", "plain"),),
    ),
    Wording(
        "DeepSeek, tickernelz/opencode-mem#253",
        400,
        openai("Thinking mode does not support this tool_choice"),
        (("forced_choice", "plain"),),
    ),
    Wording(
        "DeepSeek, deepseek-ai/awesome-deepseek-integration#606",
        400,
        openai("deepseek-reasoner does not support this tool_choice"),
        (("forced_choice", "plain"),),
    ),
    Wording(
        "LM Studio, lmstudio-ai/lmstudio-bug-tracker#670",
        400,
        {
            "error": "Invalid tool_choice type: 'object'. Supported string values: none, auto, "
            "required"
        },
        (("tool_choices", ("auto", "none", "required")),),
    ),
    Wording(
        "Mistral, editor-code-assistant/eca#233",
        400,
        {
            "object": "error",
            "message": "Tool call id was 2968-LWy3uasib but must be a-z, A-Z, 0-9, with a length "
            "of 9.",
            "type": "invalid_function_call",
            "param": None,
            "code": "3280",
        },
        (("tool_ids", "alphanumeric"),),
    ),
    Wording(
        "oMLX, jundot/omlx PR#1997",
        500,
        openai("Tool call id was call_49c89af0 but must be a-z, A-Z, 0-9, with a length of 9"),
        (("tool_ids", "alphanumeric"),),
    ),
    Wording(
        "Gemini, mrexodia/ida-pro-mcp#129",
        400,
        openai(
            "* GenerateContentRequest.tools[0].function_declarations[41].name: Invalid function "
            "name. Must start with a letter or an underscore."
        ),
        (("tool_name_start", "letter"),),
    ),
    Wording(
        "Mistral, datapizza-labs/datapizza-ai#98",
        400,
        {
            "object": "error",
            "message": "Unexpected role 'user' after role 'tool'",
            "type": "invalid_request_message_order",
            "param": None,
            "code": "3230",
        },
        (("after_tool", "assistant"),),
    ),
    Wording(
        "Xiaomi, JohnnyZ93/oai-compatible-copilot#229",
        404,
        {
            "error": {
                "code": "404",
                "message": "No endpoints found that support image input",
                "param": "",
                "type": "",
            }
        },
        (("vision", "told"),),
    ),
    Wording(
        "opencode, anomalyco/opencode#40632",
        400,
        openai("this model does not support image input"),
        (("vision", "told"),),
    ),
    Wording(
        "DeepSeek, llm-exe/llm-exe#662",
        400,
        openai("This response_format type is unavailable now", None, "invalid_request_error"),
        (("response_format", "json_object"),),
    ),
    Wording(
        "DeepSeek, browser-use/browser-use PR#215",
        422,
        "Failed to deserialize the JSON body into the target type: response_format: "
        "response_format.type `json_schema` is unavailable now at line 1 column 12440",
        (("response_format", "json_object"),),
    ),
    Wording(
        "LM Studio, willmiao/ComfyUI-Lora-Manager#1033",
        400,
        {"error": "'response_format.type' must be 'json_schema' or 'text'"},
        (("response_format", "told"),),
    ),
    Wording(
        "Moonshot, HKUDS/nanobot#3939",
        400,
        openai("cannot specify both 'thinking' and 'reasoning_effort'"),
        (("level_and_switch", "either"),),
    ),
    Wording(
        "ModelScope, musistudio/claude-code-router#948",
        400,
        {
            "error": {
                "code": "invalid_parameter_error",
                "message": "enable thinking can not be support when `stream=False`.",
                "type": "invalid_request_error",
            }
        },
        (("whole_answers", "streamed"),),
    ),
    Wording(
        "DashScope, langchain4j/langchain4j#3974",
        400,
        openai("parameter.enable_thinking must be set to false for non-streaming calls"),
        (("whole_answers", "streamed"),),
    ),
    Wording(
        "Gemini, zed-industries/zed#44875",
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": 'Invalid JSON payload received. Unknown name "const" at '
                    "'tools[0].function_declarations[5].parameters.properties[8].value.any_of[0]'"
                    ": Cannot find field.\nInvalid JSON payload received. Unknown name "
                    '"exclusiveMinimum" at \'request.tools[0].function_declarations[37]'
                    ".parameters.properties[2].value': Cannot find field.",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
        (("schema_without", "const"), ("schema_without", "exclusiveMinimum")),
    ),
    Wording(
        "OpenAI, can1357/oh-my-pi#206",
        400,
        openai(
            "Invalid schema for function 'mcp_firecrawl_scrape': In context=('properties', 'url'), "
            "'uri' is not a valid format."
        ),
        (("schema_without", "format"),),
    ),
    Wording(
        "vLLM with llguidance, noonghunna/club-3090#45",
        500,
        openai('Grammar error: Unimplemented keys: ["propertyNames"]'),
        (("schema_without", "propertyNames"),),
    ),
    Wording(
        "vLLM with xgrammar, vllm-project/vllm#16880",
        400,
        {
            "object": "error",
            "message": "The provided JSON schema contains features not supported by xgrammar.",
            "type": "BadRequestError",
            "code": 400,
        },
        tuple(
            ("schema_without", word)
            for word in (
                *("multipleOf", "uniqueItems", "contains", "patternProperties"),
                "propertyNames",
            )
        ),
    ),
)

UNVERIFIED = (
    Wording(
        "OpenAI, strict: a keyword",
        400,
        openai(
            "Invalid schema for response_format 'response': In context=('properties', 'a'), "
            "'maxLength' is not permitted."
        ),
        (("schema_without", "maxLength"),),
    ),
    Wording(
        "any: a keyword",
        400,
        openai("Unsupported JSON schema keyword: 'uniqueItems'"),
        (("schema_without", "uniqueItems"),),
    ),
    Wording(
        "any: a keyword, otherwise",
        400,
        openai("The keyword 'if' is not supported."),
        (("schema_without", "if"),),
    ),
    Wording(
        "Mistral, gpt-all-star#670",
        422,
        {
            "detail": [
                {
                    "type": "literal_error",
                    "loc": ["body", "tool_choice"],
                    "msg": "Input should be 'auto', 'none' or 'any'",
                }
            ]
        },
        (("required_word", "any"),),
    ),
    Wording(
        "Vertex AI",
        400,
        openai(
            "Unable to submit request because it has a maxOutputTokens value of 100000 but the "
            "supported range is from 1 (inclusive) to 8193 (exclusive)."
        ),
        (("max_output_tokens", 8192),),
    ),
    Wording(
        "Bedrock",
        400,
        openai(
            "The maximum tokens you requested exceeds the model limit of 4096. Try again with a "
            "maximum tokens value that is lower than 4096."
        ),
        (("max_output_tokens", 4096),),
    ),
    Wording(
        "any: a limit with a comma",
        400,
        openai("max_new_tokens must be less than or equal to 4,096"),
        (("max_output_tokens", 4096),),
    ),
    Wording(
        "Mistral, by what providers' pages say of its levels",
        422,
        {
            "detail": [
                {
                    "type": "literal_error",
                    "loc": ["body", "reasoning_effort"],
                    "msg": "Input should be 'high' or 'none'",
                }
            ]
        },
        (("efforts", ("none", "high")),),
    ),
    Wording(
        "Ollama",
        400,
        openai('"gemma3:4b" does not support thinking'),
        (("without", "reasoning_effort"),),
    ),
    Wording(
        "Anthropic",
        400,
        openai(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only "
            "one."
        ),
        (("without", "top_p"),),
    ),
    Wording(
        "serde",
        422,
        openai("unknown field `stream_options`, expected one of `model`, `messages`"),
        (("stream_usage", False),),
    ),
    Wording("Go", 400, openai('json: unknown field "user"'), (("user_field", None),)),
    Wording(
        "zod",
        400,
        openai("Unrecognized key(s) in object: 'parallel_tool_calls'"),
        (("without", "parallel_tool_calls"),),
    ),
    Wording(
        "JSON schema",
        400,
        openai("Additional properties are not allowed ('stream_options' was unexpected)"),
        (("stream_usage", False),),
    ),
    Wording(
        "Python",
        400,
        openai("create() got an unexpected keyword argument 'top_p'"),
        (("without", "top_p"),),
    ),
    Wording(
        "any: a parameter",
        400,
        openai("The parameter `temperature` is not supported."),
        (("without", "temperature"),),
    ),
    Wording(
        "any: a bare name",
        400,
        openai("'response_format' is not supported for this endpoint."),
        (("response_format", "told"),),
    ),
    Wording(
        "Anthropic, by the shape of claude-code#21612",
        400,
        openai("max_completion_tokens: Extra inputs are not permitted"),
        (("max_tokens_field", "max_tokens"),),
    ),
    Wording(
        "DeepSeek",
        400,
        openai("messages[0]: unknown variant `image_url`, expected `text` at line 1 column 90"),
        (("vision", "told"),),
    ),
    Wording("vLLM", 400, openai("some/model is not a multimodal model"), (("vision", "told"),)),
    Wording(
        "vLLM, newer",
        400,
        openai("At most 0 image(s) may be provided in one prompt."),
        (("vision", "told"),),
    ),
    Wording(
        "llama.cpp",
        500,
        openai("image input is not supported - hint: you may need to provide the mmproj"),
        (("vision", "told"),),
    ),
    Wording(
        "Groq",
        400,
        openai("This model does not support response format `json_schema`."),
        (("response_format", "json_object"),),
    ),
    Wording(
        "OpenAI: strict in a tool",
        400,
        openai("Unknown parameter: 'tools[0].function.strict'.", "tools[0].function.strict"),
        (("strict_schemas", False),),
    ),
)

NEAR_MISSES: tuple[tuple[str, int, Body], ...] = (
    (
        "an overflow, which the client cures",
        400,
        openai(
            "This model's maximum context length is 8192 tokens. However, you requested 8256 "
            "tokens (64 in the messages, 8192 in the completion).",
            "messages",
            "context_length_exceeded",
        ),
    ),
    (
        "vLLM's overflow, which speaks of max_tokens (claude-code-best#272)",
        400,
        openai(
            "'max_tokens' or 'max_completion_tokens' is too large: 64000. This model's maximum "
            "context length is 64001 tokens and your request has 24235 input tokens"
        ),
    ),
    (
        "OpenRouter: what the credit pays for is no limit of the model",
        402,
        openai(
            "This request requires more credits, or fewer max_tokens. You requested up to 64000 "
            "tokens, but can only afford 1234."
        ),
    ),
    (
        "the same as 400",
        400,
        openai("max_tokens must be less than or equal to 1234 with your credit balance"),
    ),
    ("a least limit", 400, openai("max_tokens must be greater than or equal to 16", "max_tokens")),
    ("a limit that is none", 400, openai("max_tokens must be less than or equal to 99")),
    (
        "Fireworks: a large answer must stream",
        400,
        openai("Requests with max_tokens > 4096 must have stream=true"),
    ),
    ("a model", 404, openai("The model `gpt-9` does not exist", None, "model_not_found")),
    ("a model's name in the words", 400, openai("Unknown parameter: 'model'.", "model")),
    ("tools as such", 400, openai("Unsupported parameter: 'tools' is not supported", "tools")),
    ("Ollama: tools", 400, openai("registry.ollama.ai/library/gemma does not support tools")),
    ("what must not be stored", 400, openai("Unknown parameter: 'store'.", "store")),
    ("messages", 400, openai("Unknown parameter: 'messages[0].name'.", "messages[0].name")),
    ("OpenRouter: tools", 404, openai("No endpoints found that support tool use.")),
    ("OpenRouter: a model", 404, openai("No endpoints found for some/model.")),
    ("a list of choices elsewhere", 422, openai("Input should be 'auto', 'none' or 'any'", "x")),
    (
        "Mistral: the client's message",
        422,
        forbidden(["messages", 0, "user", "name"]),
    ),
    (
        "Mistral: inside a tool",
        422,
        forbidden(["tools", 0, "function", "parameters", "user"]),
    ),
    ("an unknown field of nobody", 400, openai("Unknown parameter: 'seed_of_doubt'.")),
    (
        "a content policy",
        400,
        openai(
            "The response was filtered by the content management policy. Unknown parameter: 'user'",
            None,
            "content_filter",
        ),
    ),
    (
        "a policy by its code alone",
        400,
        openai("Unknown parameter: 'user'", None, "content_filter"),
    ),
    ("a key", 401, openai("Unknown parameter: 'user'", None, "invalid_api_key")),
    ("a key as 400", 400, openai("Incorrect API key provided. Unknown parameter: 'user'")),
    ("a quota", 429, openai("Unknown parameter: 'user'", None, "insufficient_quota")),
    ("a fault of the server", 500, openai("Unknown parameter: 'user'")),
    ("a request too large", 413, openai("Unknown parameter: 'user'")),
    (
        "a value of the client's",
        400,
        openai("Invalid 'temperature': must be less than or equal to 2", "temperature"),
    ),
    (
        "a list that is not of levels",
        400,
        openai(
            "Unsupported value: 'tiff' is not supported with the 'gpt-5.1' model. Supported values "
            "are: 'high', 'low'.",
            "messages[0].detail",
        ),
    ),
    (
        "Groq: the model's own mistake",
        400,
        openai("Failed to call a function. Unknown parameter: 'user'", None, "tool_use_failed"),
    ),
    (
        "behind a long text, which may be the prompt",
        400,
        openai(f"Bad request: {'x' * 1600} Unknown parameter: 'user'"),
    ),
    ("a web page", 400, "<html><body>Unknown parameter: 'user'</body></html>"),
    ("nothing", 400, ""),
    ("an image that is broken", 400, openai("Invalid image data", "messages")),
    ("the prefill", 400, openai("Cannot continue the final message", "messages")),
)
