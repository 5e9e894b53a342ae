"""What rules read of an upstream's error, and which errors nothing is ever learned from."""

import re
from typing import NamedTuple, Self

from claude_proxy.errors import UpstreamError

_TEXT_LENGTH = 1_500
"""What a server says of a request stands at the beginning; behind it may come the request."""

NEVER = re.compile(
    r"content.?(?:policy|filter|management)|safety|moderation|blocked"
    r"|billing|credit|quota|balance|payment|subscription"
    r"|api.?key|unauthori[sz]ed|authenticat|permission"
    r"|rate.?limit|per (?:minute|day)|overloaded"
    r"|context (?:length|window|size)|prompt is too long",
    re.IGNORECASE,
)
"""Words of errors that are about money, keys, policies, or the size of the prompt."""

NEVER_CODES = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "data_inspection_failed",  # DashScope
        "context_length_exceeded",
        "insufficient_quota",
        "invalid_api_key",
        "model_not_found",
        "rate_limit_exceeded",
        "tool_use_failed",  # Groq: the model's own mistake
        "json_validate_failed",  # Groq, too
        "1301",  # GLM: unsafe content
    }
)


class Refusal(NamedTuple):
    """One line of what the upstream said, and the names that it gave apart."""

    status: int
    text: str
    params: tuple[str, ...]

    @classmethod
    def of(cls, error: UpstreamError) -> Self | None:
        """None for errors that are not the upstream's own words."""
        if not error.quoted:
            return None
        # Xiaomi says "Param Incorrect" and puts the sentence into `param` (AutoGLM-GUI#396).
        sentences = [param for param in error.params if " " in param]
        text = "\n".join([error.message, *sentences])[:_TEXT_LENGTH]
        names = tuple(param for param in error.params if " " not in param)
        return cls(error.status, text, names)
