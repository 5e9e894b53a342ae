"""tiktoken with a vocabulary from this machine: right, bounded, and never from the network."""

import gzip
import json
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest

from claude_proxy.server import o200k

# Not `importorskip`: to import bpe-openai is to load all of its vocabularies.
pytestmark = pytest.mark.skipif(
    not (find_spec("tiktoken") and find_spec("bpe_openai")), reason="needs the extra `tokens`"
)

CASES = Path(__file__).parents[1] / "cases" / "tokens"
O200K = json.loads((CASES / "o200k.json").read_text())


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Loads anew, with no vocabulary anywhere and no network."""
    monkeypatch.setattr(o200k, "find_spec", lambda n: None if "bpe" in n else find_spec(n))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network"))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    o200k._load.cache_clear()
    yield tmp_path
    o200k._load.cache_clear()


@pytest.mark.parametrize("kind", [name for name in O200K if name.endswith(".txt")])
def test_the_counts_are_o200ks(kind: str) -> None:
    count = o200k.load()
    assert count is not None
    assert count((CASES / kind).read_text("utf-8")) == O200K[kind]


def test_the_hash_is_tiktokens_own() -> None:
    from tiktoken_ext import openai_public

    assert o200k.VOCABULARY_SHA256 in Path(openai_public.__file__).read_text()


@pytest.mark.parametrize("run", ["a", " ", "\n", "=", "^", "é", "中", "🚀", "1", "aB3", "\ud800"])
def test_runs_without_end_are_counted_in_time(run: str) -> None:
    count = o200k.load()
    assert count is not None
    assert 0 < count(run * 300_000) <= 1_200_000


def test_special_tokens_are_text() -> None:
    count = o200k.load()
    assert count is not None
    assert count("<|endoftext|>") > 3


def test_tiktokens_cache_serves_too(fresh: Path) -> None:
    origin = find_spec("bpe_openai").origin  # type: ignore[union-attr]
    packed = Path(origin or "").parent / "data" / "o200k_base.tiktoken.gz"
    (fresh / o200k._CACHED).write_bytes(gzip.decompress(packed.read_bytes()))
    count = o200k.load()
    assert count is not None and count("hello world") == 2


def test_without_a_vocabulary_nobody_counts(fresh: Path) -> None:
    assert o200k.load() is None


def test_a_changed_vocabulary_is_not_taken(fresh: Path) -> None:
    (fresh / o200k._CACHED).write_bytes(b"aGVsbG8= 0\n")
    assert o200k.load() is None


def test_without_tiktoken_nobody_counts(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(o200k, "find_spec", lambda name: None)
    assert o200k.load() is None
