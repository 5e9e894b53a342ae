"""Tools that Anthropic defines and the client runs, written out as ordinary functions.

Anthropic's models know these tools by heart, so a request names only their type. Any other model
needs a schema; the inputs here are those that the clients of these tools handle.
Source: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from claude_proxy.types import Json


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A function for all versions of one Anthropic-defined tool."""

    name: str
    description: str
    parameters: Json


def _string(description: str) -> Json:
    return {"type": "string", "description": description}


def _integer(description: str) -> Json:
    return {"type": "integer", "description": description}


def _choice(*values: str) -> Json:
    return {"type": "string", "enum": list(values)}


def _pair(description: str) -> Json:
    kind = {"type": "integer"}
    return {
        "type": "array",
        "items": kind,
        "minItems": 2,
        "maxItems": 2,
        "description": description,
    }


_FILE_FIELDS: Json = {
    "path": _string("Absolute path of the file or directory."),
    "file_text": _string("Content of the new file; for `create`."),
    "old_str": _string("Text to replace, exactly as in the file and only once in it."),
    "new_str": _string("Text to put in its place; for `str_replace`."),
    "insert_line": _integer("Line after which to insert, 0 for the start; for `insert`."),
    "insert_text": _string("Text to insert; for `insert`."),
    "view_range": _pair("First and last line to show, counted from 1; -1 is the end of file."),
}

_BASH = ClientTool(
    "bash",
    "Run a command in a persistent bash session and return its output.",
    {
        "type": "object",
        "properties": {
            "command": _string("The command to run."),
            "restart": {"type": "boolean", "description": "True to restart the session instead."},
        },
    },
)

_EDITOR_ABOUT = "View, create and edit text files."
_EDITOR_COMMANDS = ("view", "create", "str_replace", "insert")

_OLD_EDITOR = ClientTool(
    "str_replace_editor",
    _EDITOR_ABOUT,
    {
        "type": "object",
        "properties": {"command": _choice(*_EDITOR_COMMANDS, "undo_edit"), **_FILE_FIELDS},
        "required": ["command", "path"],
    },
)

_EDITOR = ClientTool(
    "str_replace_based_edit_tool",
    _EDITOR_ABOUT,
    {
        "type": "object",
        "properties": {"command": _choice(*_EDITOR_COMMANDS), **_FILE_FIELDS},
        "required": ["command", "path"],
    },
)

_MEMORY = ClientTool(
    "memory",
    "Read and write files under /memories, which outlive this conversation. "
    "View the directory before starting a task.",
    {
        "type": "object",
        "properties": {
            "command": _choice("view", "create", "str_replace", "insert", "delete", "rename"),
            **_FILE_FIELDS,
            "old_path": _string("Present path; for `rename`."),
            "new_path": _string("Future path; for `rename`."),
        },
        "required": ["command"],
    },
)

_COMPUTER = ClientTool(
    "computer",
    "Control the computer with mouse and keyboard, and take screenshots of it.",
    {
        "type": "object",
        "properties": {
            "action": _choice(
                *("key", "type", "mouse_move", "left_click", "left_click_drag", "right_click"),
                *("middle_click", "double_click", "triple_click", "screenshot", "zoom"),
                *("cursor_position", "left_mouse_down", "left_mouse_up", "scroll", "hold_key"),
                "wait",
            ),
            "coordinate": _pair("x and y in pixels from the upper left corner."),
            "start_coordinate": _pair("x and y where a drag starts."),
            "text": _string("Text to type, or keys to press, like `ctrl+s`."),
            "scroll_direction": _choice("up", "down", "left", "right"),
            "scroll_amount": _integer("How many clicks to scroll."),
            "duration": {"type": "number", "description": "Seconds to wait or to hold a key."},
            "region": {
                "type": "array",
                "items": {"type": "integer"},
                "minItems": 4,
                "maxItems": 4,
                "description": "x and y of two corners, for `zoom`.",
            },
        },
        "required": ["action"],
    },
)

CLIENT_TOOLS: Mapping[str, ClientTool] = {
    "bash_": _BASH,
    "text_editor_20241022": _OLD_EDITOR,
    "text_editor_20250124": _OLD_EDITOR,
    "text_editor_": _EDITOR,
    "computer_2": _COMPUTER,
    "memory_": _MEMORY,
}
"""By how the tool's `type` starts; the first match counts."""


def client_tool(kind: str) -> ClientTool | None:
    """The function for a tool type, or None if the client does not run such a tool."""
    return next((tool for start, tool in CLIENT_TOOLS.items() if kind.startswith(start)), None)


def described(tool: ClientTool, declared: Json) -> str:
    """The description, with the size of the display where the client says it."""
    width, height = declared.get("display_width_px"), declared.get("display_height_px")
    return (
        f"{tool.description} The display is {width} x {height} pixels."
        if width
        else (tool.description)
    )
