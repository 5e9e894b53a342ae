"""The client's tools in the system prompt, for a CLI that is given no server of them.

One tool is one line of JSON, in which no description can end its line or the list around it. What
the model calls it writes into its text (`written`), where `codecs/mending` finds it.
"""

from collections.abc import Sequence

from claude_proxy.codecs.claude_cli.written import as_call, inert
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.mending.offered import offered
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.profiles import Profile
from claude_proxy.types import Json
from claude_proxy.types.anthropic import MessagesRequest

_FORM = as_call("NAME", {"PARAMETER": "VALUE"})

RULES = f"""# Tools

These are your tools. Each line is one of them, as JSON: its name, what it does, and the JSON \
schema of its arguments.

<tools>
{{tools}}
</tools>

You call a tool by writing, and in no other way. A call has exactly this form:

{_FORM}

- It is valid JSON: quotes, backslashes and line ends within strings are escaped. The arguments \
are an object that fits the tool's schema.
- For several calls at once write one behind the other, each with tags of its own.
- Calls are the end of your answer. Write nothing behind the last one, and stop: what the tools \
give comes with the next message, as <tool_result>. Never write a result yourself, and never guess \
one.
- Write this form only to call a tool. Without a call, answer as usual.
- Earlier calls of this conversation stand in it in the same form."""
"""What the model reads; `{{tools}}` stands for the lines."""

ONE = "Call one tool at most in this turn."
NONE = "No tool can be called in this turn; answer in text."
_SCHEMA = (
    "An answer that calls no tool is nothing but one JSON value that is valid under the following "
    "JSON schema, without a code fence around it:\n"
)


def tells(request: MessagesRequest, profile: Profile) -> bool:
    """Whether the model is told of tools in words."""
    return profile.text_calls == "told" and bool(offered(request, {}))


def tell_tools(tools: Sequence[Json], context: Context) -> str:
    """The part of the system prompt for tools as an MCP server would list them."""
    context.notes.drop("tools", "told in the system prompt, and called in writing")
    return RULES.replace("{tools}", "\n".join(map(_line, tools)))


def tell_schema(schema: Json, context: Context) -> None:
    """The form of the answer, which the CLI cannot check beside calls that it does not know."""
    context.notes.drop("output_config.format", "the schema is not enforced, the model is told")
    context.instructions.append(_SCHEMA + dumps_text(schema))


def tell_choice(choice: Json | None, context: Context) -> Json | None:
    """The choice without what only words can say of it, which the model is told."""
    if not choice:
        return choice
    if choice.get("type") == "none":
        context.instructions.append(NONE)
        return choice
    if choice.get("disable_parallel_tool_use") is True:
        context.notes.drop("tool_choice.disable_parallel_tool_use", "the model is told")
        context.instructions.append(ONE)
    return {name: value for name, value in choice.items() if name != "disable_parallel_tool_use"}


def _line(tool: Json) -> str:
    told = {"name": tool["name"], "description": tool["description"]}
    return inert(dumps_text({**told, "input_schema": tool["inputSchema"]}))
