"""Which upstream is asked in Messages, and where: the table is the spec."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from claude_proxy.native import (
    NATIVES,
    dialect_for,
    is_anthropics,
    messages_base,
    native_for,
    only_messages,
)

ASKED = [
    # base URL, model, dialect under auto, where Messages is spoken
    ("https://api.anthropic.com", "m", "messages", "https://api.anthropic.com"),
    ("https://api.anthropic.com/v1", "m", "messages", "https://api.anthropic.com"),
    ("https://openrouter.ai/api", "any/m", "messages", "https://openrouter.ai/api"),
    ("https://openrouter.ai/api/v1", "x-ai/m", "chat", "https://openrouter.ai/api"),
    ("https://openrouter.ai/api/v1", "Anthropic/C", "messages", "https://openrouter.ai/api"),
    ("https://api.minimax.io/v1", "M2", "messages", "https://api.minimax.io/anthropic"),
    ("https://api.minimaxi.com/anthropic", "M2", "messages", "https://api.minimaxi.com/anthropic"),
    ("https://api.deepseek.com/v1", "m", "chat", "https://api.deepseek.com/anthropic"),
    ("https://api.deepseek.com", "m", "chat", "https://api.deepseek.com/anthropic"),
    ("https://api.deepseek.com/anthropic", "m", "messages", "https://api.deepseek.com/anthropic"),
    ("https://api.deepseek.com/anthropic/", "m", "messages", "https://api.deepseek.com/anthropic"),
    (
        "https://api.deepseek.com/anthropic/v1",
        "m",
        "messages",
        "https://api.deepseek.com/anthropic",
    ),
    ("https://api.z.ai/api/coding/paas/v4", "glm", "chat", "https://api.z.ai/api/anthropic"),
    ("https://api.z.ai/api/anthropic", "glm", "messages", "https://api.z.ai/api/anthropic"),
    ("https://api.kimi.com/coding/v1", "k", "chat", "https://api.kimi.com/coding"),
    ("https://api.kimi.com/coding", "k", "messages", "https://api.kimi.com/coding"),
    (
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "q",
        "chat",
        "https://dashscope-intl.aliyuncs.com/apps/anthropic",
    ),
    ("https://api.fireworks.ai/inference/v1", "m", "chat", "https://api.fireworks.ai/inference"),
    ("http://localhost:11434/v1", "qwen3", "chat", "http://localhost:11434"),
    ("http://localhost:11434", "qwen3", "messages", "http://localhost:11434"),
    ("http://127.0.0.1:1234/v1", "m", "chat", "http://127.0.0.1:1234"),
    ("http://10.0.0.1:8000/v1", "m", "chat", "http://10.0.0.1:8000"),
    ("http://10.0.0.1:8000", "m", "chat", "http://10.0.0.1:8000"),
    ("http://proxy:8085/anthropic", "m", "messages", "http://proxy:8085/anthropic"),
    ("https://x.services.ai.azure.com/anthropic", "m", "messages", None),
    ("https://api.openai.com/v1", "gpt-5", "chat", "https://api.openai.com"),
]


@pytest.mark.parametrize(("base_url", "model", "dialect", "base"), ASKED)
def test_auto_follows_the_address(base_url, model, dialect, base):
    assert dialect_for("auto", base_url, model) == dialect
    assert messages_base(base_url) == (base or base_url)


@pytest.mark.parametrize("choice", ["chat", "responses", "messages"])
def test_a_choice_is_a_choice(choice):
    for base_url in ("https://api.anthropic.com", "https://api.openai.com/v1"):
        assert dialect_for(choice, base_url, "m") == choice


@pytest.mark.parametrize(
    ("choice", "base_url", "only"),
    [
        ("auto", "https://api.anthropic.com/v1", True),
        ("auto", "https://api.deepseek.com/anthropic", True),
        ("auto", "https://api.minimax.io/v1", False),
        ("auto", "https://api.openai.com/v1", False),
        ("messages", "http://localhost:8000/v1", True),
        ("chat", "https://api.anthropic.com/v1", False),
    ],
)
def test_who_can_be_asked_in_nothing_else(choice, base_url, only):
    assert only_messages(choice, base_url) is only


@pytest.mark.parametrize(
    ("base_url", "own"),
    [
        ("https://api.anthropic.com", True),
        ("https://API.Anthropic.com/v1", True),
        ("http://api.anthropic.com", False),
        ("https://api.anthropic.com.evil.example", False),
        ("https://evil.example/api.anthropic.com", False),
        ("https://openrouter.ai/api", False),
        ("http://127.0.0.1/anthropic", False),
    ],
)
def test_a_login_at_anthropic_goes_to_anthropic_alone(base_url, own):
    assert is_anthropics(base_url) is own


@pytest.mark.parametrize(
    ("base_url", "local", "own"),
    [
        ("https://api.anthropic.com", False, True),
        ("https://gateway.example/base", False, True),
        ("http://gateway.example", False, False),
        ("http://127.0.0.1:4000", True, True),
        ("https://api.deepseek.com/anthropic", False, False),
        ("https://openrouter.ai/api", False, False),
        ("http://127.0.0.1:11434", True, False),
    ],
)
def test_a_gateway_is_anthropics_unless_it_is_known_as_somebody_elses(base_url, local, own):
    assert is_anthropics(base_url, gateway=True, local=local) is own


def test_each_row_tells_its_reason_and_is_reached():
    for row in NATIVES:
        host = row.hosts[0].replace("*", "host")
        assert native_for(f"https://{host}/v1") is row
        assert row.why and row.path != "/"
    assert len({row.name for row in NATIVES}) == len(NATIVES)


def test_only_anthropics_own_row_is_claude():
    assert [row.name for row in NATIVES if row.claude] == ["anthropic"]


def test_a_base_url_keeps_its_query():
    assert urlsplit(messages_base("https://h.example/v1?a=b")).query == "a=b"


def test_the_page_has_each_row():
    page = (Path(__file__).parent.parent / "docs" / "native.md").read_text("utf-8")
    for row in NATIVES:
        hosts = ", ".join(f"`{host}`" for host in row.hosts)
        base = "as given" if row.path is None else f"`{row.path or '/'}`"
        preferred = ", ".join(f"`{glob}`" for glob in row.prefer) or "-"
        assert f"| {row.name} | {hosts} | {base} | {preferred} | {row.why} |" in page


def test_a_field_more_that_is_refused():
    row = NATIVES[-1].without("speed").without("container")
    assert row.drop_fields == (*NATIVES[-1].drop_fields, "speed", "container")
    assert (row.name, row.hosts) == (NATIVES[-1].name, NATIVES[-1].hosts)
