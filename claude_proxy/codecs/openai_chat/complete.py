"""Schemas that are complete at any depth, as OpenAI checks them before it looks at the prompt.

"Invalid schema for function 'read_files': In context=('properties', 'paths'), array schema missing
items" refuses the whole request (mcphost#35, aichat PR#1049, in a list of types too:
tidewave_phoenix PR#224), and MCP servers often leave them out. `required` has to be a list that
names each property once in inner objects too (composio#2933).
"""

from claude_proxy.codecs.openai_chat.keywords import MANY, MOST_DEPTH, NAMED, ONE
from claude_proxy.codecs.openai_chat.schema import is_of, names_of
from claude_proxy.types import Json


def completed(schema: Json, depth: int = MOST_DEPTH) -> Json:
    """The same schema with `items` in each array; itself where nothing is amiss."""
    fixes: Json = {}
    if schema.get("items") is None and is_of(schema.get("type"), "array"):
        fixes["items"] = {}
    if "required" in schema and (names := names_of(schema["required"])) != schema["required"]:
        fixes["required"] = names
    for keyword, value in schema.items() if depth > 0 else ():
        if (made := _part(keyword, value, depth - 1)) is not value:
            fixes[keyword] = made
    return {**schema, **fixes} if fixes else schema


def _part(keyword: str, value: object, depth: int) -> object:
    """What a keyword holds with its schemas completed; the same object if they were complete."""
    if isinstance(value, dict):
        if keyword in ONE:
            return completed(value, depth)
        if keyword in NAMED:
            named = {name: _any(kind, depth) for name, kind in value.items()}
            return value if all(named[name] is value[name] for name in value) else named
    if isinstance(value, list) and keyword in MANY:
        made = [_any(kind, depth) for kind in value]
        return value if all(new is old for new, old in zip(made, value, strict=True)) else made
    return value


def _any(schema: object, depth: int) -> object:
    return completed(schema, depth) if isinstance(schema, dict) else schema
