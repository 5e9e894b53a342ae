"""Which profile a base URL and a model get, and what the OpenAI families accept."""

import pytest

from claude_proxy.profiles import PROFILES, limited, profile_for

OPENAI = "https://api.openai.com/v1"
LOCAL = "http://localhost:11434/v1"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("gpt-4o-mini", "openai/gpt-4o"),
        ("chatgpt-4o-latest", "openai/gpt-4o"),
        ("gpt-4.1-nano", "openai/gpt-4.1"),
        ("gpt-4-turbo-2024-04-09", "openai/gpt-4-turbo"),
        ("gpt-4-1106-preview", "openai/gpt-4-turbo"),
        ("gpt-4", "openai/gpt-4"),
        ("gpt-4-0613", "openai/gpt-4"),
        ("gpt-3.5-turbo", "openai/gpt-3.5"),
        ("gpt-35-turbo", "openai/gpt-3.5"),
        ("o1", "openai/o"),
        ("o3-mini", "openai/o"),
        ("o4-mini-2025-04-16", "openai/o"),
        ("o1-preview", "openai/o1-mini"),
        ("gpt-5", "openai/gpt-5"),
        ("gpt-5-mini", "openai/gpt-5"),
        ("gpt-5-2025-08-07", "openai/gpt-5"),
        ("gpt-5-pro", "openai/gpt-5-pro"),
        ("gpt-5-codex", "openai/gpt-5-codex"),
        ("gpt-5-chat-latest", "openai/gpt-5-chat"),
        ("gpt-5.1-chat-latest", "openai/gpt-5-chat"),
        ("gpt-5.1", "openai/gpt-5.1"),
        ("gpt-5.1-codex-max", "openai/gpt-5.2"),
        ("gpt-5.2", "openai/gpt-5.2"),
        ("gpt-5.4-mini", "openai/gpt-5.4"),
        ("gpt-5.6", "openai/gpt-5.4"),
        ("gpt-5.10", "openai/gpt-5.4"),
        ("gpt-6", "openai/gpt-5.4"),
        ("GPT-4O", "openai/gpt-4o"),
        ("openai/gpt-5", "openai/gpt-5"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "openai/gpt-4o"),
    ],
)
def test_openai_families_match_by_name(model, name):
    assert profile_for(OPENAI, model).name == name
    # A gateway in front of the model does not lift its limits.
    assert profile_for("https://openrouter.ai/api/v1", model).name == name


@pytest.mark.parametrize(
    "model", ["qwen3:8b", "gpt-oss:20b", "o", "opus", "llama-4", "", "gpt-4all"]
)
def test_other_models_are_generic(model):
    assert profile_for(LOCAL, model).name == "generic"


@pytest.mark.parametrize(
    "url", [OPENAI, "https://mine.openai.azure.com", "HTTPS://API.OPENAI.COM/v1"]
)
def test_other_names_at_openai_are_openai(url):
    profile = profile_for(url, "my-deployment")
    assert (profile.name, profile.max_output_tokens) == ("openai", 16_384)


def test_nonsense_instead_of_a_url_is_generic():
    assert profile_for("", "x").name == "generic"


def test_gpt_4o_has_its_cap_and_no_effort():
    profile = profile_for(OPENAI, "gpt-4o")
    assert profile.max_output_tokens == 16_384
    assert profile.max_tokens_field == "max_tokens"
    assert profile.efforts == ()


@pytest.mark.parametrize("model", ["o3", "gpt-5", "gpt-5.2", "gpt-5.4"])
def test_reasoning_models_take_no_temperature_and_no_max_tokens(model):
    profile = profile_for(OPENAI, model)
    assert profile.max_tokens_field == "max_completion_tokens"
    assert not profile.sampling and profile.max_stops == 0


def test_only_later_models_refuse_tools_with_effort():
    assert profile_for(OPENAI, "gpt-5.4").effort_with_tools == "none"
    assert profile_for(OPENAI, "gpt-5.2").effort_with_tools is None


def test_every_row_can_be_reached():
    """A row behind a wider one would be dead data."""
    names = [row.profile.name for row in PROFILES]
    assert len(names) == len(set(names))
    for row in PROFILES:
        host = row.hosts[0].replace("*", "x")
        model = row.models[0].replace("[0-9]", "1").replace("[4-9]", "4").replace("[23]", "2")
        model = model.replace("[1-9]", "3").replace("*", "") or "x"
        assert profile_for(f"https://{host}", model).name == row.profile.name


@pytest.mark.parametrize(
    ("model", "limit", "cap"),
    [
        ("gpt-4o", None, 16_384),
        ("gpt-4o", 4_096, 4_096),
        ("gpt-4o", 128_000, 16_384),
        ("qwen3", None, 32_000),
        ("qwen3", 4_096, 4_096),
        ("qwen3", 65_536, 65_536),
    ],
)
def test_a_users_limit_lowers_known_caps_and_replaces_guesses(model, limit, cap):
    assert limited(profile_for(LOCAL, model), limit).max_output_tokens == cap
