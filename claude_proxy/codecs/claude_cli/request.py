"""Anthropic Messages request → what a process of the CLI is to be given.

The document is plain JSON, of these members:

    start     what a process is started with: `model`, `system`, `tools`, and where they are asked
              for `effort`, `thinking` (false), `max_tokens` and `schema`; `written`: the names of
              tools that are called in writing instead
    history   the lines of the conversation so far; none of them asks the model
    last      the line that asks
    session   a key of the client's session, if it is known

Nothing of it but `model`, `effort` and `max_tokens` ever stands in a command line or an
environment, and these only as an own table or a pattern allows.
"""

from collections.abc import Iterator, Mapping, Sequence

from claude_proxy.codecs import OnDrop, ignore_drop
from claude_proxy.codecs.carry import Seal
from claude_proxy.codecs.claude_cli.content import assistant_blocks, reminder, user_blocks
from claude_proxy.codecs.claude_cli.pairing import Said, paired
from claude_proxy.codecs.claude_cli.told_tools import (
    tell_choice,
    tell_schema,
    tell_tools,
    tells,
)
from claude_proxy.codecs.claude_cli.words import INERT, STRUCTURED, cli_model
from claude_proxy.codecs.claude_cli.written import in_writing
from claude_proxy.codecs.openai_chat.context import Context, Notes
from claude_proxy.codecs.openai_chat.effort import wanted_effort
from claude_proxy.codecs.openai_chat.fields import (
    note_fields,
    refuse_thread,
    sampling,
    short_id,
    system_prompt,
    token_limit,
)
from claude_proxy.codecs.openai_chat.names import named_tools, wire_names
from claude_proxy.codecs.openai_chat.tools import encode_tool_choice, encode_tools
from claude_proxy.codecs.sessions import session_key
from claude_proxy.errors import RequestError
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessageParam, MessagesRequest

LANGUAGE = "the Claude Code CLI"

CONTINUE = "Continue your last message exactly where it ends, without repeating any of it."


def tool_names(request: MessagesRequest, *, profile: Profile) -> dict[str, str]:
    """Wire name → original name of the tools that had to be renamed, for decoding the answer.

    Where the answer has to follow a schema, the CLI's own tool for that stands for no tool ("").
    """
    body: Json = {**request}
    names = wire_names(named_tools(body), profile.tool_name_length)
    told = {wire: original for original, wire in names.items()}
    checked = _asked_schema(body) is not None and not tells(request, profile)
    return {**told, STRUCTURED: ""} if checked else told


def encode_request(
    request: MessagesRequest,
    *,
    profile: Profile,
    on_drop: OnDrop = ignore_drop,
    renamed: Mapping[str, str] | None = None,
    session: str = "",
    seal: Seal | None = None,
) -> Json:
    """The document of a checked Messages request; arguments as for other codecs.

    Raises `RequestError`: 404 for a model that cannot be the CLI's, 400 for `thread` and for a
    request that says nothing.
    """
    body: Json = {**request}
    model = cli_model(request["model"])
    refuse_thread(body)
    notes = Notes(on_drop, LANGUAGE)
    note_fields(body, notes)
    if renamed is None:
        renamed = tool_names(request, profile=profile)
    names = {original: wire for wire, original in renamed.items() if original}
    context = Context(profile, notes, names, [], seal or Seal.plain(profile.name))
    start = {"model": model, **_start(body, context, told=tells(request, profile))}
    history, last = _lines(request["messages"], context)
    document: Json = {"start": start, "history": history, "last": last}
    key = session_key(body, session) or _user(body)
    return {**document, "session": key} if key else document


def _start(body: Json, context: Context, *, told: bool) -> Json:
    """`told`: the tools stand in the system prompt."""
    tools = _tools(body, context)
    sampling(body, context)
    if body.get("stop_sequences"):
        context.notes.drop("stop_sequences", context.notes.foreign)
    start: Json = {}
    if (body.get("thinking") or {}).get("type") == "disabled":
        start["thinking"] = False
        body = {**body, "thinking": None}
    if effort := wanted_effort(body, context):
        start["effort"] = effort
    if limit := token_limit(body, context):
        start["max_tokens"] = limit
    if (schema := _schema(body, context)) is not None:
        if told:
            tell_schema(schema, context)
        else:
            start["schema"] = schema
    parts = [system_prompt(body, context)]
    if told and tools:
        parts.append(tell_tools(tools, context))
        start["written"] = [tool["name"] for tool in tools]
    parts += context.instructions
    system = "\n\n".join(part for part in parts if part)
    return {**start, "system": system, "tools": [] if told else tools}


def _tools(body: Json, context: Context) -> list[Json]:
    """The tools as an MCP server lists them."""
    functions = encode_tools(body, context)
    choice = body.get("tool_choice")
    if functions and context.profile.text_calls == "told":
        choice = tell_choice(choice, context)
    chosen = encode_tool_choice(choice, functions, context)
    if chosen.get("tool_choice") == "none":
        context.notes.drop("tool_choice", "no tools are sent, because the CLI has no such choice")
        return []
    return [
        {
            "name": function["function"]["name"],
            "description": function["function"].get("description", ""),
            "inputSchema": function["function"]["parameters"],
        }
        for function in functions
    ]


def _asked_schema(body: Json) -> Json | None:
    asked = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    schema = asked.get("schema") if asked.get("type") == "json_schema" else None
    return schema if isinstance(schema, dict) else None


def _schema(body: Json, context: Context) -> Json | None:
    config = body.get("output_config") or {}
    for name, value in config.items():
        if name not in ("format", "effort") and value is not None:
            context.notes.drop(f"output_config.{name}", context.notes.foreign)
    schema = _asked_schema(body)
    if schema is None and (config.get("format") or body.get("output_format")):
        context.notes.drop("output_config.format", "unknown kind of output format")
    return schema


def _user(body: Json) -> str | None:
    """A key of the end user, where the client tells no session: most have one talk at a time."""
    user = (body.get("metadata") or {}).get("user_id")
    return short_id(user) if user else None


def _lines(messages: Sequence[MessageParam], context: Context) -> tuple[list[Json], Json]:
    """The lines of the history, and the one that asks."""
    turns = paired(_turns(messages, context), context.notes)
    if context.profile.text_calls == "told":
        turns = in_writing(turns, context.notes)
    if turns and turns[-1][0] == "assistant":
        context.notes.drop("messages", "an answer is not continued here, the model is asked to")
        turns.append(("user", [{"type": "text", "text": CONTINUE}]))
    if not turns:
        raise RequestError("messages: no content was left to answer")
    lines = [_line(role, blocks) for role, blocks in turns]
    return [_silent(line) for line in lines[:-1]], lines[-1]


def _turns(messages: Sequence[MessageParam], context: Context) -> Iterator[tuple[str, list[Said]]]:
    """Roles that alternate, with what is said; nothing of who says nothing."""
    role, blocks = "", list[Said]()
    for index, message in enumerate(messages):
        speaker = "assistant" if message["role"] == "assistant" else "user"
        said = _said(message, f"messages.{index}", context)
        if not said:
            continue
        if speaker != role and blocks:
            yield role, blocks
            blocks = []
        role = speaker
        blocks += said
    if blocks:
        yield role, blocks


def _said(message: MessageParam, path: str, context: Context) -> list[Said]:
    content = message.get("content") or ""
    if message["role"] == "assistant":
        return assistant_blocks(content, path, context)
    if message["role"] == "system":
        return reminder(content, path, context)
    return user_blocks(content, path, context)


def _line(role: str, blocks: list[Json]) -> Json:
    if role == "user" and any(block["type"] == "text" for block in blocks):
        blocks = [*blocks, INERT]
    return {"type": role, "message": {"role": role, "content": blocks}}


def _silent(line: Json) -> Json:
    """A line that is only remembered. Each of the user's is answered by an empty result."""
    return {**line, "shouldQuery": False} if line["type"] == "user" else line
