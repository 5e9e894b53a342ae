"""Servers of which nothing is known."""

from dataclasses import replace

from claude_proxy.images import ANTHROPIC
from claude_proxy.profiles.profile import Profile, ProfileRow

GENERIC = Profile(
    "generic",
    max_output_tokens=32_000,
    cap_assumed=True,
    system_messages="first",
    prefill="continue",
    pdf="text",
    strict_schemas=False,
    result_media="user",
    prompt_cache_key=False,
    images=ANTHROPIC,
    most_tools=None,
)
"""An OpenAI-compatible server of which nothing is known: only what all of them take.

The cap is what Claude Code itself assumes of names it does not know; it asks for 128,000 where
it believes to talk to Claude, and many servers answer that with 400.
"""

HOSTED = replace(GENERIC, prefill="instruct")
"""What the rows of vendors start from: their servers begin a new message after a prefill."""

ROWS: tuple[ProfileRow, ...] = (ProfileRow(GENERIC),)
