"""DeepSeek.

Sources: https://api-docs.deepseek.com/guides/thinking_mode and /quick_start/pricing (2026-11).
"""

from dataclasses import replace

from claude_proxy.profiles.generic import HOSTED
from claude_proxy.profiles.profile import ProfileRow

ROWS: tuple[ProfileRow, ...] = (
    ProfileRow(
        replace(
            HOSTED,
            name="deepseek",
            max_output_tokens=384_000,
            cap_assumed=False,
            context_window=1_000_000,
            max_stops=16,
            thinking="thinking",
            # The vendor maps what lies between low, high and max; two versions of its page differ
            # in how.
            efforts=("low", "medium", "high", "xhigh", "max"),
            forced_choice="plain",
            most_tools=128,
            reasoning_history="reasoning_content",
            reasoning_missing="empty",
            vision="told",
            response_format="json_object",
        ),
        hosts=("api.deepseek.com",),
    ),
)
