"""From an upstream's words to what is corrected; the words are in wordings.py."""

import json
from dataclasses import fields, replace

import pytest

from claude_proxy.codecs.openai_chat import decode_error
from claude_proxy.errors import UpstreamError
from claude_proxy.learning import Correction, corrected, find_corrections
from claude_proxy.learning.rules import RULES
from claude_proxy.profiles import GENERIC, Profile
from tests.learning.wordings import NEAR_MISSES, SEEN, UNVERIFIED

# It sends all that it can, so that everything in the table changes it.
BROAD = Profile("broad", max_output_tokens=200_000, top_k=True, session_field="prompt_cache_key")
FIELDS = {field.name for field in fields(Profile)}
STRICT = replace(
    BROAD,
    max_tokens_field="max_completion_tokens",
    reasoning_history="reasoning",
    efforts=("low",),
    **({"response_format": "json_object"} if "response_format" in FIELDS else {}),
)


def refusal(status, body):
    raw = body if isinstance(body, str) else json.dumps(body)
    return decode_error(status, raw.encode())


def found(error, profile):
    finding = find_corrections(error, profile)
    return None if finding is None else tuple((c.field, c.value) for c in finding.corrections)


@pytest.mark.pitfall(15, 17, 21)
@pytest.mark.parametrize("wording", [*SEEN, *UNVERIFIED], ids=lambda wording: wording.source)
def test_a_wording_is_understood(wording):
    error = refusal(wording.status, wording.body)
    # Some are of fields that profiles will have.
    legal = all(Correction(field, value).legal for field, value in wording.learned)
    learned = wording.learned if legal else None
    assert learned in (found(error, BROAD), found(error, STRICT))


@pytest.mark.parametrize("miss", NEAR_MISSES, ids=lambda miss: miss[0])
def test_a_near_miss_teaches_nothing(miss):
    _, status, body = miss
    assert find_corrections(refusal(status, body), BROAD) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern.pattern[:40])
def test_every_rule_has_its_wording(rule):
    """And it is the first to match, or the row would be of another rule."""
    firsts = []
    for wording in (*SEEN, *UNVERIFIED):
        text = refusal(wording.status, wording.body)
        words = "\n".join([text.message, *text.params])
        firsts.append(next(each for each in RULES if each.pattern.search(words)))
    assert rule in firsts


def test_rules_that_nobody_has_verified_say_so():
    for rule in RULES:
        assert "#" in rule.sources or "unverified" in rule.sources


@pytest.mark.parametrize("wording", [*SEEN, *UNVERIFIED], ids=lambda wording: wording.source)
def test_what_is_corrected_is_not_corrected_again(wording):
    error = refusal(wording.status, wording.body)
    for profile in (BROAD, STRICT):
        finding = find_corrections(error, profile)
        if finding is not None:
            again = find_corrections(error, corrected(profile, finding.corrections))
            assert again is None or again.corrections != finding.corrections


def test_a_field_goes_back_and_forth_only_by_different_words():
    there = refusal(400, {"error": {"message": "Unknown parameter: 'max_tokens'."}})
    back = refusal(400, {"error": {"message": "Unknown parameter: 'max_completion_tokens'."}})
    assert found(there, BROAD) == (("max_tokens_field", "max_completion_tokens"),)
    assert found(there, STRICT) is None
    assert found(back, BROAD) is None
    assert found(back, STRICT) == (("max_tokens_field", "max_tokens"),)


def test_errors_that_are_not_the_upstreams_words_teach_nothing():
    error = UpstreamError("Unknown parameter: 'user'", status=400)
    assert find_corrections(error, BROAD) is None


def test_what_was_said_is_short_and_plain():
    message = "Unknown parameter: 'user'.\u001b[31m The prompt was: my secret"
    finding = find_corrections(refusal(400, {"error": {"message": message}}), GENERIC)
    assert finding.said == "Unknown parameter: 'user'"
    odd = "Function\ttools with\nreasoning_effort are not supported"
    assert find_corrections(refusal(400, {"error": {"message": odd}}), GENERIC) is None
    listed = "'effort' does not support 'x'\u001b. Supported values are: low, high"
    finding = find_corrections(refusal(400, {"error": {"message": listed}}), GENERIC)
    assert finding.said == "effort' does not support 'x'?. Supported values are: low, high"


@pytest.mark.parametrize(
    "text",
    ["max_tokens " * 200, "'" * 1500, "is not supported with the " * 60, "[" * 1500, "a_" * 750],
)
def test_hostile_texts_are_read_in_no_time(text):
    error = UpstreamError(text, status=400, quoted=True, params=[text])
    assert find_corrections(error, BROAD) is None


def test_a_learned_cap_is_never_above_what_is_known():
    cap = Correction("max_output_tokens", 100_000)
    known = Profile("known", max_output_tokens=16_384)
    assert cap.apply(known) == known
    assumed = replace(known, cap_assumed=True)
    assert cap.apply(assumed) == replace(known, max_output_tokens=100_000)
    assert cap.apply(Profile("none")).max_output_tokens == 100_000
