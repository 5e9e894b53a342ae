"""Which model serves which name: the table is the spec."""

import pytest

from claude_proxy.codecs import Peek
from claude_proxy.errors import RequestError
from claude_proxy.profiles import GENERIC, profile_for
from claude_proxy.routing import ALIASES, Fallback, ModelMap, Route, fall_back, route

BASE_URL = "https://api.openai.com/v1"
MODELS = ModelMap("big-1", "middle-1", "small-1")

NAMES = [
    # why, asked, model, reason
    ("opus is the big model", "claude-opus-5-5", "big-1", "opus to BIG"),
    ("sonnet is the middle one", "claude-sonnet-5", "middle-1", "sonnet to MIDDLE"),
    ("haiku is the small one", "claude-haiku-4-5-20251001", "small-1", "haiku to SMALL"),
    ("older names have the tier last", "claude-3-5-haiku-latest", "small-1", "haiku to SMALL"),
    ("another tier of Claude is big", "claude-fable-5-2", "big-1", "claude to BIG"),
    ("no tier at all is big", "claude-2.1", "big-1", "claude to BIG"),
    ("case does not matter", "Claude-Sonnet-5", "middle-1", "sonnet to MIDDLE"),
    ("the long context mark is not a name", "claude-opus-5[1m]", "big-1", "opus to BIG"),
    ("the mark in capitals", "claude-sonnet-5[1M]", "middle-1", "sonnet to MIDDLE"),
    ("a bare tier", "haiku", "small-1", "haiku to SMALL"),
    ("a bare tier with the mark", "sonnet[1m]", "middle-1", "sonnet to MIDDLE"),
    ("OpenRouter's spelling", "anthropic/claude-opus-4.1", "big-1", "opus to BIG"),
    ("two prefixes", "openrouter/anthropic/claude-sonnet-4", "middle-1", "sonnet to MIDDLE"),
    ("Bedrock's spelling", "anthropic.claude-3-haiku-v1:0", "small-1", "haiku to SMALL"),
    ("Bedrock's regions", "us.anthropic.claude-opus-4-v1:0", "big-1", "opus to BIG"),
    ("Bedrock's long regions", "us-gov.anthropic.claude-x", "big-1", "claude to BIG"),
    ("Vertex's spelling", "vertex_ai/claude-sonnet-4@20250514", "middle-1", "sonnet to MIDDLE"),
    ("the CLI's prefix", "claude-code-cli/claude-haiku-4", "small-1", "haiku to SMALL"),
    ("the CLI's prefix and a tier", "claude-code-cli/opus", "big-1", "opus to BIG"),
    ("the CLI's prefix alone", "claude-code-cli/x", "claude-code-cli/x", "unchanged"),
    ("a tier word alone does not make a Claude", "my-opus-model", "my-opus-model", "unchanged"),
    ("somebody's tune of it is not Claude", "me/claude-opus-7b", "me/claude-opus-7b", "unchanged"),
    ("the word inside of a name", "not-claude-opus", "not-claude-opus", "unchanged"),
    ("other names pass", "gpt-5", "gpt-5", "unchanged"),
    ("colons and slashes are part of names", "hf.co/x/qwen3:8b", "hf.co/x/qwen3:8b", "unchanged"),
    ("other names lose the mark, too", "qwen3[1m]", "qwen3", "unchanged"),
    ("the mark alone is a name", "[1m]", "[1m]", "unchanged"),
    ("a configured model passes", "small-1", "small-1", "configured"),
]


@pytest.mark.parametrize(("why", "asked", "model", "reason"), NAMES, ids=[row[0] for row in NAMES])
def test_names(why: str, asked: str, model: str, reason: str) -> None:
    found = route(Peek(asked, stream=False), MODELS, base_url=BASE_URL)
    assert (found.model, found.reason) == (model, reason)


def test_where_nothing_but_tiers_is_a_tier() -> None:
    models = ModelMap("opus", "sonnet", "haiku", tiers_only=True, reject_unknown=True)
    for asked, model in (
        ("claude-opus-4-20250514", "opus"),
        ("claude-fable-5-2", "claude-fable-5-2"),
        ("claude-code-cli/claude-2.1", "claude-code-cli/claude-2.1"),
    ):
        assert route(Peek(asked, stream=False), models, base_url=BASE_URL).model == model
    with pytest.raises(RequestError):
        route(Peek("claude-code-cli/x", stream=False), models, base_url=BASE_URL)


MAPPED = ModelMap(
    "big-1",
    "anthropic/claude-sonnet-4",
    "small-1",
    globs=(
        ("claude-*-4*", "four"),
        ("claude-opus-4-1", "exact"),
        ("GPT-*", "other"),
        ("mistral[x]", "brackets"),
    ),
)

MAPS = [
    ("a glob comes before the tiers", "claude-opus-4-5", "four", 'glob "claude-*-4*" to four'),
    (
        "an exact entry wins over an earlier glob",
        "Claude-Opus-4-1",
        "exact",
        'model "claude-opus-4-1" to exact',
    ),
    ("globs ignore case", "gpt-5", "other", 'glob "GPT-*" to other'),
    ("brackets of an exact name", "mistral[x]", "brackets", 'model "mistral[x]" to brackets'),
    ("the mark is gone before the map", "gpt-5[1m]", "other", 'glob "GPT-*" to other'),
    ("tiers after the map", "claude-opus-5", "big-1", "opus to BIG"),
    (
        "a configured model is not mapped by tier",
        "anthropic/claude-sonnet-4",
        "anthropic/claude-sonnet-4",
        "configured",
    ),
    ("a map's target is configured", "four", "four", "configured"),
]


@pytest.mark.parametrize(("why", "asked", "model", "reason"), MAPS, ids=[row[0] for row in MAPS])
def test_the_users_map_comes_first(why: str, asked: str, model: str, reason: str) -> None:
    found = route(Peek(asked, stream=False), MAPPED, base_url=BASE_URL)
    assert (found.model, found.reason) == (model, reason)


STRICT = ModelMap("big-1", "middle-1", "small-1", (("x-*", "y"),), reject_unknown=True)


def test_unknown_names_are_refused_when_asked_for() -> None:
    with pytest.raises(RequestError) as caught:
        route(Peek("gpt-5", stream=False), STRICT, base_url=BASE_URL)
    error = caught.value
    assert (error.status, error.type, error.message) == (404, "not_found_error", "model: gpt-5")


@pytest.mark.parametrize("name", ["claude-opus-5", "haiku", "big-1", "x-1", "y"])
def test_known_names_are_never_refused(name: str) -> None:
    assert route(Peek(name, stream=False), STRICT, base_url=BASE_URL).model in {
        "big-1",
        "small-1",
        "y",
    }


def test_the_profile_is_the_upstream_models() -> None:
    models = ModelMap("gpt-5.4", "gpt-4o", "gpt-4o-mini")
    found = route(Peek("claude-opus-5", stream=True), models, base_url=BASE_URL)
    assert found.profile.name == "openai/gpt-5.4"


def test_the_upstream_is_named() -> None:
    peek = Peek("gpt-4o", stream=False)
    named = route(peek, MODELS, base_url=BASE_URL, upstream="local")
    assert isinstance(named, Route)
    assert (named.upstream, route(peek, MODELS, base_url=BASE_URL).upstream) == ("local", "default")


FIRST = Route("default", "gpt-4o", GENERIC, "sonnet to MIDDLE")


def test_a_fallback_names_what_it_stands_in_for() -> None:
    found = fall_back(FIRST, Fallback("backup", "llama"), base_url="http://127.0.0.1:1/v1")
    assert found is not None
    assert (found.upstream, found.model) == ("backup", "llama")
    assert found.reason == "sonnet to MIDDLE, fallback for gpt-4o@default"


def test_a_fallback_without_a_model_keeps_it() -> None:
    url = "https://api.openai.com/v1"
    found = fall_back(FIRST, Fallback("backup", None), base_url=url)
    assert found is not None and found.model == "gpt-4o"
    assert found.profile == profile_for(url, "gpt-4o")


def test_a_fallback_to_the_same_place_is_none() -> None:
    assert fall_back(FIRST, Fallback("default", "gpt-4o"), base_url="http://h/v1") is None
    assert fall_back(FIRST, Fallback("default", None), base_url="http://h/v1") is None


def test_tiers_that_are_not_set_stay_what_they_are() -> None:
    models = ModelMap("big-1", "claude-s", "claude-h", unset=frozenset({"MIDDLE", "SMALL"}))
    found = {
        name: route(Peek(name, stream=False), models, base_url=BASE_URL).model
        for name in ("claude-opus-5", "claude-sonnet-9[1m]", "Claude-Haiku-9", "haiku", "sonnet")
    }
    assert list(found.values()) == ["big-1", "claude-sonnet-9", "Claude-Haiku-9", "claude-h"] + [
        "claude-s"
    ]


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("gpt-5", "big"),
        ("gpt-5.4-mini", "small"),
        ("gpt-5-nano", "small"),
        ("openai/gpt-4o", "middle"),
        ("GPT-4o-mini", "small"),
        ("gpt-4.1-2025-04-14", "middle"),
        ("gpt-3.5-turbo", "small"),
        ("o3", "big"),
        ("o4-mini", "middle"),
        ("chatgpt-4o-latest", "middle"),
        ("llama-3", "llama-3"),
        ("gpt-oss-120b", "gpt-oss-120b"),
        ("openai/gpt-oss-20b-mini", "openai/gpt-oss-20b-mini"),
        ("nvidia/nemotron-nano", "nvidia/nemotron-nano"),
    ],
)
def test_openai_s_names_mean_the_tier_of_their_size(name: str, model: str) -> None:
    models = ModelMap("big", "middle", "small", aliases=ALIASES)
    assert route(Peek(name, stream=False), models, base_url=BASE_URL).model == model


def test_an_alias_means_a_tier_or_a_model_and_the_first_one_counts() -> None:
    models = ModelMap("b", "m", "s", aliases=(("gpt-9*", "Opus"), ("gpt-*", "qwen3:8b")))
    found = [route(Peek(n, stream=False), models, base_url=BASE_URL) for n in ("gpt-9", "gpt-4")]
    assert [each.model for each in found] == ["b", "qwen3:8b"]
    assert [each.reason for each in found] == ['alias "gpt-9*" to BIG', 'alias "gpt-*" to qwen3:8b']


def test_an_own_alias_counts_before_one_that_is_none() -> None:
    models = ModelMap("b", "m", "s", aliases=(("gpt-oss*", "haiku"), *ALIASES))
    found = route(Peek("gpt-oss-20b", stream=False), models, base_url=BASE_URL)
    assert (found.model, found.reason) == ("s", 'alias "gpt-oss*" to SMALL')


def test_what_is_configured_is_no_alias() -> None:
    models = ModelMap("gpt-4o", "m", "s", (("gpt-5*", "mine"),), aliases=ALIASES)
    names = ("gpt-4o", "gpt-5.4")
    found = [route(Peek(name, stream=False), models, base_url=BASE_URL).model for name in names]
    assert found == ["gpt-4o", "mine"]
