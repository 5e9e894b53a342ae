"""Shapes of the two wire languages. No logic lives here."""

from typing import Any

Json = dict[str, Any]
"""A parsed JSON object whose fields nobody has checked yet."""
