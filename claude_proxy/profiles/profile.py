"""What there is to say about one upstream and model, and which of them it is said of.

A field names the provider that made it necessary, the error text, and the public thread or page
where that was seen. "Unverified" marks what nobody has checked yet; so does a field that names
no source.
"""

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

from claude_proxy.images import Patches, Tiles
from claude_proxy.profiles.schemas import ANY_SCHEMA, SchemaDialect

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
TokenCounter = Literal["input_tokens", "tokenize", "count_tokens", "estimate_token_count"]
Choice = Literal["auto", "none", "required", "named"]


@dataclass(frozen=True, slots=True)
class Profile:
    """How to speak OpenAI's languages with one upstream and model."""

    name: str
    """Names the row, in the signature of thinking blocks too, by which we know our own again.
    What stands before the slash is the provider."""

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    """OpenAI's reasoning models refuse `max_tokens` ("Unsupported parameter … Use
    'max_completion_tokens' instead."); Mistral refuses the other one (422, eca#231)."""

    max_output_tokens: int | None = None
    """Most output tokens the model accepts in one answer; larger requests are clamped.
    OpenAI answers 400 "max_tokens is too large"."""

    cap_assumed: bool = False
    """Whether `max_output_tokens` is a careful guess, which a user's own limit may exceed."""

    context_window: int | None = None
    """Tokens of prompt and answer together, as far as known."""

    sampling: bool = True
    """Whether `temperature` and `top_p` are accepted. Reasoning models take only the default:
    "Unsupported value: 'temperature' does not support 0.2 with this model."; Kimi's models have
    a fixed one (sim PR#5716)."""

    top_k: bool = False
    """Whether the upstream takes `top_k`, which is not in OpenAI's API."""

    max_stops: int = 4
    """How many stop sequences are taken; 0 where `stop` is refused (o3, o4-mini, gpt-5, and
    xAI's reasoning models: unverified)."""

    thinking: Literal["effort", "thinking", "enable_thinking", "reasoning", "template"] = "effort"
    """What turns reasoning on and off.

    - "effort": nothing but the level, `reasoning_effort`, with "none" among `efforts` for off;
      also where nothing can be set, because the model always reasons or never does;
    - "thinking": `thinking: {"type": "enabled" | "disabled"}` (DeepSeek's page on thinking mode,
      2026-11; Moonshot: llmgateway PR#3065; GLM: dirge PR#598; MiniMax-M3);
    - "enable_thinking": that boolean (DashScope's page on deep thinking, 2026-11);
    - "reasoning": `reasoning: {"enabled": …}` (OpenRouter's and Together's pages, 2026-11);
    - "template": `chat_template_kwargs`, what the model's own template reads (vLLM, llama.cpp).
    """

    thinking_off: Literal["accepted", "refused"] = "accepted"
    """"refused": the switch knows only on. GLM-5.3 and Kimi K2.7 Code answer 400 to
    `{"type": "disabled"}` (llmgateway PR#3065; AIHubMix's guide to GLM-5.3, 2026-08)."""

    thinking_on: Literal["enabled", "adaptive"] = "enabled"
    """The `type` in `thinking` that lets the model reason. MiniMax-M3 says "adaptive"
    (AgentScope's page on MiniMax, 2026-11)."""

    thinking_with: tuple[tuple[str, str | bool], ...] = ()
    """What else stands in `thinking` when it is on. Without them Kimi (`keep`, oh-my-pi PR#1839)
    and GLM (`clear_thinking`, opencrabs 0.5.1) do not read the reasoning that is sent back."""

    efforts: tuple[Effort, ...] = ()
    """Accepted levels of reasoning, weakest first; empty: none is sent."""

    effort_in: Literal["reasoning_effort", "reasoning"] = "reasoning_effort"
    """Where the level goes: the field, or `reasoning.effort` (OpenRouter)."""

    budget_in: Literal["thinking_budget", "reasoning"] | None = None
    """Where a number of tokens for reasoning goes, if it can be sent: `thinking_budget`
    (DashScope) or `reasoning.max_tokens` (OpenRouter). Else it becomes a level."""

    level_and_switch: Literal["both", "either"] = "both"
    """"either": level or budget take the place of the switch. Moonshot: "cannot specify both
    'thinking' and 'reasoning_effort'" (nanobot#3939); OpenRouter infers `enabled`."""

    show_thoughts: Literal["thinking_budget", "thinking_level"] | None = None
    """Gemini shows its thoughts only where `extra_body.google.thinking_config.include_thoughts`
    asks for them. What says how much it thinks has to stand there too then, under this name: "can't
    be used at the same time" as `reasoning_effort` (its page on the OpenAI API, 2026-11)."""

    effort_with_tools: Effort | None = None
    """The only effort that is accepted together with function tools on chat completions.
    gpt-5.4 and later answer 400 "Function tools with reasoning_effort are not supported …"
    unless it is "none", even when no effort is sent (BerriAI/litellm PR#34569)."""

    extra_fields: tuple[tuple[str, str | bool], ...] = ()
    """Fields that every request has. Groq puts the reasoning of Qwen models into the text unless
    `reasoning_format` is "parsed" (Groq's page on reasoning, 2026-11)."""

    stream_fields: tuple[tuple[str, str | bool], ...] = ()
    """Fields that streamed requests with tools have. Without `tool_stream` GLM is silent until a
    call's arguments are complete (opencrabs 0.5.1)."""

    whole_answers: Literal["sent", "streamed"] = "sent"
    """"streamed": an answer is asked for as a stream always, whatever the request says; who reads
    it must put it together. DashScope: "parameter.enable_thinking must be set to false for
    non-streaming calls" (langchain4j#3974)."""

    tool_choices: tuple[Choice, ...] = ("auto", "none", "required", "named")
    """Accepted forms of `tool_choice`. What is missing becomes the next best: one named tool is
    sent alone and required; else "auto", and the model is told. LM Studio: "Invalid tool_choice
    type: 'object'" (lmstudio-bug-tracker#670); GLM and MiniMax: "auto" only (AgentScope's
    pages, 2026-11)."""

    required_word: Literal["required", "any"] = "required"
    """How `tool_choice` demands some call. Mistral: "Input should be 'auto', 'none' or 'any'"
    (gpt-all-star#670)."""

    forced_choice: Literal["thinking", "plain"] = "thinking"
    """"plain": a call can be demanded only while the model does not reason, so reasoning is
    turned off for that request, or, where it cannot be, the model is asked in words. Moonshot:
    "tool_choice specified is incompatible with thinking enabled" (oh-my-pi#1077); DeepSeek
    (awesome-deepseek-integration#606); DashScope: "does not support being set to required or
    object in thinking mode" (qwen-code#7659)."""

    broken_calls: Literal["told", "repeated"] = "told"
    """What happens when the server could not read the model's own tool call, and says so before
    any of the answer: "repeated": the request is sent once more, as it was, which no built-in row
    asks for. Groq: 400 `tool_use_failed`, "Failed to call a function" (opencode#1018,
    smolagents#1119)."""

    text_calls: Literal["text", "read", "told"] = "text"
    """"read": calls that the model writes into its text, in tags, fences or bare JSON, become
    calls, if they name a tool that was offered. Small models do that where their server has no
    parser for their way (free-claude-code's heuristic parser; docs/pitfalls.md, 5). "told": they
    are the only ones, so an answer ends with them, and what the model says behind them is left
    out; the Claude Code CLI is told its tools in the system prompt then (`codecs/claude_cli`)."""

    call_inputs: Literal["passed", "mended"] = "passed"
    """What a stream does with the arguments of calls. "passed": they go out as they come;
    "mended": they wait until they are whole, and are put right as those of whole answers are."""

    parallel_calls_field: bool = True
    """Whether `parallel_tool_calls` is known. MiniMax and Ollama do not list it."""

    most_tools: int | None = 128
    """Most tools in one request (OpenAI: "Invalid 'tools': array too long. Expected an array
    with maximum length 128"); more are refused here, with the same status. `None`: no limit."""

    system_messages: Literal["anywhere", "first"] = "anywhere"
    """"first": chat templates of local servers refuse later system messages ("System message
    must be at the beginning", vllm#41114); they become marked user text instead."""

    think_tags: tuple[str, ...] = ()
    """Tags in which reasoning stands at the start of the text, without their brackets: `think`
    (MiniMax, and open models whose server has no parser for them), `thought` (Gemini). The first
    is also the one for `reasoning_history`."""

    reasoning_history: Literal[
        "drop",
        "reasoning_content",
        "reasoning",
        "think_tags",
        "thinking_parts",
        "reasoning_details",
        "thought_signature",
    ] = "drop"
    """The form in which earlier reasoning is sent back on assistant messages, if any.

    - "reasoning_content" (DeepSeek: "must be passed back to the API", claude-code-router#1050;
      Moonshot, GLM, Fireworks), "reasoning" (vLLM): the field of that name;
    - "think_tags": in tags at the start of the text (MiniMax's page on its OpenAI API, 2026-11);
    - "thinking_parts": as a part of the content (Mistral's page on reasoning, 2026-11; the field
      `reasoning_content` is 422, crush#1590);
    - "reasoning_details": OpenRouter's array as it came; where it is lost, its text as `reasoning`;
    - "thought_signature": Gemini's signature on its calls; the thoughts themselves are dropped.
    """

    reasoning_missing: Literal["omit", "empty", "stand_in"] = "omit"
    """"empty": an assistant message of a history with tool calls must have the field, so it is
    sent empty where no reasoning is known. DeepSeek: "Missing `reasoning_content` field in the
    assistant message" (continue#11285); Moonshot (mastra#12592). "stand_in": the first call of a
    turn without a known signature gets the documented stand-in (Gemini 3; CLIProxyAPI PR#994)."""

    only_reasoning: Literal["thinking", "text"] = "thinking"
    """"text": an answer that ends its turn with nothing but reasoning says it again as its text.
    Claude Code takes a turn without text and calls for the end of the work (claude-code#20222);
    some models write their answer into their reasoning."""

    call_content: Literal["null", "empty"] = "null"
    """The content of an assistant message that holds nothing but calls. LM Studio and Ollama
    read a string more safely (unverified)."""

    after_tool: Literal["any", "assistant"] = "any"
    """"assistant": a user message may not follow a tool message. Mistral: code 3230, "Expected
    last role User or Tool … got" (nanobot PR#4351)."""

    prefill: Literal["continue", "instruct"] = "instruct"
    """What a trailing assistant message does: local servers continue it; OpenAI starts a new
    message, so the model is told in words to continue."""

    vision: Literal["seen", "told"] = "seen"
    """"told": the model has no eyes; it reads that there was an image."""

    image_urls: Literal["fetched", "told"] = "fetched"
    """"told": images are taken as data only; the model reads that there was one, and its URL.
    Ollama: "invalid image input" (ollama/ollama#6753); LM Studio: "'url' field must be a base64
    encoded image" (lmstudio-bug-tracker#1120)."""

    pdf: Literal["file", "document_url", "text"] = "file"
    """How PDFs are sent. "file": as `file` parts (OpenAI); "document_url": as Mistral's part of
    that name, which answers 422 to the other (LibreChat PR#12144); "text": not as files: their
    text is sent, or the model is told that there was one (docs/documents.md)."""

    strict_schemas: bool = True
    """Whether `strict` is understood on function tools and JSON schemas."""

    response_format: Literal["json_schema", "json_object", "told"] = "json_schema"
    """What can be asked of the answer's form. "json_object": JSON, and the schema is told in
    words (DeepSeek, GLM); "told": all of it in words (MiniMax)."""

    schema: SchemaDialect = ANY_SCHEMA
    """Which JSON schemas function parameters may have."""

    schema_without: frozenset[str] = frozenset()
    """Keywords that schemas do not have, whatever `schema` says: what an upstream has refused
    (docs/learning.md). What they say is said otherwise, or told in descriptions."""

    stream_usage: bool = True
    """Whether `stream_options.include_usage` may be sent. Mistral: 422 (anon-kode#53); it always
    sends usage."""

    user_field: Literal["user"] | None = "user"
    """Where an end-user id goes; at most 64 characters (OpenAI). `None` where unknown fields are
    refused (Mistral, 422; Gemini, securo#884) or other names are used (GLM)."""

    reasoning_items: Literal["drop", "encrypted"] = "drop"
    """Responses API: "encrypted" asks for reasoning as encrypted items and sends them back. Models
    that do not reason answer 400 "Encrypted content is not supported with this model."
    (OpenHands/OpenHands#11406)."""

    reasoning_summary: Literal["auto", "concise", "detailed"] | None = None
    """Responses API: which summary of its reasoning the model is asked for when the client wants
    to see thinking. OpenAI answers 400 to organizations that are not verified."""

    result_media: Literal["inline", "user"] = "inline"
    """Responses API: "inline": outputs of calls hold images and files (OpenAI); "user": they are
    texts only, and the media follow in a user message."""

    prompt_cache_key: bool = True
    """Responses API: whether `prompt_cache_key` may be sent, which keeps a session on one cache."""

    cache_control: Literal["drop", "content_parts"] = "drop"
    """Whether Anthropic's marks for its prompt cache are sent on, on content parts and tools.
    Gateways to Claude hand them on, and without them nothing is cached (earendil-works/pi#583)."""

    session_field: Literal["prompt_cache_key", "session_id"] | None = None
    """Where a key of the client's session goes, so that its requests meet the cache that they
    have filled: `SESSION_FIELDS` says where it is known to be taken. Elsewhere it may be refused:
    400 "Unrecognized request argument supplied: prompt_cache_key" (zed#52000, opencode#49071)."""

    own_search: Literal["web_search", "openrouter:web_search"] | None = None
    """The provider's own tool that searches the web, by its type: `web_search` in Responses,
    `openrouter:web_search` in Chat. `OWN_SEARCHES` says where it is known to be."""

    tool_name_length: int = 64
    """Longest function name, of `[a-zA-Z0-9_-]` (OpenAI: "string too long", cline PR#11885)."""

    tool_name_start: Literal["any", "letter"] = "any"
    """"letter": names start with a letter or an underscore (Gemini: "Invalid function name. Must
    start with a letter or an underscore", unverified)."""

    tool_id_length: int = 40
    """Longest tool call id (OpenAI: "Expected a string with maximum length 40")."""

    tool_ids: Literal["words", "alphanumeric"] = "words"
    """"alphanumeric": exactly `tool_id_length` letters and digits. Mistral: code 3280, "Tool call
    id was … but must be a-z, A-Z, 0-9, with a length of 9." (hermes-agent#11243)."""

    images: Patches | Tiles = Tiles(85, 170)
    """How many tokens an image is (platform.openai.com, "Images and vision")."""

    without: frozenset[str] = frozenset()
    """Top-level fields that are never sent, whatever else is said here: what an upstream has
    refused, and no other field describes (docs/learning.md). To upstreams that are asked in
    Messages also fields inside of others, as `output_config.format`; `tools.strict` is that of
    each tool ("Extra inputs are not permitted", litellm#26240, claude-code#51700)."""

    without_betas: frozenset[str] = frozenset()
    """Messages: values of the header `anthropic-beta` that are never sent, as globs. "Unexpected
    value(s) `…` for the `anthropic-beta` header" (new-api#2975, zed#42715)."""

    history_thinking: Literal["sent", "dropped"] = "sent"
    """Messages: "dropped": no thinking of earlier turns is sent. Servers that check signatures
    refuse those of another one: "Invalid `signature` in `thinking` block" (CLIProxyAPI#1584)."""

    first_byte_seconds: int | None = None
    """How long the upstream may be silent before its answer begins, where no setting says it.
    On a machine of one's own a prompt of 97,000 tokens takes longer than the five minutes that
    are right elsewhere, and whoever gives up then begins it again (PortOS PR#6188)."""

    windows_at: Literal["/api/v0/models", "/props", "/api/ps"] | None = None
    """Where, beside `/v1`, a server tells the windows that its own list leaves out: LM Studio in
    a list (lmstudio.ai/docs/developer/rest), llama.cpp in one number for what it runs
    (tools/server/README.md), Ollama for the models that are loaded (docs.ollama.com/api/ps)."""

    loaded_at: Literal["/api/ps"] | None = None
    """The same, asked once more after a model's first answer: Ollama loads it only then."""

    shown_at: Literal["/api/show"] | None = None
    """Where, beside `/v1`, a server tells of one model what no list has: Ollama's `num_ctx`,
    longest window and abilities (docs.ollama.com/api/show)."""

    token_counters: tuple[TokenCounter, ...] = ()
    """Endpoints that count a prompt's tokens, in the order in which they are asked; those that
    the upstream turns out not to have are left alone (server/counters.py)."""

    @property
    def provider(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an upstream is, in the forms that globs of rows are held against."""

    host: str
    port: str
    """Host and port as they are written; the same as `host` where there is no port."""
    path: str
    """Host and path."""

    @classmethod
    def of(cls, base_url: str) -> "Place":
        parts = urlsplit(base_url)
        host = (parts.hostname or "").lower()
        port = parts.netloc.rpartition("@")[2].lower()
        # A colon in a glob is that of the port, not one of an IPv6 address.
        return cls(f"[{host}]" if ":" in host else host, port, f"{host}{parts.path.rstrip('/')}")


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """A profile and what it is for: globs on the place and on the bare model name.

    `hosts` are globs on the host, on `host:port`, or on `host/path`. A row without hosts is found
    by its provider's name only.
    """

    profile: Profile
    models: tuple[str, ...] = ("*",)
    hosts: tuple[str, ...] = ("*",)

    def is_at(self, place: Place) -> bool:
        forms = (place.host, place.port, place.path)
        return any(fnmatchcase(form, glob) for glob in self.hosts for form in forms)

    def is_for(self, model: str) -> bool:
        return any(fnmatchcase(model, glob) for glob in self.models)


def limited(profile: Profile, limit: int | None) -> Profile:
    """The profile under a user's limit of output tokens; a model's known cap stays above it."""
    if limit is None:
        return profile
    cap = None if profile.cap_assumed else profile.max_output_tokens
    return replace(profile, max_output_tokens=limit if cap is None else min(cap, limit))
