"""The variables that bring a client to the proxy, and their spelling in shells."""

import shutil
import subprocess

import pytest

from claude_proxy.cli.client_env import (
    SHELLS,
    child_environment,
    connection,
    limits,
    removed,
    script,
)
from claude_proxy.model_limits import Limits
from claude_proxy.settings import Settings, load_settings

URL = "http://127.0.0.1:4000"


def settings(**fields: object) -> Settings:
    return Settings(**fields)  # type: ignore[arg-type]


def test_the_client_gets_the_real_models() -> None:
    values = connection(settings(big_model="b", middle_model="m", small_model="s"), URL, "t")
    assert values == {
        "ANTHROPIC_BASE_URL": URL,
        "ANTHROPIC_AUTH_TOKEN": "t",
        "ANTHROPIC_DEFAULT_OPUS_MODEL": "b",
        "ANTHROPIC_DEFAULT_SONNET_MODEL": "m",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": "s",
        "ANTHROPIC_SMALL_FAST_MODEL": "s",
    }


def test_without_a_token_none_is_set() -> None:
    assert "ANTHROPIC_AUTH_TOKEN" not in connection(settings(), URL, None)


LIMITS = [
    # why, fields, (context, compact window, output)
    ("a known model", {"big_model": "gpt-4o"}, ("128000", "128000", "16384")),
    (
        "the smaller of both",
        {"big_model": "o3", "middle_model": "gpt-4o"},
        ("128000",) * 2 + ("16384",),
    ),
    ("more than the client takes", {"big_model": "gpt-4.1"}, ("1047576", "1000000", "32768")),
    ("less than the client takes", {"big_model": "gpt-4"}, ("8192", None, "8192")),
    ("an unknown model", {"big_model": "x", "openai_base_url": "http://h"}, (None, None, "32000")),
    ("the user's limit", {"big_model": "o3", "max_tokens_limit": 5}, ("200000", "200000", "5")),
    (
        "a limit above the cap",
        {"big_model": "gpt-4o", "max_tokens_limit": 10**6},
        ("128000", "128000", "16384"),
    ),
]


@pytest.mark.pitfall(31)
@pytest.mark.parametrize(("why", "fields", "expected"), LIMITS, ids=[row[0] for row in LIMITS])
def test_limits(why: str, fields: dict[str, object], expected: tuple[str | None, ...]) -> None:
    values = limits(settings(**fields))
    names = ("MAX_CONTEXT_TOKENS", "AUTO_COMPACT_WINDOW", "MAX_OUTPUT_TOKENS")
    assert tuple(values.get(f"CLAUDE_CODE_{name}") for name in names) == expected
    assert values["CLAUDE_CODE_DISABLE_1M_CONTEXT"] == "1"


def test_the_child_keeps_the_rest_of_the_environment() -> None:
    fixed = settings(openai_api_key="k")
    gone = removed(fixed)
    given = {"PATH": "/bin", **dict.fromkeys(gone, "x"), "ANTHROPIC_BASE_URL": "http://other"}
    values = child_environment(given, fixed, URL, "t")
    assert values["PATH"] == "/bin"
    assert values["ANTHROPIC_BASE_URL"] == URL
    assert len(gone) == 5 and not set(gone) & set(values)
    assert given["ANTHROPIC_BASE_URL"] == "http://other"


def test_the_users_own_limits_win() -> None:
    given = {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "7"}
    assert child_environment(given, settings(), URL, "t")["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "7"


def test_loopback_goes_past_a_web_proxy() -> None:
    given = {"https_proxy": "http://p:3128", "no_proxy": "corp"}
    values = child_environment(given, settings(), URL, "t")
    assert values["no_proxy"] == values["NO_PROXY"] == "corp,127.0.0.1,localhost"
    assert "NO_PROXY" not in child_environment({}, settings(), URL, "t")


QUOTED = [
    ("sh", "it's $HOME", "export A='it'\"'\"'s $HOME'", "unset B"),
    ("fish", "it's \\ $HOME", "set -gx A 'it\\'s \\\\ $HOME'", "set -e B"),
    (
        "powershell",
        "it's\u2019 $HOME",
        "$env:A = 'it''s\u2019\u2019 $HOME'",
        "Remove-Item Env:B -ErrorAction SilentlyContinue",
    ),
    ("cmd", "a&b c", 'set "A=a&b c"', 'set "B="'),
]


@pytest.mark.parametrize(("shell", "value", "line", "unset"), QUOTED)
def test_quoting(shell: str, value: str, line: str, unset: str) -> None:
    assert script(shell, {"A": value}, ("B",)).splitlines() == [unset, line]


def test_every_shell_has_its_quoting_case() -> None:
    assert {row[0] for row in QUOTED} == set(SHELLS)


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh on this machine")
def test_a_real_shell_reads_the_same_value() -> None:
    value = 'it\'s "$HOME" `id` \\ ; & !'
    text = f'{script("sh", {"A": value})}\nprintf %s "$A"'
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == value


def test_claudes_own_limits_are_the_clients_to_know() -> None:
    own = settings(openai_base_url="https://api.anthropic.com")
    assert limits(own) == {}


OWN = [
    {"openai_base_url": "https://api.anthropic.com"},
    {"backend": "anthropic"},
    {"backend": "anthropic", "anthropic_forward_url": "http://gateway:4000"},
]


@pytest.mark.parametrize("fields", OWN)
def test_the_client_chooses_among_claudes_own_models(fields: dict[str, object]) -> None:
    assert connection(settings(**fields), URL, None) == {"ANTHROPIC_BASE_URL": URL}
    set_too = connection(settings(**fields, small_model="claude-x"), URL, None)
    assert set_too["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "claude-x"
    assert "ANTHROPIC_DEFAULT_OPUS_MODEL" not in set_too


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"openai_api_key": "k"}, set()),
        ({}, {"ANTHROPIC_API_KEY"}),
        ({"backend": "anthropic", "anthropic_api_key": "k"}, set()),
        ({"backend": "anthropic"}, {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"}),
    ],
)
def test_a_credential_stays_where_it_is_for_the_upstream(
    fields: dict[str, object], kept: set[str]
) -> None:
    given = {
        "ANTHROPIC_API_KEY": "x",
        "CLAUDE_CODE_OAUTH_TOKEN": "y",
        "CLAUDE_CODE_USE_VERTEX": "1",
    }
    assert kept == set(child_environment(given, settings(**fields), URL, None)) & set(given)


def test_models_of_other_upstreams_are_measured_there() -> None:
    lab = '{"lab": {"base_url": "http://127.0.0.1:1/v1"}}'
    environ = {"CLAUDE_PROXY_UPSTREAMS": lab, "BIG_MODEL": "big@lab", "OPENAI_API_KEY": "k" * 12}
    loaded = load_settings(environ=environ, trusted_folder=False)
    known = {"big": Limits(window=150_000)}
    assert connection(loaded, URL, None)["ANTHROPIC_DEFAULT_OPUS_MODEL"] == "big@lab"
    assert limits(loaded, known)["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "150000"
