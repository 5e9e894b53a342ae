"""Shorter system prompts, for models with small windows or slow prefill.

Pure and remembered: the same prompt gives the same bytes in every turn, so that the upstream's
prompt cache goes on working. Only `system` is touched: never tools, never messages. In it stay,
byte for byte: code, what is known of the environment, the user's own files (CLAUDE.md, memories),
and lines with paths. The advice on behavior that Claude Code repeats for every model becomes one
sentence a section; what is over the limit after that goes from the end, with a mark.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from claude_proxy.codecs.jsonio import Shared
from claude_proxy.compression.fit import fitted
from claude_proxy.compression.outline import FREE, Piece, outline, written
from claude_proxy.compression.tidy import tidied
from claude_proxy.tokens import estimate_text
from claude_proxy.types import Json

LONGEST = 256 * 1024
"""Characters; a longer prompt is somebody's data, and looking through it would keep others."""

BILLING_LINE = "x-anthropic-billing-header:"
_MOST_PASSES = 4

Texts = tuple[str, ...]


class Shortened(NamedTuple):
    """A shortened prompt and its estimated tokens, before and after."""

    texts: Texts
    before: int
    after: int


class Prompt(NamedTuple):
    """The texts of a `system` field, and how to write it again with other texts."""

    texts: Texts
    rewrite: Callable[[Sequence[str]], Any]


def read_prompt(body: Json) -> Prompt | None:
    """The system prompt of a Messages request, checked or not; None where nothing is to do."""
    system = body.get("system")
    if isinstance(system, str):
        prompt = Prompt((system,), lambda texts: texts[0])
    elif isinstance(system, list) and all(map(_is_text, system)):
        prompt = Prompt(
            tuple(block["text"] for block in system), lambda texts: _rewritten(system, texts)
        )
    else:
        return None
    return prompt if 0 < sum(map(len, prompt.texts)) <= LONGEST else None


def _is_text(block: object) -> bool:
    return isinstance(block, dict) and isinstance(block.get("text"), str)


def _rewritten(system: list[Json], texts: Sequence[str]) -> list[Json]:
    def make() -> list[Json]:
        blocks = [
            {**block, "text": text}
            for block, text in zip(system, texts, strict=True)
            if text or not block["text"]
        ]
        return Shared(blocks) if isinstance(system, Shared) else blocks

    # What is made of it stays shared as well, so it is translated once, not in every turn.
    return system.once(("shortened", *texts), make) if isinstance(system, Shared) else make()


@lru_cache(maxsize=16)
def compact(texts: Texts, limit: int) -> Shortened:
    """The prompt with Claude Code's advice in a sentence a section, and within `limit` tokens.

    What stays untouched may be over the limit by itself; then `after` says so.
    """
    found = _own(texts)
    # Until nothing changes any more: what goes may bring other pieces together.
    for _ in range(_MOST_PASSES):
        before, found = found, _pass(found, limit)
        if found == before:
            break
    return Shortened(_with_billing(found, texts), estimate(_own(texts)), estimate(found))


def _pass(texts: Texts, limit: int) -> Texts:
    found = [written(tidied(outline(text))) for text in texts]
    if estimate(found) > limit:
        found = [written(pieces) for pieces in fitted([*map(outline, found)], limit)]
    return tuple(text if text.strip() else "" for text in found)


def advice(texts: Texts) -> str:
    """All that may be told in other words: what a model is given to summarize."""
    pieces = (piece for text in _own(texts) for piece in outline(text))
    return "".join(piece.text for piece in pieces if piece.kind in FREE).strip()


def with_summary(texts: Texts, summary: str, limit: int) -> Shortened | None:
    """The prompt with `summary` in the place of its `advice`; None if that does not fit."""
    outlines: list[list[Piece]] = []
    told = False
    for text in _own(texts):
        pieces: list[Piece] = []
        for piece in outline(text):
            if piece.kind not in FREE:
                pieces.append(piece)
            elif not told and piece.text.strip():
                told = True
                pieces.append(piece._replace(text=f"{summary.strip()}\n\n"))
        outlines.append(pieces)
    found = tuple(map(written, outlines))
    before, after = estimate(_own(texts)), estimate(found)
    if not told or after > min(limit, before):
        return None
    return Shortened(_with_billing(found, texts), before, after)


def estimate(texts: Sequence[str]) -> int:
    """Tokens of a prompt, as it is sent."""
    return estimate_text("\n\n".join(text for text in texts if text))


def _own(texts: Texts) -> Texts:
    """Without the line for Anthropic's billing, which goes to nobody else."""
    return tuple(
        text.partition("\n")[2] if text.startswith(BILLING_LINE) else text for text in texts
    )


def _with_billing(texts: Texts, before: Texts) -> Texts:
    return tuple(
        "".join(old.partition("\n")[:2]) + new if old.startswith(BILLING_LINE) else new
        for new, old in zip(texts, before, strict=True)
    )
