"""Blocks that Chat Completions has no words for, told to the model as text.

They are mostly the traces of tools that ran on Anthropic's servers: the model that goes on with
the conversation must know what was asked and what came back. Encrypted payloads are left out
with a note: nobody but Anthropic can read them. What our own searches found is not encrypted.
"""

from collections.abc import Callable, Mapping

from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.codecs.openai_chat.content import (
    Part,
    as_object,
    as_objects,
    as_text,
    document,
    plain_text,
)
from claude_proxy.codecs.openai_chat.context import Context
from claude_proxy.codecs.web_search.hits import unpack
from claude_proxy.types import Json

Teller = Callable[[Json, str, Context], str]
"""A block, its path and the context → what the model reads; empty for nothing."""


def _server_tool_use(block: Json, path: str, context: Context) -> str:
    return f"[{as_text(block.get('name'))} was called with {dumps_text(block.get('input') or {})}]"


def _mcp_tool_use(block: Json, path: str, context: Context) -> str:
    name, server = as_text(block.get("name")), as_text(block.get("server_name"))
    asked = dumps_text(block.get("input") or {})
    return f"[tool {name} of MCP server {server} was called with {asked}]"


def _mcp_tool_result(block: Json, path: str, context: Context) -> str:
    failed = "error " if block.get("is_error") else ""
    body = plain_text(block.get("content")) or "(no output)"
    return f"[{failed}result of the MCP tool]\n{body}"


def _failed(what: str, content: Json) -> str:
    detail = as_text(content.get("error_message"))
    return f"[{what} failed: {as_text(content.get('error_code'))}]{' ' if detail else ''}{detail}"


def _encrypted(content: Json, key: str, path: str, context: Context) -> None:
    if content.get(key):
        context.notes.once(key, f"{path}.{key}", "encrypted, readable by Anthropic only")


def _web_search(block: Json, path: str, context: Context) -> str:
    content = block.get("content")
    if isinstance(content, dict):
        return _failed("web search", content)
    lines = ["[web search results]"]
    for index, result in enumerate(as_objects(content)):
        age = f" ({result['page_age']})" if result.get("page_age") else ""
        lines.append(f"- {as_text(result.get('title'))}: {as_text(result.get('url'))}{age}")
        extract = unpack(result.get("encrypted_content"))
        if extract is None:
            _encrypted(result, "encrypted_content", f"{path}.content.{index}", context)
        elif extract:
            lines.append(f"  {extract}")
    return "\n".join(lines)


def _web_fetch(block: Json, path: str, context: Context) -> str:
    content = as_object(block.get("content"))
    if "error_code" in content:
        return _failed("web fetch", content)
    page = as_object(content.get("content"))
    parts = document(page, f"{path}.content.content", context, False)
    return "\n".join([f"[fetched {as_text(content.get('url'))}]", *map(as_text, parts)])


def _advisor(block: Json, path: str, context: Context) -> str:
    content = as_object(block.get("content"))
    if "error_code" in content:
        return _failed("advisor", content)
    _encrypted(content, "encrypted_content", f"{path}.content", context)
    return f"[advice of the advisor]\n{as_text(content.get('text')) or '(encrypted)'}"


def _code_execution(block: Json, path: str, context: Context) -> str:
    content = as_object(block.get("content"))
    if "error_code" in content:
        return _failed("code execution", content)
    _encrypted(content, "encrypted_stdout", f"{path}.content", context)
    lines = [f"[code execution ended with return code {as_text(content.get('return_code'))}]"]
    for stream in ("stdout", "stderr"):
        if content.get(stream):
            lines.append(f"{stream}:\n{as_text(content[stream])}")
    if content.get("encrypted_stdout"):
        lines.append("stdout: (encrypted)")
    files = [as_text(output.get("file_id")) for output in as_objects(content.get("content"))]
    return "\n".join([*lines, *(f"file: {file}" for file in files)])


def _text_editor(block: Json, path: str, context: Context) -> str:
    content = as_object(block.get("content"))
    if "error_code" in content:
        return _failed("text editor", content)
    if "is_file_update" in content:
        return f"[the file was {'updated' if content['is_file_update'] else 'created'}]"
    if "content" in content:
        return f"[content of the file]\n{as_text(content['content'])}"
    lines = content.get("lines")
    changed = "\n".join(map(as_text, lines)) if isinstance(lines, list) else ""
    return f"[the file was edited]\n{changed}" if changed else "[the file was edited]"


def _tool_search(block: Json, path: str, context: Context) -> str:
    content = as_object(block.get("content"))
    if "error_code" in content:
        return _failed("tool search", content)
    found = as_objects(content.get("tool_references"))
    names = [context.tool_name(as_text(reference.get("tool_name"))) for reference in found]
    return "\n".join(f"Tool loaded: {name}" for name in names) or "[tool search found nothing]"


def _container_upload(block: Json, path: str, context: Context) -> str:
    context.notes.drop(path, "there is no container at this upstream")
    return f"[file {as_text(block.get('file_id'))} was uploaded to a container you cannot reach]"


def _compaction(block: Json, path: str, context: Context) -> str:
    _encrypted(block, "encrypted_content", path, context)
    summary = as_text(block.get("content"))
    texts = [f"[summary of the earlier conversation]\n{summary}"] if summary else []
    for index, change in enumerate(as_objects(block.get("tool_changes"))):
        teller = TOOL_CHANGES.get(as_text(change.get("type")))
        texts += [teller(change, f"{path}.tool_changes.{index}", context)] if teller else []
    if not texts:
        context.notes.drop(path, "a compaction without content")
    return "\n\n".join(texts)


def _fallback(block: Json, path: str, context: Context) -> str:
    before, after = as_object(block.get("from")), as_object(block.get("to"))
    return f"[model changed from {before.get('model')} to {after.get('model')}]"


def _mcp_tool_listing(block: Json, path: str, context: Context) -> str:
    names = ", ".join(as_text(tool.get("name")) for tool in as_objects(block.get("tools")))
    context.notes.drop(path, "MCP servers are not connected by this upstream")
    return f"[tools of MCP server {as_text(block.get('mcp_server_name'))}: {names}]"


def _tool_addition(block: Json, path: str, context: Context) -> str:
    return f"{_changed_tool(block, context)} available from here on."


def _tool_removal(block: Json, path: str, context: Context) -> str:
    return f"{_changed_tool(block, context)} no longer available."


def _changed_tool(block: Json, context: Context) -> str:
    tool = as_object(block.get("tool"))
    tool = as_object(tool.get("definition")) or tool
    name = as_text(tool.get("name"))
    server = as_text(tool.get("server_name") or tool.get("mcp_server_name"))
    if not name:
        return f"The tools of MCP server {server} are"
    return f"Tool {context.tool_name(name)}{f' of MCP server {server}' if server else ''} is"


def _browser_state(block: Json, path: str, context: Context) -> str:
    lines = ["[browser tabs]"]
    for tab in as_objects(block.get("tabs")):
        mark = "* " if tab.get("active") else "- "
        tab_id, title, url = (as_text(tab.get(key)) for key in ("tab_id", "title", "url"))
        lines.append(f"{mark}{tab_id}: {title} {url}".rstrip())
    return "\n".join([*lines, *map(dumps_text, as_objects(block.get("state_changes")))])


TOOL_CHANGES: Mapping[str, Teller] = {
    "tool_addition": _tool_addition,
    "tool_removal": _tool_removal,
}

TELLERS: Mapping[str, Teller] = {
    "server_tool_use": _server_tool_use,
    "web_search_tool_result": _web_search,
    "web_fetch_tool_result": _web_fetch,
    "advisor_tool_result": _advisor,
    "code_execution_tool_result": _code_execution,
    "bash_code_execution_tool_result": _code_execution,
    "text_editor_code_execution_tool_result": _text_editor,
    "tool_search_tool_result": _tool_search,
    "mcp_tool_use": _mcp_tool_use,
    "mcp_tool_result": _mcp_tool_result,
    "mcp_tool_listing": _mcp_tool_listing,
    "container_upload": _container_upload,
    "compaction": _compaction,
    "fallback": _fallback,
    "browser_state": _browser_state,
    **TOOL_CHANGES,
}


def tell(block: Json, path: str, context: Context) -> list[Part]:
    """The text of a block that `TELLERS` knows; no part at all where there is nothing to tell."""
    told = TELLERS[block["type"]](block, path, context)
    return [told] if told else []
