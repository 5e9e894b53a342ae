"""Every provider: what its fake refuses, how it writes, and what it wants back.

What is known of each, and from where, stands in docs/providers.md and at the fields of
claude_proxy/profiles/profile.py; the shapes of streams in tests/cases/openai_chat/stream.
"""

from tests.providers.asia import ASIA
from tests.providers.hosts import HOSTS, LOCAL
from tests.providers.west import OPENAI, OPENROUTER, WEST

PROVIDERS = (*OPENAI, *OPENROUTER, *ASIA, *WEST, *HOSTS, *LOCAL)
