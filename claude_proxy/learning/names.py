"""The name of a field that an upstream refuses → what to do about it."""

import re
from collections.abc import Mapping

from claude_proxy.learning.correction import DROPPABLE, Correction

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PATH = re.compile(r"[.\[\]]+")

_REASONING = frozenset({"reasoning_content", "reasoning", "reasoning_details", "thinking"})
"""What the fields of an assistant message are called that hold earlier reasoning."""

_MEANT: Mapping[str, Correction] = {
    "max_tokens": Correction("max_tokens_field", "max_completion_tokens"),
    "max_completion_tokens": Correction("max_tokens_field", "max_tokens"),
    "stop": Correction("max_stops", 0),
    "stop_sequences": Correction("max_stops", 0),
    "stream_options": Correction("stream_usage", False),
    "include_usage": Correction("stream_usage", False),
    "user": Correction("user_field", None),
    "prompt_cache_key": Correction("session_field", None),
    "session_id": Correction("session_field", None),
    "strict": Correction("strict_schemas", False),
    "reasoning_content": Correction("reasoning_history", "drop"),
    "response_format": Correction("response_format", "told"),
}
"""Names for which a profile has a word of its own."""


def refused(name: str) -> tuple[Correction, ...]:
    """What is to be changed when the field at `name`, a name or a dotted path, is refused."""
    words = [word for word in _PATH.split(_CAMEL.sub("_", name).lower()) if word]
    if not words:
        return ()
    first, last = words[0], words[-1]
    if first == "messages":
        # Only what we add ourselves; the rest of a message is the client's.
        return (_MEANT["reasoning_content"],) if last in _REASONING else ()
    if len(words) > 1 and first in ("tools", "response_format"):
        return (_MEANT["strict"],) if last == "strict" else ()
    if first in _MEANT:
        return (_MEANT[first],)
    return (Correction("without", first),) if first in DROPPABLE else ()
