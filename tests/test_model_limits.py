"""Windows and caps: what model lists say of them, and what requests make of them."""

from dataclasses import replace

import pytest

from claude_proxy import model_limits
from claude_proxy.model_limits import (
    CLIENT_WINDOW,
    Limits,
    entries_of,
    fit,
    limits_by_model,
    limits_of,
    scaled,
    shown,
    unread,
    with_windows,
    within,
)
from claude_proxy.profiles import GENERIC, profile_for
from claude_proxy.tokens import estimate_text
from claude_proxy.types import Json

# One entry of each server's list, cut to what matters, with the names it really uses.
ENTRIES = {
    "OpenAI": ({"id": "gpt-4o", "object": "model", "created": 1, "owned_by": "system"}, Limits()),
    "OpenRouter": (
        {
            "id": "qwen/qwen3-coder",
            "context_length": 262_144,
            "architecture": {"input_modalities": ["text"]},
            "top_provider": {"context_length": 131_072, "max_completion_tokens": 66_536},
        },
        Limits(131_072, 66_536, False),
    ),
    "OpenRouter without a cap": (
        {
            "id": "x",
            "context_length": 8_192,
            "architecture": {"input_modalities": ["image", "text"]},
            "top_provider": {"context_length": None, "max_completion_tokens": None},
        },
        Limits(8_192, None, True),
    ),
    "Groq": (
        {"id": "x", "context_window": 131_072, "max_completion_tokens": 32_768},
        Limits(131_072, 32_768),
    ),
    "Groq, window as cap": (
        {"id": "x", "context_window": 8_192, "max_completion_tokens": 8_192},
        Limits(8_192, None),
    ),
    "Together": ({"id": "x", "context_length": 32_768}, Limits(32_768)),
    "Fireworks": (
        {"id": "x", "context_length": 163_840, "supports_image_input": False},
        Limits(163_840, None, False),
    ),
    "Moonshot": (
        {"id": "x", "context_length": 262_144, "supports_image_in": True},
        Limits(262_144, None, True),
    ),
    "Mistral": (
        {"id": "x", "max_context_length": 131_072, "capabilities": {"vision": True}},
        Limits(131_072, None, True),
    ),
    "vLLM": ({"id": "x", "max_model_len": 40_960}, Limits(40_960)),
    "llama.cpp": (
        {"id": "x", "meta": {"n_ctx": 16_384, "n_ctx_train": 262_144}},
        Limits(16_384),
    ),
    "older llama.cpp": ({"id": "x", "meta": {"n_ctx_train": 40_960}}, Limits(40_960)),
    "LM Studio": (
        {"id": "x", "max_context_length": 131_072, "loaded_context_length": 4_096},
        Limits(4_096),
    ),
    "LM Studio, not loaded": ({"id": "x", "max_context_length": 131_072}, Limits(131_072)),
    "Anthropic": (
        {"id": "x", "max_input_tokens": 200_000, "max_tokens": 64_000},
        Limits(200_000, 64_000),
    ),
    "Gemini": (
        {"id": "x", "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536},
        Limits(1_048_576, 65_536),
    ),
    "numbers as text": ({"id": "x", "context_length": "32768"}, Limits(32_768)),
    "nonsense": (
        {"id": "x", "context_length": -1, "max_tokens": True, "meta": [], "capabilities": "all"},
        Limits(),
    ),
    "more nonsense": (
        {"id": "x", "context_length": 1e5, "max_tokens": 10**12, "max_model_len": "much"},
        Limits(),
    ),
}


@pytest.mark.parametrize(("entry", "limits"), ENTRIES.values(), ids=ENTRIES)
def test_a_list_entry_says(entry, limits):
    assert limits_of(entry) == limits


def test_only_models_of_which_something_is_said_are_kept():
    entries = [{"id": "a", "max_model_len": 5}, {"id": "b"}, {"max_model_len": 5}, {"id": 7}]
    assert limits_by_model(entries) == {"a": Limits(5)}


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"id": "m", "max_model_len": 5}]},
        # Together
        [{"id": "m", "max_model_len": 5}],
        # llama.cpp has both.
        {"models": [{"name": "other"}], "data": [{"id": "m", "max_model_len": 5}]},
        # xAI's list of prices
        {"models": [{"id": "m", "max_model_len": 5}]},
        # Gemini, and its own API
        {"data": [{"id": "models/m", "max_model_len": 5}]},
        {"models": [{"name": "models/m", "inputTokenLimit": 5}]},
    ],
)
def test_lists_of_all_shapes_are_read(body):
    assert limits_by_model(entries_of(body)) == {"m": Limits(5)}


@pytest.mark.parametrize(
    "body", [None, 7, "m", {}, {"data": {}}, {"models": "m"}, [7, {}, {"id": 7}, {"name": ""}]]
)
def test_what_is_no_list_has_no_models(body):
    assert entries_of(body) == []


def test_windows_that_stand_beside_the_list():
    listed = [{"id": "a"}, {"id": "b", "meta": {"n_ctx_train": 9}}]
    studio = {"data": [{"id": "a", "max_context_length": 8, "loaded_context_length": 4}, {"id": 7}]}
    assert limits_by_model(with_windows(listed, studio)) == {"a": Limits(4), "b": Limits(9)}
    props = {"default_generation_settings": {"n_ctx": 5}}
    assert limits_by_model(with_windows(listed, props)) == {"a": Limits(5), "b": Limits(5)}
    for nothing in (None, [], {"default_generation_settings": []}, {"error": "no"}):
        assert with_windows(listed, nothing) == listed


def test_a_model_that_sees_nothing_is_told_of_images():
    assert within(GENERIC, Limits(images=False)).vision == "told"
    told = replace(GENERIC, vision="told")
    assert within(told, Limits()) is told
    assert within(told, Limits(images=True)).vision == "seen"


def test_what_the_upstream_says_replaces_what_was_assumed():
    profile = within(GENERIC, Limits(window=40_960, output=8_192))
    assert (profile.context_window, profile.max_output_tokens) == (40_960, 8_192)
    assert not profile.cap_assumed
    assert within(GENERIC, Limits()) is GENERIC


def request(tokens, max_tokens=32_000):
    # One word is one token, as far as our own count goes.
    content = "word " * tokens
    return {
        "model": "m",
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": content}],
    }


def size(asked):
    return sum(len(message["content"]) for message in asked["messages"]) + 100


def fitted(asked, profile, least=None):
    notes = []
    found = fit(
        asked, profile, size=size(asked), least=least, on_drop=lambda *note: notes.append(note)
    )
    return found["max_tokens"], notes


WINDOW = within(GENERIC, Limits(window=40_960))


def test_a_request_that_fits_stays_the_same_object():
    asked = request(100, max_tokens=4_000)
    assert fit(asked, WINDOW, size=size(asked), least=None, on_drop=pytest.fail) is asked


@pytest.mark.pitfall(19, 32)
def test_output_is_cut_to_what_the_prompt_leaves():
    left, notes = fitted(request(20_000), WINDOW)
    assert 18_000 < left < 40_960 - 20_000
    assert notes == [("max_tokens", f"{left} is what the context window leaves")]


@pytest.mark.pitfall(19)
def test_the_profiles_own_cap_counts_first():
    # 32,000 would not fit, the 4,096 that the model takes at most do.
    profile = within(profile_for("http://h/v1", "gpt-4-turbo"), Limits(window=40_960))
    assert profile.max_output_tokens == 4_096
    assert fitted(request(30_000), profile) == (32_000, [])


@pytest.mark.parametrize("tokens", [40_000, 60_000])
def test_a_prompt_that_fills_the_window_leaves_the_answer_to_the_upstream(tokens):
    left, _ = fitted(request(tokens), WINDOW)
    assert left == 1_024
    assert fitted(request(tokens, max_tokens=100), WINDOW)[0] == 100


def test_a_prompt_of_megabytes_is_counted_only_until_it_is_too_long(monkeypatch):
    counted = []
    monkeypatch.setattr(
        model_limits, "estimate_text", lambda text: counted.append(len(text)) or estimate_text(text)
    )
    assert fitted(request(800_000), within(GENERIC, Limits(window=8_192)))[0] == 1_024
    assert max(counted) <= 8 * 8_192


def test_without_a_known_window_nothing_is_counted():
    asked = request(500_000)
    assert fit(asked, GENERIC, size=size(asked), least=None, on_drop=pytest.fail) is asked


def test_least_raises_small_requests_and_says_so():
    assert fitted(request(10, 5), GENERIC, 100) == (100, [("max_tokens", "raised to 100")])
    assert fitted(request(10, 500), GENERIC, 100) == (500, [])


def test_a_count_of_tokens_asks_for_no_output():
    asked = {"model": "m", "messages": []}
    assert fit(asked, WINDOW, size=10, least=5, on_drop=pytest.fail) is asked


@pytest.mark.pitfall(33)
def test_a_prompt_that_was_cut_is_noticed():
    asked = request(20_000)
    count = unread(asked, size=size(asked), prompt=4_096)
    assert count is not None and 19_000 < count < 22_000


def test_megabytes_are_judged_by_their_beginning(monkeypatch):
    counted = []
    monkeypatch.setattr(
        model_limits, "estimate_text", lambda text: counted.append(len(text)) or estimate_text(text)
    )
    asked = request(400_000)
    count = unread(asked, size=size(asked), prompt=21)
    assert count == pytest.approx(400_000, rel=0.1)
    assert max(counted) < 10_000


def test_where_the_beginning_does_not_tell_all_is_counted():
    blanks = {"role": "user", "content": " " * 100_000}
    asked = {**request(20_000), "messages": [blanks, *request(20_000)["messages"]]}
    count = unread(asked, size=size(asked), prompt=1_000)
    assert count == pytest.approx(21_000, rel=0.1)


@pytest.mark.parametrize("prompt", [0, 19_500, 25_000, 11_000])
def test_other_counts_are_taken_as_they_are(prompt):
    asked = request(20_000)
    assert unread(asked, size=size(asked), prompt=prompt) is None


def test_a_large_image_is_no_cut_prompt():
    image = {"type": "base64", "media_type": "image/png", "data": "A" * 900_000}
    asked = request(10)
    asked["messages"].append({"role": "user", "content": [{"type": "image", "source": image}]})
    assert unread(asked, size=900_000, prompt=1_500) is None


USAGE = {
    "input_tokens": 100,
    "output_tokens": 7,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 1_000,
}


def test_scaled_counts_fill_the_clients_window_as_they_fill_the_real_one():
    profile = within(GENERIC, Limits(window=CLIENT_WINDOW // 4))
    assert scaled(USAGE, profile) == {
        "input_tokens": 400,
        "output_tokens": 7,
        "cache_creation_input_tokens": 40,
        "cache_read_input_tokens": 4_000,
    }


@pytest.mark.parametrize("window", [None, CLIENT_WINDOW, 1_000_000])
def test_other_windows_are_not_scaled(window):
    assert scaled(USAGE, within(GENERIC, Limits(window=window))) is USAGE


TAKES = ["max_tokens", "temperature", "top_k", "stop", "tools", "tool_choice", "reasoning"]
ALL = frozenset({*TAKES, "parallel_tool_calls", "structured_outputs", "response_format"})
ROUTED = profile_for("https://openrouter.ai/api/v1", "qwen/qwen3")


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (TAKES, frozenset(TAKES)),
        ([*TAKES, 3, None], frozenset(TAKES)),
        ([], None),
        (None, None),
        ("max_tokens", None),
        ({"max_tokens": True}, None),
        # A list of something else.
        (["voice", "speed"], None),
    ],
)
def test_the_parameters_that_a_list_names(listed, expected):
    assert limits_of({"supported_parameters": listed}).parameters == expected


# What the list lacks, and what is not sent then.
LACKS = [
    ((), {}),
    (("temperature",), {"sampling": False}),
    (("top_k",), {"top_k": False}),
    (("stop",), {"max_stops": 0}),
    (("parallel_tool_calls",), {"parallel_calls_field": False}),
    (("tool_choice",), {"tool_choices": ("auto",)}),
    (("tools", "tool_choice"), {}),
    (("reasoning",), {"thinking": "effort", "efforts": (), "budget_in": None}),
    (("structured_outputs",), {"response_format": "json_object"}),
    (("response_format",), {}),
    (("structured_outputs", "response_format"), {"response_format": "told"}),
]


@pytest.mark.parametrize(("lacking", "changes"), LACKS)
def test_what_the_list_does_not_name_is_not_sent(lacking, changes):
    limits = Limits(parameters=ALL - {*lacking})
    assert within(ROUTED, limits) == replace(ROUTED, **changes)


def test_a_weaker_form_of_the_answer_stays():
    weak = replace(ROUTED, response_format="told")
    assert within(weak, Limits(parameters=ALL - {"structured_outputs"})) == weak


def test_the_list_knows_who_has_eyes():
    blind = replace(ROUTED, vision="told")
    assert within(ROUTED, Limits(images=False)) == blind
    assert within(blind, Limits(images=True)) == ROUTED
    assert within(blind, Limits()) is blind


def test_what_the_user_says_himself_stays():
    limits = Limits(1_000, 100, False, frozenset({"max_tokens"}))
    own = {"vision", "context_window", "response_format"}
    changed = within(ROUTED, limits, own)
    assert changed.vision == "seen" and changed.response_format == "json_schema"
    assert changed.context_window == ROUTED.context_window
    assert changed.max_output_tokens == 100 and not changed.sampling


SHOWN = [
    ({}, {}),
    (None, {}),
    ({"parameters": 3, "model_info": [], "capabilities": "vision"}, {}),
    ({"model_info": {"a.context_length": "9", "general.name": "x"}}, {}),
    (
        {"model_info": {"a.context_length": 40_960, "a.vision.context_length": 8_192}},
        {"context_length": 8_192},
    ),
    (
        {"parameters": "num_ctx    4096\nstop x", "model_info": {"a.context_length": 40_960}},
        {"context_length": 4_096},
    ),
    ({"parameters": "stop num_ctx 4096"}, {}),
    ({"capabilities": ["completion", "vision"]}, {"supports_image_input": True}),
    ({"capabilities": ["completion"]}, {"supports_image_input": False}),
]


@pytest.mark.pitfall(33)
@pytest.mark.parametrize(("body", "entry"), SHOWN)
def test_what_ollama_shows_of_a_model(body: object, entry: Json) -> None:
    assert shown(body) == entry
