"""Which profile a base URL and a model get, and what the OpenAI families accept."""

import pytest

from claude_proxy.codecs.openai_chat.effort import LEVELS
from claude_proxy.own_profiles import built_in
from claude_proxy.profiles import PROFILES, PROVIDERS, limited, profile_for
from claude_proxy.profiles.schemas import ANY_SCHEMA, GEMINI_SCHEMA, MOONSHOT_SCHEMA

OPENAI = "https://api.openai.com/v1"
GATEWAY = "https://gateway.example/v1"
LOCAL = "http://localhost:8000/v1"
OPENROUTER = "https://openrouter.ai/api/v1"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("gpt-4o-mini", "openai/gpt-4o-mini"),
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
        ("o4-mini-2025-04-16", "openai/o4-mini"),
        ("o1-preview", "openai/o1-mini"),
        ("gpt-5", "openai/gpt-5"),
        ("gpt-5-mini", "openai/gpt-5-mini"),
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
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "openai/gpt-4o-mini"),
    ],
)
def test_openai_families_match_by_name(model, name):
    assert profile_for(OPENAI, model).name == name
    # A gateway in front of the model does not lift its limits.
    assert profile_for(GATEWAY, model).name == name
    there = profile_for(OPENROUTER, model)
    assert there.name == name.replace("openai/", "openrouter/")
    assert there.max_output_tokens == profile_for(OPENAI, model).max_output_tokens


def test_marks_for_the_prompt_cache_go_to_claude_behind_openrouter():
    router = "https://openrouter.ai/api/v1"
    assert profile_for(router, "anthropic/claude-sonnet-4.5").cache_control == "content_parts"
    for base_url, model in ((router, "google/gemini-3-pro"), (LOCAL, "claude-distill")):
        assert profile_for(base_url, model).cache_control == "drop"


@pytest.mark.pitfall(34)
@pytest.mark.parametrize(
    ("base_url", "model", "field"),
    [
        (OPENAI, "gpt-5.4", "prompt_cache_key"),
        (OPENAI, "some-tuned-name", "prompt_cache_key"),
        ("https://a.openai.azure.com/openai/v1", "gpt-4o", "prompt_cache_key"),
        ("https://a.openai.azure.com/openai/v1/", "DeepSeek-V3", None),
        ("https://a.openai.azure.com/openai/v1", "gpt-oss-120b", None),
        # Older versions of its API know fewer fields, and refuse those they do not know.
        ("https://a.openai.azure.com", "gpt-4o", None),
        ("https://openrouter.ai/api/v1", "anthropic/claude-sonnet-4.5", "session_id"),
        ("https://api.mistral.ai/v1", "devstral-2", "prompt_cache_key"),
        ("https://gateway.example/v1", "gpt-4o", None),
        (LOCAL, "qwen3:8b", None),
    ],
)
def test_a_session_key_goes_only_where_it_is_known_to_be_taken(base_url, model, field):
    assert profile_for(base_url, model).session_field == field


@pytest.mark.parametrize(
    ("base_url", "model", "tool"),
    [
        (OPENAI, "gpt-5.4", "web_search"),
        (OPENAI, "gpt-4o-2024-11-20", "web_search"),
        (OPENAI, "gpt-4.1-nano", None),
        (OPENAI, "some-tuned-name", None),
        ("https://gateway.example/v1", "gpt-5.4", None),
        ("https://openrouter.ai/api/v1", "z-ai/glm-5", "openrouter:web_search"),
        (LOCAL, "qwen3:8b", None),
    ],
)
def test_a_search_of_its_own_is_only_where_it_is_known(base_url, model, tool):
    assert profile_for(base_url, model).own_search == tool


@pytest.mark.parametrize(
    "model", ["qwen3:8b", "gpt-oss:20b", "o", "opus", "llama-4", "", "gpt-4all"]
)
def test_other_models_are_generic(model):
    assert profile_for(LOCAL, model).name == "generic"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (OPENAI, "openai"),
        ("HTTPS://API.OPENAI.COM/v1", "openai"),
        ("https://mine.openai.azure.com", "azure"),
        ("https://mine.services.ai.azure.com/openai/v1", "azure"),
    ],
)
def test_other_names_at_openai_have_a_careful_cap(url, name):
    profile = profile_for(url, "my-deployment")
    assert (profile.name, profile.max_output_tokens) == (name, 16_384)


WHERE = [
    (OPENROUTER, "anthropic/claude-sonnet-4.5", "openrouter/claude"),
    (OPENROUTER, "z-ai/glm-5", "openrouter"),
    ("https://api.deepseek.com", "deepseek-v4-pro", "deepseek"),
    ("https://api.deepseek.com/v1", "deepseek-flash", "deepseek"),
    ("https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen3.8-max", "qwen"),
    ("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "qwen-plus", "qwen"),
    ("https://dashscope-us.aliyuncs.com/compatible-mode/v1", "qwq-plus", "qwen/thinking"),
    ("https://coding-intl.dashscope.aliyuncs.com/v1", "qwen3-coder-plus", "qwen/coder"),
    (
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "qwen3-235b-a22b-thinking-2507",
        "qwen/thinking",
    ),
    (
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "qwen3-235b-a22b-instruct-2507",
        "qwen/instruct",
    ),
    (
        "https://dashscope.aliyuncs.com/compatible-mode/v1",
        "vanchin/deepseek-v4-pro",
        "qwen/deepseek",
    ),
    (
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "gemini-3-pro-preview",
        "gemini/3",
    ),
    ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro", "gemini/2.5-pro"),
    (
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "models/gemini-2.5-flash",
        "gemini/2.5",
    ),
    (
        "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi",
        "google/gemini-2.0-flash",
        "gemini",
    ),
    ("https://api.x.ai/v1", "grok-4.3", "xai/grok-4.3"),
    ("https://api.x.ai/v1", "grok-4-0709", "xai"),
    ("https://api.x.ai/v1", "grok-4-1-fast-non-reasoning", "xai/non-reasoning"),
    ("https://us-east-1.api.x.ai/v1", "grok-code-fast-1", "xai/grok-code"),
    ("https://api.mistral.ai/v1", "mistral-large-2512", "mistral"),
    ("https://api.mistral.ai/v1", "magistral-medium-latest", "mistral/magistral"),
    ("https://api.mistral.ai/v1", "mistral-small-latest", "mistral/adjustable"),
    ("https://api.groq.com/openai/v1", "openai/gpt-oss-120b", "groq/gpt-oss"),
    ("https://api.groq.com/openai/v1", "qwen/qwen3-32b", "groq/qwen"),
    ("https://api.groq.com/openai/v1", "meta-llama/llama-4-scout-17b", "groq"),
    ("https://api.together.xyz/v1", "deepseek-ai/DeepSeek-V4-Pro", "together/hybrid"),
    ("https://api.together.ai/v1", "zai-org/GLM-5.3", "together/glm-5.3"),
    ("https://api.together.ai/v1", "zai-org/GLM-5.1", "together/hybrid"),
    ("https://api.together.ai/v1", "meta-llama/Llama-4-Maverick", "together"),
    (
        "https://api.fireworks.ai/inference/v1",
        "accounts/fireworks/models/deepseek-v4-pro",
        "fireworks/hybrid",
    ),
    (
        "https://api.fireworks.ai/inference/v1",
        "accounts/fireworks/models/glm-5p2",
        "fireworks/glm",
    ),
    ("https://api.z.ai/api/paas/v4", "glm-4.7", "glm"),
    ("https://api.z.ai/api/coding/paas/v4", "glm-5.3", "glm/5.3"),
    ("https://open.bigmodel.cn/api/paas/v4", "glm-4.5v", "glm/vision"),
    ("https://open.bigmodel.cn/api/paas/v4", "glm-4.5-air", "glm/4.5"),
    ("https://api.moonshot.ai/v1", "kimi-k2.6", "moonshot/k2.6"),
    ("https://api.moonshot.cn/v1", "kimi-k2-thinking", "moonshot/thinking"),
    ("https://api.moonshot.cn/v1", "kimi-k3", "moonshot/k3"),
    ("https://api.moonshot.cn/v1", "kimi-k2-0905-preview", "moonshot"),
    ("https://api.kimi.com/coding/v1", "kimi-for-coding", "kimi-coding"),
    ("https://api.kimi.com/coding/v1", "k3", "kimi-coding/k3"),
    ("https://api.minimax.io/v1", "MiniMax-M2.7", "minimax"),
    ("https://api.minimaxi.com/v1", "MiniMax-M3", "minimax/m3"),
    ("http://localhost:11434/v1", "qwen3:8b", "ollama/thinking"),
    ("http://localhost:11434/v1", "llama3.3", "ollama"),
    ("http://[::1]:11434/v1", "gpt-oss:20b", "ollama/gpt-oss"),
    ("http://user:secret@box:11434/v1", "qwen3-coder:30b", "ollama/coder"),
    ("https://ollama.com/v1", "gemma4:31b", "ollama"),
    ("http://192.168.1.5:1234/v1", "qwen/qwen3-8b", "lmstudio"),
]


@pytest.mark.parametrize(("url", "model", "name"), WHERE)
def test_providers_are_known_by_their_place_and_model(url, model, name):
    assert profile_for(url, model).name == name


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1",
        "http://localhost:8080/v1",
        "http://[fe80::1234]/v1",
        "http://[fe80::1234]:8000/v1",
        "https://example.com/proxy/localhost:11434/v1",
        "https://notopenrouter.ai/v1",
        "https://api.deepseek.com.evil.example/v1",
    ],
)
def test_places_that_only_look_like_a_provider_s_are_generic(url):
    assert profile_for(url, "qwen3:8b").name == "generic"


NAMED = [
    ("vllm", "Qwen/Qwen3-32B", "vllm"),
    ("vllm", "openai/gpt-oss-20b", "vllm/gpt-oss"),
    ("llama.cpp", "x", "llama.cpp"),
    ("openai", "gpt-5", "openai/gpt-5"),
    ("openai", "x", "openai"),
    ("ollama", "qwen3:8b", "ollama/thinking"),
    ("generic", "gpt-5", "generic"),
    ("kimi-coding", "k2p6", "kimi-coding"),
]


@pytest.mark.parametrize(("provider", "model", "name"), NAMED)
def test_a_provider_may_be_named_wherever_it_runs(provider, model, name):
    assert built_in(provider, model).name == name


def test_every_provider_has_a_row_for_any_model():
    for provider in PROVIDERS:
        assert built_in(provider, "").provider == provider


def test_an_unknown_provider_is_an_error():
    with pytest.raises(KeyError, match="nobody"):
        built_in("nobody", "x")


def test_nonsense_instead_of_a_url_is_generic():
    assert profile_for("", "x").name == "generic"


def test_gpt_4o_has_its_cap_and_no_effort():
    profile = profile_for(OPENAI, "gpt-4o")
    assert profile.max_output_tokens == 16_384
    assert profile.max_tokens_field == "max_tokens"
    assert profile.efforts == ()


@pytest.mark.pitfall(17)
@pytest.mark.parametrize("model", ["o3", "gpt-5", "gpt-5.2", "gpt-5.4"])
def test_reasoning_models_take_no_temperature_and_no_max_tokens(model):
    profile = profile_for(OPENAI, model)
    assert profile.max_tokens_field == "max_completion_tokens"
    assert not profile.sampling and profile.max_stops == 0


@pytest.mark.pitfall(18)
def test_only_later_models_refuse_tools_with_effort():
    assert profile_for(OPENAI, "gpt-5.4").effort_with_tools == "none"
    assert profile_for(OPENAI, "gpt-5.2").effort_with_tools is None


def example(glob):
    """A name that a glob matches."""
    for group, one in GROUPS.items():
        glob = glob.replace(group, one)
    return glob.replace("*", "x" if glob == "*" else "")


GROUPS = {"[0-9]": "1", "[4-9]": "4", "[23]": "2", "[1-9]": "3", "[3-9]": "3", "[5-9]": "5"}
GROUPS |= {"[6-9]": "6", "[7-9]": "7"}


def test_every_row_can_be_reached():
    """A row behind a wider one would be dead data."""
    names = [row.profile.name for row in PROFILES]
    assert len(names) == len(set(names))
    for row in PROFILES:
        model = example(row.models[0])
        if row.hosts:
            host = row.hosts[0].replace("*", "x" if row.hosts[0] == "*" else "y")
            assert profile_for(f"https://{host}", model).name == row.profile.name
        else:
            assert built_in(row.profile.provider, model).name == row.profile.name


@pytest.mark.parametrize("row", PROFILES, ids=lambda row: row.profile.name)
def test_rows_say_nothing_that_contradicts_itself(row):
    profile = row.profile
    assert "auto" in profile.tool_choices
    assert list(profile.efforts) == sorted(profile.efforts, key=LEVELS.index)
    if profile.reasoning_history == "think_tags":
        assert profile.think_tags
    if profile.thinking_on != "enabled" or profile.thinking_with:
        assert profile.thinking == "thinking"
    if profile.tool_ids == "alphanumeric":
        # The hash of an id is that long.
        assert profile.tool_id_length <= 9


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


def test_only_a_dialect_without_limits_understands_everything():
    assert ANY_SCHEMA.everything
    assert not MOONSHOT_SCHEMA.everything and not GEMINI_SCHEMA.everything
