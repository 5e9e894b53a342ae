"""Tools and tool choice of a request."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from claude_proxy.codecs.jsonio import Shared, dumps_text
from claude_proxy.codecs.openai_chat.client_tools import client_tool, described
from claude_proxy.codecs.openai_chat.context import Context, kept
from claude_proxy.codecs.openai_chat.names import inline_definitions
from claude_proxy.codecs.openai_chat.schema import is_strict, object_schema
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
    "computer_toolset_": "its calls need toolset_name, which Chat Completions cannot carry",
    "browser_toolset_": "its calls need toolset_name, which Chat Completions cannot carry",
}
"""How the `type` of tools that cannot be sent starts, and why not."""

TOOL_FIELDS = frozenset(
    {"type", "name", "description", "input_schema", "strict", "input_examples"}
    | {"defer_loading", "cache_control", "display_width_px", "display_height_px"}
)
"""Fields of a tool that are carried, translated, or noted for themselves."""

CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def encode_tools(body: Json, context: Context) -> list[FunctionTool]:
    """The functions that the upstream is offered, in order; the first of each name counts."""
    listed = body.get("tools") or ()
    functions: list[FunctionTool] = []
    if listed:
        functions = kept(listed, "tools", lambda own: _listed(listed, own), context)
    inline = list(_inline(body))
    if not inline:
        return functions
    before = {function["function"]["name"]: function for function in functions}
    return list(_functions(inline, context, before).values())


def _listed(tools: Sequence[Json], context: Context) -> list[FunctionTool]:
    declared = ((f"tools.{index}", tool) for index, tool in enumerate(tools))
    functions = list(_functions(declared, context, {}).values())
    return Shared(functions) if isinstance(tools, Shared) else functions


def _functions(
    declared: Iterable[tuple[str, Json]], context: Context, before: Mapping[str, FunctionTool]
) -> dict[str, FunctionTool]:
    """Functions by name: those of `before`, then the declared ones, given with their paths."""
    functions = {**before}
    for path, tool in declared:
        function = _function(tool, path, context)
        if function is None:
            continue
        name = function["name"]
        if name in functions:
            context.notes.drop(path, "a second tool of this name")
        else:
            functions[name] = {"type": "function", "function": function}
    return functions


def _inline(body: Json) -> Iterator[tuple[str, Json]]:
    """The tools that are defined in messages, with their paths."""
    for index, message in enumerate(body["messages"]):
        content = message.get("content")
        for place, block in enumerate(content if isinstance(content, list) else ()):
            if block["type"] == "tool_addition" or block["type"] == "compaction":
                for definition in inline_definitions(block):
                    yield f"messages.{index}.content.{place}", definition


def _function(tool: Json, path: str, context: Context) -> Json | None:
    """The function of one tool, or None, with a note, if it cannot be offered."""
    kind = tool.get("type") or "custom"
    if kind == "custom":
        return _custom(tool, path, context)
    if reason := next((SERVER_TOOLS[s] for s in SERVER_TOOLS if kind.startswith(s)), None):
        context.notes.drop(path, reason)
        return None
    if "input_schema" in tool:
        return _custom(tool, path, context)
    known = client_tool(kind)
    if known is None:
        context.notes.drop(path, "unknown tool type without a schema")
        return None
    _note_fields(tool, path, context)
    name = context.tool_name(tool.get("name") or known.name)
    function = {"name": name, "description": described(known, tool)}
    return _with_examples({**function, "parameters": known.parameters}, tool)


def _custom(tool: Json, path: str, context: Context) -> Json | None:
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
    parameters, lost = object_schema(tool.get("input_schema"))
    if lost:
        context.notes.drop(f"{path}.input_schema", lost)
    function["parameters"] = parameters
    if tool.get("strict"):
        if context.profile.strict_schemas and is_strict(parameters):
            function["strict"] = True
        else:
            context.notes.drop(f"{path}.strict", "not possible with this schema and upstream")
    return _with_examples(function, tool)


def _with_examples(function: Json, tool: Json) -> Json:
    """Chat Completions has no field for examples: they go to the end of the description."""
    examples = tool.get("input_examples")
    if not examples:
        return function
    lines = "\n".join(dumps_text(example) for example in examples)
    description = f"{function.get('description', '')}\n\nExample inputs:\n{lines}".lstrip()
    return {"name": function["name"], "description": description} | {
        key: value for key, value in function.items() if key not in ("name", "description")
    }


def _note_fields(tool: Json, path: str, context: Context) -> None:
    if tool.get("cache_control"):
        context.notes.cache_control(path)
    if not TOOL_FIELDS.issuperset(tool):
        for name, value in tool.items():
            if name not in TOOL_FIELDS and value is not None:
                context.notes.once(
                    f"tools.{name}", f"{path}.{name}", "not part of Chat Completions"
                )


def encode_tool_choice(
    choice: Json | None, functions: list[FunctionTool], context: Context
) -> Json:
    """The fields `tool_choice` and `parallel_tool_calls`, as far as they are asked for."""
    if not choice:
        return {}
    kind = choice.get("type")
    if not functions:
        if kind in ("any", "tool"):
            context.notes.drop("tool_choice", "no tools are sent")
        return {}
    fields: Json = {}
    if kind in CHOICES:
        fields["tool_choice"] = CHOICES[kind]
    elif kind == "tool" and (named := _named(choice, functions, context)):
        fields["tool_choice"] = named
    else:
        why = "no such tool is sent" if kind == "tool" else "unknown kind of choice"
        context.notes.drop("tool_choice", why)
    if choice.get("disable_parallel_tool_use") is True:
        fields["parallel_tool_calls"] = False
    return fields


def _named(
    choice: Json, functions: list[FunctionTool], context: Context
) -> dict[Literal["type", "function"], object] | None:
    name = context.tool_name(choice.get("name") or "")
    if all(tool["function"]["name"] != name for tool in functions):
        return None
    return {"type": "function", "function": {"name": name}}
