"""The names that both sides of the protocol have to agree on."""

import re

from claude_proxy.errors import RequestError

SERVER = "px"
"""The MCP server by which the CLI knows the client's tools; it is this proxy itself."""

PREFIX = f"mcp__{SERVER}__"
"""How the CLI's names of those tools begin."""

STRUCTURED = "StructuredOutput"
"""The CLI's own tool by which a model gives an answer that has to follow a JSON schema."""

TIERS = ("opus", "sonnet", "haiku")
"""The CLI's short names: the newest model of each tier."""

INERT = {"type": "text", "text": " "}
"""Ends every user's text. One that begins with a slash would be a command of the CLI where it is
the last block; the CLI leaves this block out again."""

_OWN = "claude-code-cli/"
# What can stand after `--model`: no option, and nothing that a shell or a path could mean.
_CLAUDE = re.compile(r"(?=.*claude)[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}")
_TOLD_NAME = 200


def cli_model(name: str) -> str:
    """The name of a model as the CLI takes it. Raises `RequestError` 404 for any other name."""
    bare = name.removeprefix(_OWN)
    if bare in TIERS or _CLAUDE.fullmatch(bare):
        return bare
    raise RequestError(f"model: {name[:_TOLD_NAME]}", status=404)
