"""o200k's own counter: tiktoken, with a vocabulary that is never downloaded.

tiktoken would fetch the vocabulary from the network in the middle of a request, so the encoding
is built here from a file that is on the machine already: the one inside the package bpe-openai
(extra `tokens`), or one in tiktoken's cache folder. Either is taken by its hash alone.
"""

import gzip
import os
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from tiktoken import Encoding

VOCABULARY_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
"""As tiktoken itself has it."""

_CACHED = "fb374d419588a4632f3f557e76b4b70aebbca790"
"""The file's name in tiktoken's cache folder."""

_PIECE = 16_384
"""Characters encoded at a time: runs without end would overflow the stack of the expression, and
each cut costs a token at most."""

_WORD = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]%s[\p{Ll}\p{Lm}\p{Lo}\p{M}]%s"
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
)
_PATTERN = "|".join(
    [
        _WORD % ("*", "+"),
        _WORD % ("+", "*"),
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
"""How o200k cuts text into the pieces that are merged (tiktoken_ext/openai_public.py)."""

CountText = Callable[[str], int]

log = structlog.get_logger("claude_proxy.tokens")
_lock = Lock()


def installed() -> bool:
    """Whether tiktoken is there; nothing is loaded."""
    return find_spec("tiktoken") is not None


def load() -> CountText | None:
    """o200k's count of a text; None without tiktoken or without the vocabulary.

    Takes half a second and 80 MB the first time, so it is for a thread; never the network.
    """
    with _lock:
        return _load()


@cache
def _load() -> CountText | None:
    if not installed():
        return None
    try:
        encoding = _encoding()
    except (ImportError, OSError, TypeError, ValueError) as error:
        # No vocabulary, or a tiktoken that is broken or other than we know: there is an estimate.
        log.warning("tokenizer_failed", reason=str(error)[:300])
        return None
    return lambda text: sum(
        len(encoding.encode_ordinary(text[at : at + _PIECE])) for at in range(0, len(text), _PIECE)
    )


def _encoding() -> "Encoding":
    from tiktoken import Encoding

    pairs = (line.split() for line in vocabulary().splitlines() if line)
    ranks = {b64decode(token): int(rank) for token, rank in pairs}
    return Encoding("o200k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})


def vocabulary() -> bytes:
    """The first file with the right hash. Raises `FileNotFoundError` when there is none."""
    for path in _files():
        try:
            raw = path.read_bytes()
            found = gzip.decompress(raw) if path.suffix == ".gz" else raw
        except (OSError, EOFError, zlib.error):
            continue
        if sha256(found).hexdigest() == VOCABULARY_SHA256:
            return found
    raise FileNotFoundError("no vocabulary of o200k: install the extra `tokens`")


def _files() -> Iterator[Path]:
    spec = find_spec("bpe_openai")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "data" / "o200k_base.tiktoken.gz"
    for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        if folder := os.environ.get(name):
            yield Path(folder) / _CACHED
