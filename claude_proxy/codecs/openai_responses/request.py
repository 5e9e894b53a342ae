"""Anthropic Messages request → Responses request.

Pure: equal requests give equal bytes, and the request stays as it is. Nothing is stored at the
upstream: each request holds the whole conversation, and reasoning travels encrypted.
Source: https://platform.openai.com/docs/api-reference/responses/create.
"""

from collections.abc import Mapping

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.jsonio import Shared, dumps_text, loads
from claude_proxy.codecs.openai_chat import tools
from claude_proxy.codecs.openai_chat.context import Context, Notes
from claude_proxy.codecs.openai_chat.dialects import in_dialect
from claude_proxy.codecs.openai_chat.effort import shows_thinking, wanted_effort
from claude_proxy.codecs.openai_chat.fields import (
    leave_out,
    note_fields,
    output_schema,
    refuse_thread,
    sampling,
    short_id,
    system_prompt,
    token_limit,
    user_id,
)
from claude_proxy.codecs.openai_chat.request import context_of
from claude_proxy.codecs.openai_responses.items import encode_input
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest
from claude_proxy.types.openai import FunctionTool
from claude_proxy.types.responses import InputItem

LANGUAGE = "the Responses API"

DROPPED_HERE: Mapping[str, str] = {"stop_sequences": f"not part of {LANGUAGE}"}
"""Fields that Chat Completions carries and this language does not."""

LEAST_TOKENS = 16
"""OpenAI: "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16"."""

_SESSION = "_session_"


def encode_request(
    request: MessagesRequest,
    *,
    profile: Profile,
    on_drop: OnDrop = ignore_drop,
    renamed: Mapping[str, str] | None = None,
    session: str = "",
    seal: Seal | None = None,
) -> Json:
    """The Responses body of a checked Messages request; arguments as for `openai_chat`."""
    body: Json = {**request}
    refuse_thread(body)
    notes = Notes(on_drop, LANGUAGE)
    note_fields(body, notes)
    for name, why in DROPPED_HERE.items():
        if body.get(name):
            notes.drop(name, why)
    context = context_of(request, profile, notes, renamed, seal)
    functions = tools.encode_tools(body, context)
    prompt, items = _prompt_and_input(body, context)
    choice = _tool_choice(body, functions, context)
    instructions = "\n\n".join(filter(None, [prompt, *context.instructions]))
    functions = choice.pop("tools", functions)
    fields: Json = {
        "model": request["model"],
        **({"instructions": instructions} if instructions else {}),
        **({"tools": _flat(functions)} if functions else {}),
        **choice,
        **_limit(body, context),
        **sampling(body, context),
        **_reasoning(body, context),
        **_format(body, context),
        **_user(body, context, session),
        "store": False,
        **({} if body.get("stream") is None else {"stream": body["stream"]}),
        # Last, so that what a conversation adds is added at the end of its last request's bytes.
        "input": items,
    }
    return leave_out(fields, context)


def _prompt_and_input(body: Json, context: Context) -> tuple[str, list[InputItem]]:
    """System prompt and conversation; its own leading system message is added to the prompt where
    the upstream takes one at the start."""
    prompt, items = system_prompt(body, context), encode_input(body["messages"], context)
    if context.profile.system_messages == "first" and items[0].get("role") == "system":
        prompt = "\n\n".join(filter(None, [prompt, str(items.pop(0).get("content"))]))
    return prompt, items


def _flat(functions: list[FunctionTool]) -> list[Json]:
    """Functions without the `function` around them; of shared ones the same list each time."""
    if isinstance(functions, Shared):
        return functions.once("flat", lambda: Shared([_flat_tool(tool) for tool in functions]))
    return [_flat_tool(tool) for tool in functions]


def _flat_tool(tool: FunctionTool) -> Json:
    # Without `strict` the API would enforce the schema, and rewrite it to that end.
    return {"type": "function", "strict": False, **tool["function"]}


def _tool_choice(body: Json, functions: list[FunctionTool], context: Context) -> Json:
    fields = tools.encode_tool_choice(body.get("tool_choice"), functions, context)
    choice = fields.get("tool_choice")
    if isinstance(choice, dict):
        fields["tool_choice"] = {"type": "function", "name": choice["function"]["name"]}
    elif choice == "any":
        fields["tool_choice"] = "required"  # The other word is Mistral's in Chat Completions.
    return fields


def _limit(body: Json, context: Context) -> Json:
    limit = token_limit(body, context)
    if limit is None:
        return {}
    if limit < LEAST_TOKENS:
        context.notes.drop("max_tokens", f"raised to {LEAST_TOKENS}")
    return {"max_output_tokens": max(limit, LEAST_TOKENS)}


def _reasoning(body: Json, context: Context) -> Json:
    """Effort and summary as they are asked for; the items always, where there are any."""
    profile = context.profile
    effort = wanted_effort(body, context)
    reasoning: Json = {"effort": effort} if effort else {}
    if profile.reasoning_summary and shows_thinking(body) and effort != "none":
        reasoning["summary"] = profile.reasoning_summary
    fields: Json = {"reasoning": reasoning} if reasoning else {}
    if profile.reasoning_items == "encrypted":
        fields["include"] = ["reasoning.encrypted_content"]
    return fields


def _format(body: Json, context: Context) -> Json:
    asked = output_schema(body, context)
    if asked is None:
        return {}
    profile = context.profile
    wanted, _ = in_dialect(asked.schema, profile.schema, gone=profile.schema_without)
    schema = {"name": "response", "schema": wanted, "strict": asked.strict}
    return {"text": {"format": {"type": "json_schema", **schema}}}


def _user(body: Json, context: Context, told: str) -> Json:
    """Who asks, and the key of the session's prompt cache."""
    user, session = _user_and_session(user_id(body, context) or "")
    session = told or session
    field = context.profile.user_field
    fields: Json = {field: short_id(user)} if user and field else {}
    if session and context.profile.prompt_cache_key:
        fields["prompt_cache_key"] = short_id(session)
    return fields


def _user_and_session(id: str) -> tuple[str, str]:
    """Claude Code puts both into one id: an object, or `user_…_session_…` before 2.1."""
    try:
        fields = loads(id)
    except ValueError:
        user, _, session = id.partition(_SESSION)
        return user, session
    named = fields.get("session_id") if isinstance(fields, dict) else None
    if not isinstance(named, str):
        return id, ""
    return dumps_text({name: fields[name] for name in fields if name != "session_id"}), named
