"""What a process of the CLI is started with: its command line and its environment.

Nothing of a request reaches either but a model's name, a level of effort and a number, all of
which are checked. The prompt goes by stdin, where no other user of the machine can read it, and
where it cannot be taken for an option.
"""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from claude_proxy.codecs.claude_cli.words import PREFIX, SERVER, cli_model
from claude_proxy.codecs.jsonio import dumps_text
from claude_proxy.types import Json

HOP_HEADER = "x-claude-proxy-cli"
"""Marks the requests that our own CLI processes make, so that no proxy answers them by the CLI."""

KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"),
    # Where its own login is, and the way to the network.
    *("CLAUDE_CONFIG_DIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)
"""Of our own environment. No key is among them: what else the CLI needs is set for it by name."""

_LONG = "1000000000"

FIXED: Mapping[str, str] = {
    # `@/etc/passwd` in a prompt would be read into it.
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    # Our clients have retries of their own, and each one needs to see the status.
    "CLAUDE_CODE_MAX_RETRIES": "0",
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_NO_MODEL_FALLBACK": "1",
    # The conversation is the client's, and so is whatever shortens it.
    "DISABLE_COMPACT": "1",
    "DISABLE_AUTO_COMPACT": "1",
    # The client's tools take as long as they take, and say as much as they say.
    "MCP_TOOL_TIMEOUT": _LONG,
    "CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT": _LONG,
    "CLAUDE_CODE_SDK_MCP_TOOL_IDLE_TIMEOUT": _LONG,
    "CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS": "0",
    "MAX_MCP_OUTPUT_TOKENS": _LONG,
    "CLAUDE_CODE_MAX_MCP_DESCRIPTION_LENGTH": _LONG,
    "ENABLE_TOOL_SEARCH": "false",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_TERMINAL_TITLE": "1",
    "NO_COLOR": "1",
    "TERM": "dumb",
}
"""Of the environment, whatever the user sets."""

EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})

_OPTIONS = (
    "-p",
    *("--input-format", "stream-json", "--output-format", "stream-json"),
    *("--verbose", "--include-partial-messages"),
    # No tool, file, hook, memory or setting of the machine is within the model's reach.
    *("--tools", "", "--strict-mcp-config", "--setting-sources", ""),
    "--no-session-persistence",
)
_CLIENTS_TOOLS = (
    *("--mcp-config", dumps_text({"mcpServers": {SERVER: {"type": "sdk", "name": SERVER}}})),
    *("--allowedTools", PREFIX.removesuffix("__")),
)
_HEADERS = "ANTHROPIC_CUSTOM_HEADERS"
_VERSION = re.compile(rb"(?<!\d)\d{1,9}(?:\.\d{1,9}){1,3}")


class Command(NamedTuple):
    """The CLI's program, and the variables that the user sets for it."""

    program: str
    variables: Mapping[str, str]

    def line(self, start: Json) -> list[str]:
        """The command line for the `start` of a document. `RequestError` 404 for its model."""
        line = [self.program, *_OPTIONS]
        if "ANTHROPIC_API_KEY" in self.variables:
            # Then no login is looked for, and nothing is said of the machine.
            line.append("--bare")
        if start["tools"]:
            line += _CLIENTS_TOOLS
        line += ["--model", cli_model(start["model"])]
        return [*line, "--effort", start["effort"]] if start.get("effort") in EFFORTS else line

    def environment(self, start: Json | None = None) -> dict[str, str]:
        """All that a process has of variables."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        headers = "\n".join(filter(None, (self.variables.get(_HEADERS), f"{HOP_HEADER}: 1")))
        found = {**kept, **self.variables, **FIXED, _HEADERS: headers}
        asked = start or {}
        if type(asked.get("max_tokens")) is int:
            found["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(asked["max_tokens"])
        if asked.get("thinking") is False:
            found["CLAUDE_CODE_DISABLE_THINKING"] = "1"
        return found


def read_version(printed: bytes) -> str | None:
    """The number in what `--version` prints."""
    found = _VERSION.search(printed)
    return found[0].decode() if found else None
