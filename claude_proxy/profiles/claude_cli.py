"""The Claude Code CLI of this machine, used as an upstream.

It has no address. Where one is expected, `ADDRESS` stands for it: a name that no server can have.
Source: `claude --help` of 2.1.329, and what that version does with what it is told.
"""

from dataclasses import replace

from claude_proxy.images import ANTHROPIC
from claude_proxy.profiles.profile import Profile, ProfileRow

HOST = "claude-cli.invalid"
SCHEME = "claude-cli"
ADDRESS = f"{SCHEME}://{HOST}"

_CLI = Profile(
    "claude-cli",
    max_output_tokens=128_000,
    context_window=1_000_000,
    sampling=False,
    max_stops=0,
    efforts=("low", "medium", "high", "xhigh", "max"),
    most_tools=None,
    tool_choices=("auto", "none"),
    parallel_calls_field=False,
    strict_schemas=False,
    user_field=None,
    # Behind `mcp__px__`, within the 128 characters that Anthropic takes.
    tool_name_length=119,
    images=ANTHROPIC,
)

_SMALLER = replace(_CLI, max_output_tokens=64_000, context_window=200_000)

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(_SMALLER, name="claude-cli/small"), models=("*haiku*", "*sonnet*"), hosts=(HOST,)
    ),
    ProfileRow(_CLI, hosts=(HOST,)),
)
