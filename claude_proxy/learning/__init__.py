"""What upstreams refuse, understood: an error's words in, corrected fields of a profile out.

Pure. `find_corrections` reads an upstream's refusal; `corrected` gives the profile with which the
encoder makes the request that the upstream asks for. Who remembers it, and who tries again, is
the server's affair (docs/learning.md).
"""

from claude_proxy.learning.correction import Correction, corrected
from claude_proxy.learning.find import Finding, find_corrections
from claude_proxy.learning.passed_rules import PASSED_RULES

__all__ = [
    "PASSED_RULES",
    "Correction",
    "Finding",
    "corrected",
    "find_corrections",
]
