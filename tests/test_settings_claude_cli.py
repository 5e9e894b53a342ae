"""What can be set of the Claude Code CLI as an upstream."""

from typing import Any

import pytest

from claude_proxy.errors import RequestError
from claude_proxy.profiles.claude_cli import ADDRESS
from claude_proxy.routing.names import by_name
from claude_proxy.server.services import secrets_of
from claude_proxy.settings import Settings, SettingsError, load_settings

NAMED = '{"mine": {"dialect": "claude-cli"}}'


def load(**environ: str) -> Settings:
    return load_settings(environ=environ, trusted_folder=False)


def cli(**environ: str) -> Settings:
    return load(CLAUDE_PROXY_BACKEND="claude-cli", **environ)


def test_it_has_a_login_of_its_own() -> None:
    settings = cli()
    assert (settings.fixed, settings.spends, settings.runs_cli) == (True, True, True)
    assert (settings.upstream_url, settings.upstream_key) == (ADDRESS, None)
    assert settings.warnings == ()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("opus", "opus"),
        ("claude-opus-4", "opus"),
        ("claude-opus-4-20250514", "opus"),
        ("claude-code-cli/claude-sonnet-4", "sonnet"),
        ("claude-haiku-5-5[1m]", "haiku"),
        ("gpt-4o-mini", "haiku"),
        ("gpt-5", "opus"),
    ],
)
def test_names_mean_the_clis_own(name: str, model: str) -> None:
    assert by_name(name, cli().model_map())[1] == model


def test_what_it_does_not_know_is_not_found() -> None:
    with pytest.raises(RequestError) as caught:
        by_name("mistral-large", cli().model_map())
    assert caught.value.status == 404


def test_a_tier_may_be_a_certain_model() -> None:
    models = cli(BIG_MODEL="claude-opus-4-8").model_map()
    assert (models.big, models.middle, models.small) == ("claude-opus-4-8", "sonnet", "haiku")


@pytest.mark.parametrize(
    "environ",
    [
        {"CLAUDE_PROXY_BACKEND": "claude-cli"},
        {"CLAUDE_PROXY_BACKEND": "claude-cli", "CLAUDE_PROXY_TRUST_PROXY": "true"},
        {"CLAUDE_PROXY_UPSTREAMS": NAMED},
        {"CLAUDE_PROXY_UPSTREAMS": NAMED, "OPENAI_API_KEY": "k", "TRUST_PROXY": "1"},
        {"CLAUDE_PROXY_UPSTREAMS": NAMED, "CLAUDE_PROXY_AUTH_KEY": "no check in passthrough"},
    ],
)
def test_only_this_machine_without_a_check_of_clients(environ: dict[str, str]) -> None:
    assert load(**environ).bind()[0] == "127.0.0.1"
    with pytest.raises(SettingsError, match="login of your Claude Code CLI"):
        load(**environ, CLAUDE_PROXY_HOST="0.0.0.0").bind()
    assert load(**environ, CLAUDE_PROXY_HOST="localhost").bind()[0] == "localhost"


def test_anywhere_with_one() -> None:
    assert cli(CLAUDE_PROXY_AUTH_KEY="k").bind()[0] == "0.0.0.0"
    checked = cli(CLAUDE_PROXY_AUTH_KEY="k", CLAUDE_PROXY_HOST="10.0.0.1")
    assert checked.bind()[0] == "10.0.0.1"


def test_no_clients_key_goes_there() -> None:
    with pytest.raises(SettingsError, match="takes no client's key"):
        cli(CLAUDE_PROXY_MODE="passthrough")
    assert cli(CLAUDE_PROXY_MODE="fixed").fixed


def test_its_language_is_its_own() -> None:
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_BACKEND=claude-cli"):
        load(CLAUDE_PROXY_UPSTREAM_DIALECT="claude-cli")
    with pytest.raises(SettingsError, match="which speaks claude-cli"):
        cli(CLAUDE_PROXY_UPSTREAM_DIALECT="chat")


def test_beside_another_upstream_it_has_no_address() -> None:
    settings = load(CLAUDE_PROXY_UPSTREAMS=NAMED, OPENAI_API_KEY="k")
    mine = settings.upstreams["mine"]
    assert (mine.base_url, mine.spends, settings.runs_cli) == (ADDRESS, True, True)


@pytest.mark.parametrize(
    "table",
    [
        '{"dialect": "claude-cli", "base_url": "http://h/v1"}',
        '{"dialect": "claude-cli", "api_key": "k"}',
        f'{{"dialect": "chat", "base_url": "{ADDRESS}"}}',
    ],
)
def test_and_nobody_else_has_its_own(table: str) -> None:
    with pytest.raises(SettingsError, match="no base_url and no api_key"):
        load(CLAUDE_PROXY_UPSTREAMS=f'{{"mine": {table}}}')


@pytest.mark.parametrize(
    "given", ["A=b=c, ANTHROPIC_API_KEY=sk-x", '{"A": "b=c", "ANTHROPIC_API_KEY": "sk-x"}']
)
def test_variables_for_it_alone(given: str) -> None:
    settings = cli(CLAUDE_PROXY_CLI_ENV=given)
    assert settings.cli_env == {"A": "b=c", "ANTHROPIC_API_KEY": "sk-x"}
    assert secrets_of(settings) == ["sk-x"]
    assert "sk-x" not in repr(settings)


@pytest.mark.parametrize(
    "given", ["sk-x", "A=b,sk-x", "{sk-x", '{"A B": "c"}', '{"A": "\\u0000"}', "[1]"]
)
def test_variables_that_cannot_be(given: str) -> None:
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_CLI_ENV") as caught:
        cli(CLAUDE_PROXY_CLI_ENV=given)
    assert "sk-x" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "attribute"),
    [("CLI_TIMEOUT_SECONDS", "cli_timeout"), ("CLI_LINE_TIMEOUT_SECONDS", "cli_line_timeout")],
)
def test_older_names_work(name: str, attribute: str) -> None:
    found: Any = getattr(cli(**{name: "7"}), attribute)
    assert found == 7.0


@pytest.mark.parametrize(("way", "calls"), [(None, "text"), ("mcp", "text"), ("Prompt", "told")])
def test_the_way_of_tools_is_a_field_of_the_clis_profiles(way: str | None, calls: str) -> None:
    finder = cli(**({"CLAUDE_PROXY_CLI_TOOLS": way} if way else {})).profile_finder()
    for model in ("opus", "haiku"):
        assert finder.find("default", ADDRESS, model).text_calls == calls
    assert finder.find("default", "https://api.openai.com/v1", "gpt-4o").text_calls == "text"


def test_one_upstream_of_the_cli_may_have_a_way_of_its_own() -> None:
    given = {
        "CLAUDE_PROXY_UPSTREAMS": '{"mine": {"dialect": "claude-cli", "profile": "sent"}}',
        "CLAUDE_PROXY_PROFILES": '{"sent": {"text_calls": "text"}}',
    }
    finder = cli(CLAUDE_PROXY_CLI_TOOLS="prompt", **given).profile_finder()
    assert finder.find("default", ADDRESS, "opus").text_calls == "told"
    assert finder.find("mine", ADDRESS, "opus").text_calls == "text"


def test_there_is_no_third_way() -> None:
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_CLI_TOOLS.* mcp or prompt"):
        cli(CLAUDE_PROXY_CLI_TOOLS="text")
