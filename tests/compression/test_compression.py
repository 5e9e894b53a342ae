"""Shorter system prompts: what goes, what stays byte for byte, and laws over any text."""

import copy
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from claude_proxy.codecs.jsonio import Shared, dumps, loads_body
from claude_proxy.compression import (
    BILLING_LINE,
    LONGEST,
    Prompt,
    advice,
    compact,
    estimate,
    outline,
    read_prompt,
    with_summary,
)
from claude_proxy.compression.outline import FREE, MARK, written
from claude_proxy.tokens import estimate_text

RULES = "".join(
    f"- Rule {n}: keep   words in order, and do not repeat yourself.  \n" for n in range(9)
)
ENVIRONMENT = (
    "# Environment\nYou have been invoked in:\n - Primary working directory:  /home/ann/shop\n"
    " - Platform: linux\n - Shell:   zsh\n\n"
)
CODE = "```python\ndef  f( ):\n\n\n\n    return  1   \n# Tone and style\n```\n"
CLAUDE_MD = (
    "# claudeMd\nThe user's instructions.\n\nContents of /home/ann/shop/CLAUDE.md (project):\n\n"
    "# Doing tasks\n   Use   tabs.   \n\n\n\n<system-reminder>mine</system-reminder>\n"
)
PROMPT = (
    "You are a coding assistant.\n\n\n\n"
    f"# System\n{RULES}\n"
    f"# Tone and style\n{RULES}{CODE}\n"
    f"# Doing tasks\n{RULES}"
    f"## More\n{RULES}- Notes are in `/home/ann/.claude/memory/`, see there.\n"
    f"# Executing actions with care\n{RULES}\n"
    f"{ENVIRONMENT}"
    "gitStatus: as it was at the start\nCurrent branch:  main\n\nStatus:\nM  src/a.py\n\n"
    f"{CLAUDE_MD}"
)


def short(text: str, limit: int = 4096) -> str:
    return compact((text,), limit).texts[0]


def test_advice_becomes_a_sentence_and_facts_stay() -> None:
    text = short(PROMPT)
    assert len(text) < len(PROMPT) * 2 // 3
    for kept in (ENVIRONMENT, CODE, CLAUDE_MD, "Current branch:  main\n\nStatus:\nM  src/a.py\n"):
        assert kept in text
    assert "`/home/ann/.claude/memory/`" in text
    assert text.startswith("You are a coding assistant.\n\n# System\n- Rule 0: keep words in")
    assert (
        "# Tone and style\nBe brief, direct and honest; no emoji unless asked.\n\n```python" in text
    )
    assert "## More" not in text and text.count("- Rule 8") == 1


def test_short_advice_stays_as_it_is() -> None:
    assert short("# Tone and style\nBe kind.\n") == "# Tone and style\nBe kind.\n"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<system-reminder>\nRemember this.\n</system-reminder>\nGo on.", "Go on."),
        ("<env>\nOS:   linux\n</env>\nGo   on.", "<env>\nOS:   linux\n</env>\nGo on."),
        ("<system-reminder>\nRead ~/notes/a.md\n</system-reminder>\n", None),
        ("<system-reminder>\n# claudeMd\nUse   tabs.\n</system-reminder>\n", None),
        ("# A\n\tcode   here\n", None),
        ("One  `a  b`\nTwo | a   b |\n", None),
        ("~~~\na   b", None),
        ("# claudeMd\nA   b", None),
        ("a  b\rc  d\n", "a b\rc d\n"),
        ("```a``` b   c", None),
        ("<a>\n<b>\n\n</b>\nx   y\n</a>\n", "<a>\n<b>\n\n</b>\nx y\n</a>\n"),
        ("C:\\Users\\ann   is home\n", None),
        ("</a>\n<b>\n", None),
    ],
)
def test_what_goes_and_what_stays(text: str, left: str | None) -> None:
    assert short(text) == (text if left is None else left)


def test_what_is_over_the_limit_goes_from_the_end_with_one_mark() -> None:
    text = short(PROMPT.replace("# System", f"# System\n{RULES * 5}"), 400)
    assert 350 < estimate_text(text) <= 400
    assert text.count(MARK) == 1
    assert text.startswith("You are a coding assistant.")
    for kept in (ENVIRONMENT, CODE, CLAUDE_MD):
        assert kept in text


def test_what_stays_may_be_over_the_limit_by_itself() -> None:
    found = compact((PROMPT,), 10)
    assert 10 < found.after == estimate(found.texts) < found.before
    assert all(kept in found.texts[0] for kept in (ENVIRONMENT, CODE, CLAUDE_MD))
    assert compact((ENVIRONMENT,), 1).texts == (ENVIRONMENT,)


def test_a_paragraph_ends_with_a_whole_word_and_closed_pairs() -> None:
    text = "Say <b>one two</b> and `three four` or <br/> five </x> `` six ` seven `` " * 40
    for limit in range(40, 200, 7):
        kept = short(text, limit).removesuffix(MARK).rstrip()
        assert text.startswith(kept) and text[len(kept)] == " "
        assert kept.count("<b>") == kept.count("</b>")
        assert kept.count("`") % 7 in (0, 2)


@pytest.mark.parametrize("word", ["internationalization", "a", "12345"])
def test_many_small_pieces_fill_the_limit(word: str) -> None:
    text = "Begin.\n\n" + f"{word}\n\n" * 99
    for limit in range(20, 150, 13):
        kept = short(text, limit)
        assert limit * 3 // 5 < estimate_text(kept) <= limit
        assert kept.startswith("Begin.") and kept.count(MARK) == 1


def test_pairs_of_tags_go_or_stay_together() -> None:
    items = "".join(f"- item number {n} of this list\n" for n in range(30))
    text = f"Begin.\n\n<rules a='1'>\n# Tone and style\n{items}</rules>\n\nWords\n<open>\n\n{items}"
    for limit in range(5, 300, 9):
        kept = short(text, limit)
        assert kept.count("<rules a='1'>") == kept.count("</rules>")


def test_several_blocks_share_one_limit() -> None:
    found = compact(("First.", "Second words. " * 200, "# Environment\nOS: linux"), 60)
    assert found.after <= 60
    assert found.texts[0] == "First." and found.texts[2] == "# Environment\nOS: linux"


def test_the_billing_line_is_no_part_of_the_prompt() -> None:
    line = f"{BILLING_LINE} cc_version=1; cch=00000;"
    found = compact((line, f"{line}\nSay   more."), 4096)
    assert found.texts == (line, f"{line}\nSay more.")
    assert found.before == estimate_text("Say   more.")


# How it is read from requests and written back.


def test_a_string_and_a_list_are_read_and_written() -> None:
    assert read_prompt({"system": "a"}) is not None
    block = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    prompt = read_prompt({"system": [block, {"type": "text", "text": ""}]})
    assert isinstance(prompt, Prompt)
    assert prompt.rewrite(["b", ""]) == [{**block, "text": "b"}, {"type": "text", "text": ""}]
    assert prompt.rewrite(["", ""]) == [{"type": "text", "text": ""}]


@pytest.mark.parametrize(
    "system", [None, "", [], [5], [{"type": "image"}], 5, "a" * (LONGEST + 1), [{"text": 5}]]
)
def test_other_systems_are_left_alone(system: object) -> None:
    assert read_prompt({"system": system}) is None


def test_a_shared_prompt_stays_shared() -> None:
    raw = dumps({"system": [{"type": "text", "text": PROMPT * 20}], "messages": []})
    first, second = (read_prompt(loads_body(raw)) for _ in range(2))
    assert first and second
    texts = compact(first.texts, 4096).texts
    rewritten = first.rewrite(texts)
    assert isinstance(rewritten, Shared) and rewritten is second.rewrite(texts)


# Summaries.


def test_a_summary_stands_where_the_advice_stood() -> None:
    found = with_summary(("You help.\n\n" + PROMPT, "And so on."), " In short. \n", 4096)
    assert found is not None
    assert found.texts[0].startswith("In short.\n\n```python")
    assert found.texts[1] == ""
    for kept in (ENVIRONMENT, CODE, CLAUDE_MD):
        assert kept in found.texts[0]
    assert "Rule 3" in advice((PROMPT,)) and "zsh" not in advice((PROMPT,))


def test_a_summary_that_is_too_long_is_none() -> None:
    assert with_summary(("Be kind to all. " * 9,), "word " * 99, 4096) is None
    assert with_summary((PROMPT,), "word " * 99, 50) is None
    assert with_summary((ENVIRONMENT,), "word", 50) is None


# Laws.

LINES = st.sampled_from(
    [
        "# Tone and style",
        "# Doing tasks",
        "## MEMORY.md",
        "# Environment",
        "## Examples",
        "# Any  title",
        "Words  that say   something useful about nothing in particular, at some length.",
        "- an item  with words",
        "  - an inner item",
        "see /home/ann/a.py for   more",
        "```",
        "~~~ python",
        "    code   here",
        "<rules>",
        "</rules>",
        "say <b>bold words",
        "and more</b> of `it",
        "<env>",
        "</env>",
        "<system-reminder>",
        "</system-reminder>",
        "gitStatus: clean",
        "Contents of /home/ann/CLAUDE.md:",
        "   ",
        "",
        "Contents  of",
        "x" * 200,
    ]
)
TEXTS = st.lists(LINES, max_size=25).map("\n".join)
PROMPTS = st.lists(TEXTS | st.text(max_size=60), min_size=1, max_size=3).map(tuple)
LIMITS = st.integers(1, 300)


@settings(max_examples=400, deadline=None)
@given(PROMPTS, LIMITS)
@example((PROMPT,), 400)
def test_laws(texts: tuple[str, ...], limit: int) -> None:
    found = compact(texts, limit)
    assert len(found.texts) == len(texts)
    assert found.after <= found.before
    assert found.after == estimate(found.texts)
    kept = [piece.text for text in texts for piece in outline(text) if piece.kind == "kept"]
    for text in kept:
        assert any(text in new for new in found.texts)
    if found.after > limit:
        left = [p for text in found.texts for p in outline(text) if p.kind in FREE]
        assert not any(piece.text.strip() for piece in left)


@settings(max_examples=400, deadline=None)
@given(PROMPTS, LIMITS)
@example((PROMPT,), 400)
def test_twice_is_once(texts: tuple[str, ...], limit: int) -> None:
    once = compact(texts, limit).texts
    assert compact(once, limit).texts == once


@settings(max_examples=200, deadline=None)
@given(PROMPTS)
def test_the_outline_is_the_text(texts: tuple[str, ...]) -> None:
    for text in texts:
        assert "".join(piece.text for piece in outline(text)) == text
        pieces = outline(text)
        assert written(pieces) == text or any(piece.kind == "frame" for piece in pieces)


@settings(max_examples=100, deadline=None)
@given(PROMPTS, LIMITS)
def test_the_request_stays_as_it_is(texts: tuple[str, ...], limit: int) -> None:
    body = {"system": [{"type": "text", "text": text} for text in texts], "messages": []}
    before = copy.deepcopy(body)
    prompt = read_prompt(body)
    if prompt is not None:
        prompt.rewrite(compact(prompt.texts, limit).texts)
    assert body == before


@pytest.mark.parametrize(
    "text",
    [
        "<a>\n" * 30_000 + "</a>\n" * 20_000,
        " " * LONGEST,
        "\n" * LONGEST,
        "a \t" * (LONGEST // 3),
        "- a\n" * (LONGEST // 4),
        "`" * LONGEST,
        "<a " * (LONGEST // 3),
        "# Tone and style\n" * (LONGEST // 17),
        "```\n" * (LONGEST // 4),
        "</a>" * (LONGEST // 4),
        "/a" * (LONGEST // 2),
        "Contents of " + "a" * (LONGEST - 20),
    ],
    ids=lambda text: re.sub(r"\s", "_", text[:8]),
)
def test_hostile_prompts_take_no_long_time(text: str) -> None:
    import time

    started = time.process_time()
    compact((text[: LONGEST // 4],), 100)
    assert time.process_time() - started < 5
