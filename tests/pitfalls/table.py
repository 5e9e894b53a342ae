"""What goes wrong where requests are translated, and what we do: `docs/pitfalls.md` as data.

A test claims rows by `@pytest.mark.pitfall(1, …)`; golden cases are named here.
`test_pitfall_table.py` fails for a row without either that does not say why, and for a page that
says something else.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    number: int
    trouble: str
    """What goes wrong elsewhere."""
    answer: str
    """What happens here; empty where nothing is done yet."""
    setting: str = ""
    missing: str = ""
    """What is not done yet, and what happens instead."""
    golden: tuple[str, ...] = ()
    """Golden cases below tests/cases; of a list of cases, all of the file's."""


_CHAT, _RESPONSES = "openai_chat", "openai_responses"

CALLS = (
    Row(
        1,
        "fragments of parallel calls end up in one call, because servers number them oddly or not",
        "each call learns the ids and indexes that it goes by; a known id wins, a name after "
        "complete arguments begins a call, a fragment with nothing to go by belongs to the last",
        golden=(
            f"{_CHAT}/stream/tools_known_id_wins.txt",
            f"{_CHAT}/stream/tools_ids_change.txt",
            f"{_CHAT}/stream/provider_glm.txt",
            f"{_CHAT}/stream/provider_ollama.txt",
        ),
    ),
    Row(
        2,
        "arguments that come before the call's name are lost",
        "they wait for the name and go out as one piece",
        golden=(
            f"{_CHAT}/stream/tool_arguments_first.txt",
            f"{_CHAT}/stream/tool_all_arguments_first.txt",
        ),
    ),
    Row(
        3,
        "blocks overlap or stay open, and the client gives up",
        "one place knows the legal order: one open block, rising indexes, one end or one error",
    ),
    Row(
        4,
        "a turn ends without its tool being run, or a cut answer looks complete",
        "a turn with a call is `tool_use`; an end without a finish reason is an error event; an "
        "answer of nothing but reasoning may say it as its text",
        '`only_reasoning = "text"` in a [profile](configuration.md)',
        golden=(
            f"{_CHAT}/stream/tool_finish_stop.txt",
            f"{_CHAT}/stream/no_finish_eof.txt",
            f"{_CHAT}/stream/no_finish_done.txt",
            f"{_CHAT}/stream/no_finish_in_call.txt",
            f"{_RESPONSES}/stream/cut.txt",
        ),
    ),
    Row(
        5,
        "a small model writes its call into the text, in tags or a code fence",
        "where a profile asks for it such a text becomes a call, if it names a tool of the "
        "request; all else stays text, and of a stream only what may be a call waits",
        '`text_calls = "read"` in a [profile](tool-calls.md)',
        golden=(
            "mending/hermes.txt",
            "mending/qwen3_coder.txt",
            "mending/reasoning_first.txt",
            "mending/no_call.txt",
            "mending/cut.txt",
        ),
    ),
    Row(
        6,
        "arguments are not quite JSON",
        "whole answers: commas, quotes, Python's words and texts in texts are repaired, what "
        "cannot be goes to the client under `__unparsedToolInput`, which asks the model again, and "
        "empty values that a tool's schema forbids are left out; streams: an object's bytes pass "
        "as they come, but for an empty `pages` of Claude Code's Read, which is left out; what is "
        "broken is logged and counted, and a profile may have them wait and be mended in the same "
        "way",
        '`call_inputs = "mended"` in a [profile](tool-calls.md)',
        golden=(
            "mending/broken_inputs.txt",
            f"{_CHAT}/stream/tool_empty_pages.txt",
            f"{_CHAT}/response/tool_malformed.json",
            f"{_CHAT}/stream/tool_malformed.txt",
            f"{_CHAT}/stream/tool_double_encoded.txt",
        ),
    ),
    Row(
        7,
        "a silent stream is cut by the client or by something in between",
        "the status waits for the first content, 10 seconds at most; then the message begins, and "
        "every silence has pings; nothing is compressed or buffered; connecting, the first byte "
        "and the silence after it have timeouts of their own, and local servers time to read",
        "`CLAUDE_PROXY_HOLD_SECONDS`, `CLAUDE_PROXY_PING_SECONDS`, `CLAUDE_PROXY_CONNECT_TIMEOUT`, "
        "`CLAUDE_PROXY_REQUEST_TIMEOUT`, `CLAUDE_PROXY_FIRST_BYTE_TIMEOUT`, "
        "`CLAUDE_PROXY_IDLE_TIMEOUT`",
    ),
    Row(
        8,
        "an error comes with the status 200",
        "it is found before the 200 goes out, and has the status that it names",
        "`CLAUDE_PROXY_HOLD_SECONDS`",
        golden=(
            f"{_CHAT}/stream/error_first.txt",
            f"{_CHAT}/stream/provider_minimax_error.txt",
        ),
    ),
    Row(
        9,
        "a refusal, a filter or a full window ends an answer under a wrong name",
        "each has Anthropic's own stop reason; a lack of resources is an overload",
        golden=(
            f"{_CHAT}/stream/finish_content_filter.txt",
            f"{_CHAT}/stream/finish_model_context_window_exceeded.txt",
            f"{_CHAT}/stream/provider_deepseek_busy.txt",
            f"{_CHAT}/stream/refusal.txt",
            f"{_RESPONSES}/stream/incomplete_filter.txt",
        ),
    ),
)

REASONING = (
    Row(
        10,
        "a model refuses a history whose reasoning does not come back",
        "reasoning is a thinking block that goes back in the provider's form, also when the client "
        "dropped it; where it is lost the field is empty",
        "`CLAUDE_PROXY_REASONING_MEMORY_BYTES`",
        golden=(f"{_CHAT}/request/deepseek.json", f"{_CHAT}/request/thinking.json"),
    ),
    Row(
        11,
        "Gemini 3 refuses a call whose signature is gone",
        "it travels in the thinking block before the call, and is remembered by the call's id; "
        "foreign calls get the documented stand-in",
        "`CLAUDE_PROXY_REASONING_MEMORY_BYTES`",
        golden=(f"{_CHAT}/response/provider_gemini.json",),
    ),
    Row(
        12,
        "a signature of another model or key makes Anthropic refuse the whole session",
        "ours and empty ones are left out there, Anthropic's stay as they are; if one is refused, "
        "the request goes once more without earlier thinking, and says so",
        "`CLAUDE_PROXY_LEARNING`",
    ),
    Row(
        13,
        "a turn must begin with its thinking, which came from elsewhere",
        "thinking is off for this request, with a note",
    ),
    Row(
        14,
        "effort is ignored or refused, or reasoning cannot be turned off",
        "each profile knows its switch, levels and budget; the nearest is sent and noted; nothing "
        "is sent where nothing was asked",
        golden=(
            f"{_CHAT}/request/effort.json",
            f"{_CHAT}/request/qwen.json",
            f"{_RESPONSES}/request/effort.json",
        ),
    ),
    Row(
        15,
        "a demanded call is refused while the model reasons",
        "reasoning is off for this request, or the model is asked in words; unknown upstreams "
        "teach it by their refusal",
        "`CLAUDE_PROXY_LEARNING`",
        golden=(f"{_CHAT}/request/moonshot.json",),
    ),
    Row(
        16,
        "OpenRouter's reasoning details come back incomplete or in another order",
        "they come back as they were; only pieces of one index and format are joined",
        golden=(f"{_CHAT}/request/openrouter.json",),
    ),
)

PARAMETERS = (
    Row(
        17,
        "a model refuses `max_tokens` or `temperature`",
        "profiles know the model families; a refusal that names the field is corrected once and "
        "remembered",
        "`CLAUDE_PROXY_LEARNING`, `CLAUDE_PROXY_LEARNED_FILE`",
        golden=(f"{_CHAT}/request/options.json",),
    ),
    Row(
        18,
        "gpt-5.4 and later refuse tools together with reasoning in Chat Completions",
        "they are asked in the Responses API; in Chat the effort is `none` with tools",
        "`CLAUDE_PROXY_UPSTREAM_DIALECT`",
    ),
    Row(
        19,
        "more output is asked for than the model has",
        "clamped to what the profile, the upstream's list or its refusal says, and to what the "
        "prompt leaves",
        "`CLAUDE_PROXY_MAX_TOKENS_LIMIT`",
    ),
    Row(
        20,
        "a field that only Anthropic knows is refused",
        "translated requests never have one, nor its beta header; Messages passes both, but for "
        "fields of which the upstream's row, or its refusal, says that it does not take them, also "
        "within tools and blocks; Anthropic's own refusals are its clients' to read",
        "`CLAUDE_PROXY_LEARNING`",
        golden=(f"{_CHAT}/request/dropped.json",),
    ),
    Row(
        21,
        "a strict server refuses a field that OpenAI has",
        "profiles, and corrections that are learned",
        "`CLAUDE_PROXY_LEARNING`",
        golden=(f"{_CHAT}/request/mistral.json",),
    ),
)

MESSAGES = (
    Row(
        22,
        "Gemini refuses keywords of a tool's schema",
        "they are rewritten into those that it has; what is lost stands in the description",
        golden=(f"{_CHAT}/request/gemini.json",),
    ),
    Row(
        23,
        "a schema with a union at its top or a name twice in `required` is refused",
        "it becomes one object without them; in Messages it passes",
        golden=(f"{_CHAT}/request/schemas.json",),
    ),
    Row(
        24,
        "a tool's name is too long or has other characters",
        "a stand-in with a hash, the same in tools, history and choice, restored in answers",
        golden=(
            f"{_CHAT}/request/tools.json",
            f"{_CHAT}/stream/tool_name_restored.txt",
        ),
    ),
    Row(
        25,
        "there are more tools than the upstream takes",
        "400 with both numbers, before anything is sent",
    ),
    Row(
        26,
        "an image in a result is dropped, or goes out as megabytes of text",
        "a marker in the result, and the image after all results; in it where the API takes that",
        golden=(f"{_CHAT}/request/tool_results.json", f"{_RESPONSES}/request/calls.json"),
    ),
    Row(
        27,
        "results are missing, unknown, twice, or in another place than their calls",
        "each call has exactly one result, right after it and in its order; what is left is text",
        golden=(f"{_CHAT}/request/tool_calls.json",),
    ),
    Row(
        28,
        "a template refuses later system messages, roles that do not alternate, or a last word of "
        "the assistant",
        "the profile says what the upstream takes; messages are joined, marked or continued",
        golden=(
            f"{_CHAT}/request/system_messages.json",
            f"{_CHAT}/request/prefill.json",
            f"{_CHAT}/request/mistral.json",
        ),
    ),
    Row(
        29,
        "empty texts are refused",
        "they are left out; an empty result says so; calls alone have null or an empty text",
        golden=(f"{_CHAT}/request/turns.json",),
    ),
    Row(
        30,
        "a model without eyes refuses an image",
        "the model reads that there was one; learned where no profile knows it. With "
        "`CLAUDE_PROXY_VISION_MODEL` another model is asked in its place, and the route says so",
        golden=(f"{_CHAT}/request/media.json",),
    ),
)

TOKENS = (
    Row(
        31,
        "the client compacts too late, and the session is lost",
        "counts by the upstream's own counter, or an estimate that learns; usage that adds up to "
        "the prompt; overflows in the words that clients know; real windows for clients, or scaled "
        "counts",
        "`CLAUDE_PROXY_TOKEN_COUNTING`, `CLAUDE_PROXY_TOKEN_SCALING`",
        golden=(
            f"{_CHAT}/stream/usage_cached_too_many.txt",
            f"{_CHAT}/stream/usage_cache_write.txt",
            f"{_CHAT}/stream/error_overflow.txt",
        ),
    ),
    Row(
        32,
        "prompt and output together are longer than the window",
        "the output is cut to what the prompt leaves, with a note",
        "`CLAUDE_PROXY_MIN_TOKENS_LIMIT`",
    ),
    Row(
        33,
        "a server cuts the prompt without a word",
        "a reported prompt far below our count is logged, or told as an overflow; Ollama is asked "
        "for the window of each model, and for the one that it has loaded it with",
        "`CLAUDE_PROXY_TRUNCATED_PROMPTS`",
    ),
    Row(
        34,
        "the prompt cache is lost with every request",
        "each request begins with the bytes of the last; the client's changing line is taken out; "
        "sessions have a key, and Claude behind OpenRouter its marks; breaks are told, with their "
        "place, where that is asked for",
        "`CLAUDE_PROXY_CACHE_WATCH`",
    ),
)

ERRORS = (
    Row(
        35,
        "errors lose their status or are tried again and again",
        "each keeps its class, `retry-after` and limits, which have Anthropic's names, too; an "
        "empty account is final; nothing is made up, nothing waited for",
    ),
    Row(
        36,
        "the upstream works on after the client has left",
        "its connection is closed at once, in every phase",
    ),
    Row(
        37,
        "web search and web fetch of Claude Code find nothing",
        "the model gets a function, and we search with the service that is set, or by the "
        "upstream's own search; without either it is told what to set. Pages are never fetched: "
        "web fetch of a server is left out with a note",
        setting="`CLAUDE_PROXY_SEARCH`",
    ),
)

PARTS = {
    "Streams and tool calls": CALLS,
    "Reasoning": REASONING,
    "Parameters": PARAMETERS,
    "Schemas and messages": MESSAGES,
    "Context and tokens": TOKENS,
    "Errors and connections": ERRORS,
}
ROWS = tuple(row for rows in PARTS.values() for row in rows)
