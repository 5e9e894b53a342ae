"""Gemini behind its OpenAI-compatible API.

Sources: https://ai.google.dev/gemini-api/docs/openai and /docs/thinking (2026-11).
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow
from claude_proxy.profiles.schemas import GEMINI_SCHEMA

_HOSTS = ("generativelanguage.googleapis.com", "*aiplatform.googleapis.com")

_GEMINI = replace(
    HOSTED,
    name="gemini",
    max_output_tokens=65_536,
    cap_assumed=False,
    context_window=1_048_576,
    max_stops=5,
    # Unknown fields are refused (securo#884), and the compatibility page does not list it.
    parallel_calls_field=False,
    think_tags=("thought",),
    reasoning_history="thought_signature",
    schema=GEMINI_SCHEMA,
    user_field=None,
    tool_name_start="letter",
)

ROWS: tuple[ProfileRow, ...] = (
    # Only the smaller models of 2.5 can do without reasoning, and none of 3.
    ProfileRow(
        replace(
            _GEMINI,
            name="gemini/2.5-pro",
            efforts=("minimal", "low", "medium", "high"),
            show_thoughts="thinking_budget",
        ),
        models=("gemini-2.5-pro*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        # "Function call is missing a thought_signature" (musistudio/claude-code-router#67).
        replace(
            _GEMINI,
            name="gemini/3",
            efforts=("minimal", "low", "medium", "high"),
            reasoning_missing="stand_in",
            show_thoughts="thinking_level",
        ),
        models=("gemini-[3-9]*",),
        hosts=_HOSTS,
    ),
    ProfileRow(
        replace(
            _GEMINI,
            name="gemini/2.5",
            efforts=("none", "minimal", "low", "medium", "high"),
            show_thoughts="thinking_budget",
        ),
        models=("gemini-2.5*",),
        hosts=_HOSTS,
    ),
    ProfileRow(_GEMINI, hosts=_HOSTS),
)
