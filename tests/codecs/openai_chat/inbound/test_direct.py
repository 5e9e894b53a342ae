"""Chat → Chat: what changes, and that nothing else does."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from claude_proxy.codecs.openai_chat import retarget
from claude_proxy.profiles import GENERIC, Profile
from tests.codecs.openai_chat.inbound.inbound_cases import Case, load_cases
from tests.request_cases import NAMED

GPT_4O, GPT_5 = NAMED["openai/gpt-4o"], NAMED["openai/gpt-5"]
CAP = GPT_4O.max_output_tokens


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case.name)
def test_all_but_the_model_and_the_limit_stays(case: Case) -> None:
    before = copy.deepcopy(case.chat)
    limits = ("max_tokens", "max_completion_tokens")
    told = retarget(case.chat, model="other", profile=GENERIC)
    assert case.chat == before
    kept = {name: value for name, value in case.chat.items() if name not in limits}
    assert {name: told[name] for name in told if name not in limits} == {**kept, "model": "other"}
    assert [name for name in told if name in kept] == list(kept)


@pytest.mark.parametrize(
    ("limits", "profile", "sent", "dropped"),
    [
        ({"max_tokens": 5}, GPT_4O, {"max_tokens": 5}, []),
        ({"max_tokens": 5}, GPT_5, {"max_completion_tokens": 5}, []),
        ({"max_completion_tokens": 5}, GENERIC, {"max_tokens": 5}, []),
        ({"max_tokens": 10**6}, GENERIC, {"max_tokens": 10**6}, []),
        ({"max_tokens": 10**6}, GPT_4O, {"max_tokens": CAP}, ["max_tokens"]),
        ({"max_tokens": 5, "max_completion_tokens": 7}, GPT_4O, {"max_tokens": 7}, ["max_tokens"]),
        ({"max_tokens": 5, "max_completion_tokens": 5}, GPT_4O, {"max_tokens": 5}, []),
        ({"max_tokens": 5, "max_completion_tokens": None}, GPT_4O, {"max_tokens": 5}, []),
        ({"max_tokens": "5"}, GPT_4O, {"max_tokens": "5"}, []),
        ({"max_tokens": 5, "max_completion_tokens": None}, GPT_5, {"max_completion_tokens": 5}, []),
        ({"max_tokens": None}, GPT_4O, {"max_tokens": None}, []),
        ({"max_tokens": None}, GPT_5, {}, []),
        ({"max_tokens": 1e6}, GPT_4O, {"max_tokens": CAP}, ["max_tokens"]),
        ({"max_tokens": 5.5}, GPT_4O, {"max_tokens": 5.5}, []),
    ],
)
def test_limits(limits: Any, profile: Profile, sent: Any, dropped: list[str]) -> None:
    noted: list[str] = []
    body = {"model": "m", **limits, "n": 2}
    told = retarget(body, model="m", profile=profile, on_drop=lambda path, why: noted.append(path))
    assert told == {"model": "m", "n": 2, **sent}
    assert noted == dropped


def test_what_the_upstream_has_refused_is_left_out() -> None:
    noted: list[str] = []
    profile = replace(GPT_4O, without=frozenset({"seed"}))
    body = {"model": "m", "seed": 1, "stop": ["a"]}
    told = retarget(body, model="x", profile=profile, on_drop=lambda path, why: noted.append(path))
    assert told == {"model": "x", "stop": ["a"]}
    assert noted == ["seed"]
