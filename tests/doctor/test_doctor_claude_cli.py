"""The doctor and an upstream that is no server."""

import pytest
from click.testing import CliRunner

from claude_proxy.cli.doctor import command
from claude_proxy.settings import SettingsError

NAMED = '{"mine": {"dialect": "claude-cli"}}'


@pytest.mark.parametrize(
    ("variable", "value", "options"),
    [
        ("CLAUDE_PROXY_BACKEND", "claude-cli", []),
        ("CLAUDE_PROXY_UPSTREAMS", NAMED, ["--upstream", "mine"]),
    ],
)
def test_the_cli_is_not_examined(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, options: list[str]
) -> None:
    monkeypatch.setenv(variable, value)
    result = CliRunner().invoke(command, options)
    assert isinstance(result.exception, SettingsError)
    assert "/test-connection" in str(result.exception)
