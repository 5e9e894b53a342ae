"""What each upstream and model accepts, as data.

A provider quirk is one field of `Profile` (its default is OpenAI's documented behavior), one
value in a row of `PROFILES`, and one golden case; never an `if` in a codec.

Rows are matched by place (host, port, path) *and* model name, first match wins. The families of
OpenAI's own models match at every host, because a gateway in front of a model does not lift the
model's limits.
"""

from claude_proxy.profiles.generic import GENERIC
from claude_proxy.profiles.profile import Choice, Effort, Profile, ProfileRow, TokenCounter, limited
from claude_proxy.profiles.rows import PROFILES, PROVIDERS, profile_for
from claude_proxy.profiles.schemas import SchemaDialect

__all__ = [
    "GENERIC",
    "PROFILES",
    "PROVIDERS",
    "Choice",
    "Effort",
    "Profile",
    "ProfileRow",
    "SchemaDialect",
    "TokenCounter",
    "limited",
    "profile_for",
]
