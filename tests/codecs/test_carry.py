"""Signatures of our own thinking blocks: what they carry comes back, and only to whom it may."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_proxy.codecs.carry import MOST_DATA, Seal, derive_key, is_ours

SEAL = Seal(derive_key("sk-upstream"), "openrouter", "google/gemini-3")
DATA = {"details": [{"type": "reasoning.encrypted", "data": "Zm9v", "index": 0}]}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, min_size=1, max_size=4))
def test_data_comes_back_as_it_was(data):
    signature = SEAL.sign(data)
    assert signature.isascii() and is_ours(signature)
    assert SEAL.read(signature) == ("own", data)


def test_equal_data_give_equal_signatures():
    assert SEAL.sign(DATA) == SEAL.sign(dict(DATA))


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_block_without_data_is_still_known_as_ours(nothing):
    assert SEAL.sign(nothing) == "cpx1:openrouter"
    assert SEAL.read("cpx1:openrouter") == ("own", {})


@pytest.mark.pitfall(12)
@pytest.mark.parametrize(
    ("signature", "origin"),
    [
        ("", "unsigned"),
        ("EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk=", "foreign"),
        ("cpx2:openrouter", "foreign"),
        ("cpx1:deepseek", "stale"),
        ("cpx1:openrouter/other", "own"),
        ("cpx1:openrouter:", "own"),
        ("cpx1:openrouter:abc", "stale"),
        ("cpx1:openrouter:abc:def", "stale"),
        ("cpx1:openrouter:\ud800:\udfff\x00", "stale"),
        ("cpx1:openrouter::", "stale"),
    ],
)
def test_whose_block_it_is(signature, origin):
    assert SEAL.read(signature) == (origin, {})


@pytest.mark.parametrize(
    "other",
    [
        Seal(derive_key("sk-other"), SEAL.profile, SEAL.model),
        Seal(SEAL.key, SEAL.profile, "google/gemini-2.5"),
        Seal(SEAL.key, "deepseek", SEAL.model),
    ],
    ids=["key", "model", "profile"],
)
def test_nobody_else_reads_it(other):
    assert other.read(SEAL.sign(DATA)) == ("stale", {})


def test_another_profile_of_the_same_model_reads_it():
    corrected = Seal(SEAL.key, "openrouter/corrected", SEAL.model)
    assert corrected.read(SEAL.sign(DATA)) == ("own", DATA)


def test_without_a_secret_it_is_a_checksum():
    plain = Seal.plain("openai/gpt-5")
    assert plain.read(plain.sign(DATA)) == ("own", DATA)
    assert plain.read(plain.sign(DATA)[:-1] + "!") == ("stale", {})
    assert SEAL.read(Seal.plain("openrouter").sign(DATA)) == ("stale", {})


def test_every_changed_character_is_noticed():
    signature = SEAL.sign(DATA)
    start = len("cpx1:openrouter:")
    for index in range(start, len(signature)):
        changed = "B" if signature[index] == "A" else "A"
        forged = signature[:index] + changed + signature[index + 1 :]
        assert SEAL.read(forged) == ("stale", {}), index


def test_a_profile_cannot_pass_for_another_by_its_separator():
    # The covered parts are told apart: moving text from one to the next changes the MAC.
    one, two = Seal(SEAL.key, "a", "b"), Seal(SEAL.key, "a", "b\0c")
    assert two.read(one.sign(DATA)) == ("stale", {})


@pytest.mark.parametrize("size", [MOST_DATA, 2 << 20])
def test_what_is_too_large_is_left_out_and_told(size):
    signature = SEAL.sign({"details": "x" * size})
    assert len(signature) < 200
    assert SEAL.read(signature) == ("own", {"too_large": size + len('{"details":""}')})


def test_a_key_does_not_show_its_secret():
    key = derive_key("sk-upstream")
    assert len(key) == 32 and b"sk-upstream" not in key and key != derive_key("sk-upstream2")
