"""Tools and tool choice of a request."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from claude_proxy.codecs.jsonio import Shared, dumps_text
from claude_proxy.codecs.openai_chat.client_tools import client_tool, described
from claude_proxy.codecs.openai_chat.context import Context, kept
from claude_proxy.codecs.openai_chat.dialects import in_dialect
from claude_proxy.codecs.openai_chat.effort import can_turn_off
from claude_proxy.codecs.openai_chat.marks import mark_of
from claude_proxy.codecs.openai_chat.names import DEFINING, blocks_of, inline_definitions
from claude_proxy.codecs.openai_chat.schema import TooManyBranches, Work, is_strict, object_schema
from claude_proxy.errors import RequestError
from claude_proxy.profiles import Choice, Profile
from claude_proxy.types import Json
from claude_proxy.types.openai import FunctionTool

PLACEHOLDER = "DeferredToolPlaceholder"
"""Claude Code's stand-in for tools it loads later; nobody is to call it."""

SERVER_TOOLS: Mapping[str, str] = {
    "web_search_": "runs on Anthropic's servers only",
    "web_fetch_": "runs on Anthropic's servers only",
    "code_execution_": "runs on Anthropic's servers only",
    "tool_search_tool_": "runs on Anthropic's servers only",
    "advisor_": "runs on Anthropic's servers only",
    "mcp_toolset": "MCP servers are not connected by this upstream",
    "computer_toolset_": "its calls need toolset_name, which {language} cannot carry",
    "browser_toolset_": "its calls need toolset_name, which {language} cannot carry",
}
"""How the `type` of tools that cannot be sent starts, and why not."""

TOOL_FIELDS = frozenset(
    {"type", "name", "description", "input_schema", "strict", "input_examples"}
    | {"defer_loading", "cache_control", "display_width_px", "display_height_px"}
)
"""Fields of a tool that are carried, translated, or noted for themselves."""

CHOICES: Mapping[str, Choice] = {"auto": "auto", "any": "required", "none": "none"}


def encode_tools(body: Json, context: Context) -> list[FunctionTool]:
    """The functions that the upstream is offered, in order; the first of each name counts."""
    listed = body.get("tools") or ()
    functions: list[FunctionTool] = []
    if listed:
        functions = kept(listed, "tools", lambda own: _listed(listed, own), context)
    inline = list(_inline(body))
    if inline:
        before = {function["function"]["name"]: function for function in functions}
        functions = list(_functions(inline, context, before).values())
    most = context.profile.most_tools
    if most is not None and len(functions) > most:
        raise RequestError(
            f"tools: this model takes {most} tools at most, and these are {len(functions)}. "
            "Turn off some of them, for example MCP servers."
        )
    return functions


def _listed(tools: Sequence[Json], context: Context) -> list[FunctionTool]:
    """Tools that the client loads in mid-conversation come last, wherever it puts them: upstreams
    cache a prompt from its start, and tools stand there."""
    declared = [(f"tools.{index}", tool) for index, tool in enumerate(tools)]
    declared.sort(key=lambda entry: bool(entry[1].get("defer_loading")))
    functions = list(_functions(declared, context, {}).values())
    return Shared(functions) if isinstance(tools, Shared) else functions


def _functions(
    declared: Iterable[tuple[str, Json]], context: Context, before: Mapping[str, FunctionTool]
) -> dict[str, FunctionTool]:
    """Functions by name: those of `before`, then the declared ones, given with their paths."""
    functions, work = {**before}, Work()
    for path, tool in declared:
        function = _function(tool, path, context, work)
        if function is None:
            continue
        name = function["name"]
        if name in functions:
            context.notes.drop(path, "a second tool of this name")
        else:
            entry: FunctionTool = {"type": "function", "function": function}
            if mark := mark_of(tool, path, context):
                entry["cache_control"] = mark
            functions[name] = entry
    return functions


def _inline(body: Json) -> Iterator[tuple[str, Json]]:
    """The tools that are defined in messages, with their paths."""
    if not blocks_of(body, DEFINING):
        return  # As nearly always.
    for index, message in enumerate(body["messages"]):
        content = message.get("content")
        for place, block in enumerate(content if isinstance(content, list) else ()):
            if block["type"] in DEFINING:
                for definition in inline_definitions(block):
                    yield f"messages.{index}.content.{place}", definition


def _function(tool: Json, path: str, context: Context, work: Work) -> Json | None:
    """The function of one tool, or None, with a note, if it cannot be offered."""
    kind = tool.get("type") or "custom"
    if kind == "custom":
        return _custom(tool, path, context, work)
    if reason := next((SERVER_TOOLS[s] for s in SERVER_TOOLS if kind.startswith(s)), None):
        context.notes.drop(path, reason.format(language=context.notes.language))
        return None
    if "input_schema" in tool:
        return _custom(tool, path, context, work)
    known = client_tool(kind)
    if known is None:
        context.notes.drop(path, "unknown tool type without a schema")
        return None
    _note_fields(tool, path, context)
    name = context.tool_name(tool.get("name") or known.name)
    function = {"name": name, "description": described(known, tool)}
    return _with_examples({**function, "parameters": known.parameters}, tool)


def _custom(tool: Json, path: str, context: Context, work: Work) -> Json | None:
    if not tool.get("name"):
        context.notes.drop(path, "a tool without a name")
        return None
    if tool["name"] == PLACEHOLDER:
        context.notes.drop(path, "a placeholder that is never called")
        return None
    _note_fields(tool, path, context)
    function: Json = {"name": context.tool_name(tool["name"])}
    if tool.get("description"):
        function["description"] = tool["description"]
    function["parameters"] = parameters = _parameters(tool, f"{path}.input_schema", context, work)
    if tool.get("strict"):
        if context.profile.strict_schemas and is_strict(parameters):
            function["strict"] = True
        else:
            context.notes.drop(f"{path}.strict", "not possible with this schema and upstream")
    return _with_examples(function, tool)


def _parameters(tool: Json, path: str, context: Context, work: Work) -> Json:
    try:
        parameters, lost = object_schema(tool.get("input_schema"), work)
        profile = context.profile
        parameters, told = in_dialect(parameters, profile.schema, work, profile.schema_without)
    except TooManyBranches:
        why = "anyOf, oneOf and allOf at the top of the tools' schemas have too many branches"
        raise RequestError(f"{path}: {why}", limit="entries") from None
    if lost:
        context.notes.drop(path, lost)
    if told:
        why = "what the upstream has no keyword for is told in descriptions"
        context.notes.once("dialect", path, why)
    return parameters


def _with_examples(function: Json, tool: Json) -> Json:
    """There is no field for examples: they go to the end of the description."""
    examples = tool.get("input_examples")
    if not examples:
        return function
    lines = "\n".join(dumps_text(example) for example in examples)
    description = f"{function.get('description', '')}\n\nExample inputs:\n{lines}".lstrip()
    return {"name": function["name"], "description": description} | {
        key: value for key, value in function.items() if key not in ("name", "description")
    }


def _note_fields(tool: Json, path: str, context: Context) -> None:
    if not TOOL_FIELDS.issuperset(tool):
        for name, value in tool.items():
            if name not in TOOL_FIELDS and value is not None:
                context.notes.once(f"tools.{name}", f"{path}.{name}", context.notes.foreign)


def encode_tool_choice(
    choice: Json | None, functions: list[FunctionTool], context: Context
) -> Json:
    """The fields `tool_choice` and `parallel_tool_calls`, as far as they are asked for.

    Where the upstream has no such choice, `tools` may be among the fields: fewer, or none.
    """
    if not choice:
        return {}
    kind = choice.get("type") or ""
    if not functions:
        if kind in ("any", "tool"):
            context.notes.drop("tool_choice", "no tools are sent")
        return {}
    fields: Json = {}
    if kind in CHOICES:
        fields = _chosen(CHOICES[kind], functions, context)
    elif kind == "tool":
        named = [tool for tool in functions if tool["function"]["name"] == _wire(choice, context)]
        if named:
            fields = _chosen("named", named, context)
        else:
            context.notes.drop("tool_choice", "no such tool is sent")
    else:
        context.notes.drop("tool_choice", "unknown kind of choice")
    if choice.get("disable_parallel_tool_use") is True and fields.get("tools") != []:
        if context.profile.parallel_calls_field:
            fields["parallel_tool_calls"] = False
        else:
            context.notes.drop("tool_choice.disable_parallel_tool_use", "not known upstream")
    return fields


def _wire(choice: Json, context: Context) -> str:
    return context.tool_name(choice.get("name") or "")


def _chosen(choice: Choice, functions: list[FunctionTool], context: Context) -> Json:
    """The fields for a choice; for "named", `functions` is that one.

    What the upstream does not have is replaced by the nearest thing that it has.
    """
    profile, notes = context.profile, context.notes
    forced = choice in ("required", "named")
    stubborn = forced and profile.forced_choice == "plain" and not can_turn_off(profile)
    if choice in profile.tool_choices and not stubborn:
        return {"tool_choice": _words(choice, functions, profile)}
    if choice == "none":
        notes.drop("tool_choice", "no tools are sent, because the upstream knows no such choice")
        return {"tools": []}
    if choice == "named" and "required" in profile.tool_choices and not stubborn:
        notes.drop("tool_choice", "sent as the only tool, and required")
        return {"tools": functions, "tool_choice": profile.required_word}
    notes.drop("tool_choice", "the upstream cannot demand a call here, the model is told")
    what = f"the tool `{functions[0]['function']['name']}`" if choice == "named" else "a tool"
    context.instructions.append(f"In this turn you must call {what}; do not answer in text alone.")
    return {"tool_choice": "auto"}


def _words(choice: Choice, functions: list[FunctionTool], profile: Profile) -> str | Json:
    if choice == "named":
        return {"type": "function", "function": {"name": functions[0]["function"]["name"]}}
    return profile.required_word if choice == "required" else choice


def is_forced(chat: Json) -> bool:
    """Whether a request demands a call."""
    return chat.get("tool_choice", "auto") not in ("auto", "none")
