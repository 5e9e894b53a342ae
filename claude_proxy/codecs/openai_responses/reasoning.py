"""Reasoning items that only their upstream can read, in the signatures of thinking blocks."""

from typing import NamedTuple

from claude_proxy.codecs.carry import Seal
from claude_proxy.types import Json

_KIND = "reasoning"


class Reasoning(NamedTuple):
    """What comes back of an item; its id does not, as nothing is stored at the upstream."""

    encrypted: str
    summary: list[str]


def wrap(reasoning: Reasoning, seal: Seal) -> str:
    """The signature of a block that carries the item."""
    fields = {"encrypted_content": reasoning.encrypted, "summary": reasoning.summary}
    return seal.sign({_KIND: fields})


def unwrap(signature: object, seal: Seal) -> Reasoning | None:
    """The item in a signature of ours; None if there is none for this model."""
    carried = seal.read(signature if isinstance(signature, str) else "")[1].get(_KIND)
    return _reasoning(carried) if isinstance(carried, dict) else None


def _reasoning(fields: Json) -> Reasoning | None:
    encrypted, summary = fields.get("encrypted_content"), fields.get("summary")
    if not isinstance(encrypted, str) or not encrypted:
        return None
    texts = summary if isinstance(summary, list) else []
    return Reasoning(encrypted, [text for text in texts if isinstance(text, str)])
