"""The estimate against o200k: by kind of text, by kind of block, and for whatever else comes."""

import base64
import gzip
import json
import struct
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.claude_cli.told_tools import RULES
from claude_proxy.codecs.web_search.hits import pack
from claude_proxy.profiles import GENERIC
from claude_proxy.tokens import estimate_text, estimate_tokens

CASES = Path(__file__).parents[1] / "cases" / "tokens"
O200K: dict[str, int] = json.loads((CASES / "o200k.json").read_text())
KINDS = sorted(name for name in O200K if name.endswith(".txt"))


def read(name: str) -> str:
    return (CASES / name).read_text(encoding="utf-8")


def one_block(block: object) -> int:
    """Tokens that a block adds to an empty user message."""
    return estimate_tokens(user([block])) - estimate_tokens(user([]))


def user(content: object) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_is_within_10_percent_of_o200k(kind: str) -> None:
    assert estimate_text(read(kind)) == pytest.approx(O200K[kind], rel=0.10)


CHINESE = [
    ("你好世界" * 30, 60),
    (
        "请编写一个函数，输入一个整数数组，返回其中最大的子数组之和。请用Python实现，并添加详细的注释说明。",
        31,
    ),
    ("那一天下着大雨，他独自站在桥头，望着远处模糊的山影，心里忽然生出一种说不出的惆怅。", 40),
    ("张伟、王芳、李娜、刘洋、陈静、杨勇、赵磊、黄敏、周杰、吴霞、徐丽、孙涛", 36),
    ("繁體中文測試：機器學習與深度學習的差異在於模型的複雜度。", 28),
]


@pytest.mark.parametrize(("text", "count"), CHINESE)
def test_chinese_of_common_words_and_of_rare_ones(text: str, count: int, encoding: Any) -> None:
    assert len(encoding.encode_ordinary(text)) == count
    assert estimate_text(text) == pytest.approx(count, rel=0.20)


def test_all_kinds_together_are_within_5_percent_of_o200k() -> None:
    estimate = sum(estimate_text(read(kind)) for kind in KINDS)
    assert estimate == pytest.approx(sum(O200K[kind] for kind in KINDS), rel=0.05)


@pytest.mark.pitfall(31)
def test_a_coding_request_is_within_15_percent_of_o200k() -> None:
    estimate = estimate_tokens(json.loads(read("request.json")))
    assert estimate == pytest.approx(O200K["request.json"], rel=0.15)


@pytest.mark.parametrize("kind", KINDS)
def test_the_stored_counts_are_those_of_o200k(kind: str, encoding: Any) -> None:
    assert len(encoding.encode_ordinary(read(kind))) == O200K[kind]


@pytest.fixture(scope="module")
def encoding() -> Any:
    """The real encoding, from a package that ships the vocabulary: no network."""
    tiktoken = pytest.importorskip("tiktoken")
    spec = find_spec("bpe_openai")
    if spec is None or spec.origin is None:
        pytest.skip("the vocabulary of o200k comes with the package bpe-openai")
    path = Path(spec.origin).parent / "data" / "o200k_base.tiktoken.gz"
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    pairs = (line.split() for line in lines if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in pairs}
    return tiktoken.Encoding("o200k", pat_str=PIECES, mergeable_ranks=ranks, special_tokens={})


# tiktoken_ext/openai_public.py, o200k_base.
PIECES = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


# why, text, o200k's count
SMALL = [
    ("no text", "", 0),
    ("a common word", "hello", 1),
    ("a word takes the space before it", " hello", 1),
    ("digits go by three", "1234567", 3),
    ("indentation is one token, the last space goes with the word", "\n        return x", 4),
    ("many blank lines are one token", "\n\n\n\n", 1),
    ("a rule of one character", "=" * 64, 1),
    ("a wide gap", "a" + " " * 40 + "b", 3),
    ("an emoji", "🚀", 2),
    ("an arrow", "→", 1),
    ("capitals", "HTTP", 1),
    ("an abbreviation glued to a word", "XMLHttpRequest", 3),
]


@pytest.mark.parametrize(("why", "text", "tokens"), SMALL)
def test_small_texts_are_at_most_one_token_off(why: str, text: str, tokens: int) -> None:
    assert abs(estimate_text(text) - tokens) <= 1, why


def test_long_runs_take_linear_time() -> None:
    for run in ("a", "A", " ", "\n", "=", "é", "中", "\u2500", "1", "aB3", "\ud800"):
        assert estimate_text(run * 200_000) > 0


def test_the_small_counts_are_those_of_o200k(encoding: Any) -> None:
    assert [len(encoding.encode_ordinary(text)) for _, text, _ in SMALL] == [n for *_, n in SMALL]


@given(st.text(), st.text())
def test_more_text_is_not_fewer_tokens(text: str, more: str) -> None:
    # A word's end can turn a fragment into a cheaper common shape, but by no more than a token.
    assert estimate_text(text + more) >= estimate_text(text) - 1


@given(st.text(min_size=1))
def test_some_text_is_some_tokens(text: str) -> None:
    assert 1 <= estimate_text(text) <= 4 * len(text) + 1


def test_overhead_of_an_empty_request_is_that_of_one_reply() -> None:
    assert estimate_tokens({"model": "m", "messages": []}) == 3


def test_a_short_message_costs_its_words_and_its_frame() -> None:
    assert estimate_tokens(user("Hello, world")) == 3 + 4 + 3


def test_system_counts_alike_as_text_and_as_blocks() -> None:
    text = read("english.txt")
    as_text = estimate_tokens({"system": text, "messages": []})
    as_blocks = estimate_tokens({"system": [{"type": "text", "text": text}], "messages": []})
    assert as_text == as_blocks > O200K["english.txt"] * 0.9


def test_a_tool_counts_name_description_and_schema() -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    tool = {"name": "Read", "description": "Reads a file.", "input_schema": schema}
    without = estimate_tokens({"messages": [], "tools": [{**tool, "description": ""}]})
    small = estimate_tokens({"messages": [], "tools": [{**tool, "input_schema": {}}]})
    whole = estimate_tokens({"messages": [], "tools": [tool]})
    assert whole - without == pytest.approx(4, abs=1)
    assert whole - small == pytest.approx(13, abs=3)


def test_a_tool_without_a_schema_counts_as_its_json() -> None:
    tool = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    assert estimate_tokens({"messages": [], "tools": [tool]}) > 3 + 15


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_a_schema_for_the_answer_counts(place: str) -> None:
    schema = {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {}}}}
    value = {"format": schema} if place == "output_config" else schema
    assert estimate_tokens({"messages": [], place: value}) > 3 + 15


WORDS = "one two three four five six seven eight nine ten"
TEXT = [{"type": "text", "text": WORDS}]

# why, block, tokens
BLOCKS: list[tuple[str, object, int]] = [
    ("text", {"type": "text", "text": WORDS}, 10),
    ("a bare string in a list", WORDS, 10),
    ("thinking without its signature", {
        "type": "thinking", "thinking": WORDS, "signature": "A" * 4000}, 10),
    ("redacted thinking is not sent", {"type": "redacted_thinking", "data": "A" * 4000}, 0),
    ("tool call", {"type": "tool_use", "id": "t", "name": "Read", "input": {"p": WORDS}}, 20),
    ("server tool call", {"type": "server_tool_use", "name": "web", "input": {"q": WORDS}}, 20),
    ("tool result as text", {"type": "tool_result", "tool_use_id": "t", "content": WORDS}, 10),
    ("tool result as blocks", {"type": "tool_result", "tool_use_id": "t", "content": TEXT}, 10),
    ("tool result without content", {"type": "tool_result", "tool_use_id": "t"}, 0),
    ("mcp result", {"type": "mcp_tool_result", "content": TEXT}, 10),
    ("tool reference", {"type": "tool_reference", "tool_name": "Read"}, 1),
    ("search result", {
        "type": "search_result", "source": "a", "title": "b", "content": TEXT}, 14),
    ("compaction", {"type": "compaction", "content": WORDS}, 10),
    ("document of text", {"type": "document", "source": {
        "type": "text", "media_type": "text/plain", "data": WORDS}}, 10),
    ("document of blocks", {"type": "document", "title": "one", "source": {
        "type": "content", "content": TEXT}}, 12),
    ("document without a source", {"type": "document"}, 0),
    ("PDF of a page or less", {"type": "document", "source": {
        "type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}}, 2250),
    ("PDF of four typical pages", {"type": "document", "source": {
        "type": "base64", "data": "A" * 266_668}}, 9000),
    ("PDF without data", {"type": "document", "source": {"type": "base64"}}, 2250),
    ("document elsewhere", {"type": "document", "source": {"type": "url", "url": "u"}}, 3000),
    ("uploaded document", {"type": "document", "source": {"type": "file"}}, 3000),
    ("image elsewhere", {"type": "image", "source": {"type": "url", "url": "u"}}, 1521),
    ("image without a source", {"type": "image"}, 1521),
    ("web search results without what is encrypted", {
        "type": "web_search_tool_result", "content": [
            {"type": "web_search_result", "title": WORDS, "encrypted_content": "A" * 4000}]}, 30),
    ("web search results of our own", {
        "type": "web_search_tool_result", "content": [
            {"type": "web_search_result", "title": "T", "encrypted_content": pack(WORDS)}]}, 37),
    ("a block of an unknown kind", {"type": "hologram", "words": WORDS}, 17),
    ("a block without a type", {"words": WORDS}, 14),
    ("a block whose type is no name", {"type": 7, "words": WORDS}, 17),
    ("a number", 7, 2),
    ("null", None, 0),
]  # fmt: skip


@pytest.mark.parametrize(("why", "block", "tokens"), BLOCKS)
def test_a_block_counts_what_the_model_reads(why: str, block: object, tokens: int) -> None:
    assert one_block(block) == pytest.approx(tokens, abs=4), why


def test_an_image_counts_by_its_size() -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 300, 500)
    source = {"type": "base64", "data": base64.b64encode(png).decode()}
    assert one_block({"type": "image", "source": source}) == 198


@pytest.mark.pitfall(31)
def test_an_image_in_a_tool_result_counts() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "u"}}
    assert one_block({"type": "tool_result", "content": [*TEXT, image]}) > 1521


def test_what_json_cannot_carry_counts_as_its_words() -> None:
    call = {"type": "tool_use", "name": "Read", "input": {"a": ["\ud800", {"b": object}]}}
    assert one_block(call) > 4


def test_nesting_of_any_depth_counts() -> None:
    block: dict[str, Any] = {"type": "text", "text": WORDS}
    unknown: dict[str, Any] = {"words": WORDS}
    for _ in range(5000):
        block = {"type": "tool_result", "content": [block]}
        unknown = {"type": "hologram", "inner": [unknown]}
    assert one_block(block) > 5000
    assert one_block(unknown) > 5000


def test_a_request_is_not_changed() -> None:
    request = json.loads(read("request.json"))
    estimate_tokens(request)
    assert request == json.loads(read("request.json"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    "type text thinking content source data title context name input tool_name signature".split()
)
TYPES = st.sampled_from(
    "text thinking image document base64 url tool_use tool_result search_result new".split()
)
ODD_BLOCK = st.dictionaries(NAMES, JSON | TYPES, max_size=5)
ODD_CONTENT = JSON | st.lists(ODD_BLOCK, max_size=3)


@given(
    st.fixed_dictionaries(
        {"messages": JSON | st.lists(st.fixed_dictionaries({"content": ODD_CONTENT}))},
        optional={
            "system": ODD_CONTENT,
            "tools": JSON | st.lists(JSON),
            "output_config": JSON,
            "output_format": JSON,
        },
    )
)
def test_no_request_is_too_odd(request: dict[str, Any]) -> None:
    assert estimate_tokens(request) >= 3


def test_tools_in_the_system_prompt_count_with_what_stands_around_them() -> None:
    told = replace(GENERIC, text_calls="told")
    plain = user("Hi")
    asked = {**plain, "tools": [{"name": "look", "input_schema": {"type": "object"}}]}
    more = estimate_tokens(asked, profile=told) - estimate_tokens(asked, profile=GENERIC)
    assert more == pytest.approx(estimate_text(RULES), abs=2)
    assert estimate_tokens(plain, profile=told) == estimate_tokens(plain)
