"""Reasoning items in signatures: only whole ones come back, and only to their own model."""

import pytest

from claude_proxy.codecs.carry import Seal, derive_key
from claude_proxy.codecs.openai_responses.reasoning import Reasoning, unwrap, wrap

SEAL = Seal(derive_key("sk-upstream"), "openai/gpt-5", "gpt-5")
ITEM = Reasoning("gAAAA+/=", ["Ä", ""])


def test_an_item_comes_back_as_it_was() -> None:
    assert unwrap(wrap(ITEM, SEAL), SEAL) == ITEM


@pytest.mark.parametrize(
    "other",
    [
        Seal(SEAL.key, "openai/gpt-5", "gpt-5-mini"),
        Seal(derive_key("sk-other"), "openai/gpt-5", "gpt-5"),
        Seal.plain("openai/gpt-5"),
    ],
    ids=["model", "key", "without a key"],
)
def test_nobody_else_gets_it(other: Seal) -> None:
    assert unwrap(wrap(ITEM, SEAL), other) is None


@pytest.mark.parametrize(
    "carried",
    [
        *(None, [], "x", {}, {"encrypted_content": ""}, {"encrypted_content": 5}),
        {"summary": ["a"]},
    ],
)
def test_what_is_no_item(carried: object) -> None:
    assert unwrap(SEAL.sign({"reasoning": carried}), SEAL) is None


@pytest.mark.parametrize("signature", [None, 5, "", "EuYBCkQ", "cpx1:", SEAL.sign()])
def test_what_is_no_signature_of_an_item(signature: object) -> None:
    assert unwrap(signature, SEAL) is None


def test_a_summary_of_a_wrong_type_is_left_out() -> None:
    for summary, kept in ((5, []), ([1, "c"], ["c"])):
        signature = SEAL.sign({"reasoning": {"encrypted_content": "b", "summary": summary}})
        assert unwrap(signature, SEAL) == Reasoning("b", kept)
