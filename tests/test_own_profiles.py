"""Which of the user's own profiles is found, and what it changes."""

from dataclasses import replace

import pytest

from claude_proxy.own_profiles import OwnProfile, ProfileFinder, built_in, built_in_names
from claude_proxy.profiles import Profile, profile_for

URL = "http://llm.example:8000/v1"
MODEL = "qwen/Qwen3-8B"
USUAL = profile_for(URL, MODEL)


def found(own: dict[str, OwnProfile], named: str | None = None, model: str = MODEL) -> Profile:
    finder = ProfileFinder(own, {"default": named} if named else {})
    return finder.find("default", URL, model)


def stops(count: int, **more: object) -> OwnProfile:
    return OwnProfile({"max_stops": count}, **more)  # type: ignore[arg-type]


def test_without_any_it_is_the_built_in_row() -> None:
    assert ProfileFinder().find("default", URL, MODEL) == USUAL


MATCHES = [
    ({"hosts": ("llm.example",)}, True),
    ({"hosts": ("*.example",)}, True),
    ({"hosts": ("llm.example:8000",)}, True),
    ({"hosts": ("llm.example:8001",)}, False),
    ({"hosts": ("llm.example/v1",)}, True),
    ({"hosts": ("other.example", "llm.*")}, True),
    ({"models": ("qwen3-8b",)}, True),
    ({"models": ("qwen/qwen3*",)}, True),
    ({"models": ("qwen2*",)}, False),
    ({"hosts": ("llm.example",), "models": ("gpt-*",)}, False),
    ({}, False),
]


@pytest.mark.parametrize(("globs", "is_for"), MATCHES)
def test_globs(globs: dict[str, tuple[str, ...]], is_for: bool) -> None:
    expected = replace(USUAL, max_stops=9) if is_for else USUAL
    assert found({"mine": stops(9, **globs)}) == expected


def test_the_first_table_wins_field_by_field() -> None:
    first = OwnProfile({"max_stops": 1}, hosts=("llm.*",))
    second = OwnProfile({"max_stops": 2, "top_k": True}, hosts=("llm.*",))
    assert found({"a": first, "b": second}) == replace(USUAL, max_stops=1, top_k=True)


def test_a_base_ends_the_search() -> None:
    own = {"a": stops(3, hosts=("llm.*",), base="openai/o"), "b": stops(5, hosts=("llm.*",))}
    assert found(own) == replace(built_in("openai/o", MODEL), max_stops=3)


def test_a_name_leads_to_a_table_whatever_its_globs() -> None:
    own = {"lab": stops(7), "far": stops(8, hosts=("far.example",), base="openai/o")}
    assert found(own, "lab") == replace(USUAL, max_stops=7)
    assert found(own, "far") == replace(built_in("openai/o", MODEL), max_stops=8)


def test_a_name_is_one_upstreams_only() -> None:
    finder = ProfileFinder({"lab": stops(7)}, {"backup": "lab"})
    assert finder.find("default", URL, MODEL) == USUAL
    assert finder.find("backup", URL, MODEL).max_stops == 7


def test_a_matching_table_changes_what_was_named() -> None:
    own = {"mine": stops(2, models=("qwen*",))}
    assert found(own, "openai/o") == replace(built_in("openai/o", MODEL), max_stops=2)


def test_a_providers_name_finds_the_row_of_the_model() -> None:
    assert found({}, "openai", "my/gpt-4.1-x").name == "openai/gpt-4.1"
    assert found({}, "openai", "deployment-1").name == "openai"
    assert found({}, "generic", "gpt-4o").name == "generic"


def test_every_name_is_known() -> None:
    assert {"openai", "openai/gpt-5", "generic"} <= set(built_in_names())
    for name in built_in_names():
        assert (built_in(name, "nobody's model").name + "/").startswith(f"{name.split('/')[0]}/")
    with pytest.raises(KeyError, match="nobody"):
        built_in("nobody", MODEL)


def test_tables_win_over_what_other_settings_say() -> None:
    implied = [OwnProfile({"max_stops": 2, "top_k": True}, hosts=("*",)), stops(9, hosts=("no",))]
    own = {"here": stops(3, models=("one",)), "far": stops(4, models=("two",), base="openai/o")}
    finder = ProfileFinder({**own, "mine": stops(5)}, {"a": "mine", "b": "openai/o"}, implied)

    def find(upstream: str, model: str) -> tuple[int, bool, str]:
        profile = finder.find(upstream, URL, model)
        return profile.max_stops, profile.top_k, profile.name

    assert find("default", MODEL) == (2, True, USUAL.name)
    assert find("default", "one")[:2] == (3, True)
    assert find("default", "two") == (4, True, "openai/o")
    assert find("a", MODEL) == (5, True, USUAL.name)
    assert find("b", MODEL) == (2, True, "openai/o")
    assert finder.own_fields("default", URL, MODEL) == frozenset()


def test_what_a_table_says_can_be_shown() -> None:
    own = OwnProfile({"max_stops": 1, "efforts": ("low",)}, base="openai", hosts=("a",))
    assert own.said == {"base": "openai", "hosts": ["a"], "max_stops": 1, "efforts": "('low',)"}


def test_the_fields_that_the_user_has_set_are_known() -> None:
    own = {
        "here": OwnProfile({"vision": "told"}, models=(MODEL.lower(),)),
        "there": OwnProfile({"top_k": True}, models=("another",)),
        "mine": OwnProfile({"max_stops": 0}),
    }
    finder = ProfileFinder(own, {"default": "mine"})
    assert finder.own_fields("default", "http://x/v1", MODEL) == {"vision", "max_stops"}
    assert finder.own_fields("other", "http://x/v1", MODEL) == {"vision"}
    assert ProfileFinder().own_fields("default", "http://x/v1", MODEL) == frozenset()
