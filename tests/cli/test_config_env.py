"""`claude-proxy config` and `claude-proxy env`."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from claude_proxy.cli import main
from claude_proxy.codecs.jsonio import loads
from claude_proxy.settings import variables

SECRETS = {
    "OPENAI_API_KEY": "sk-canary-1",
    "CLAUDE_PROXY_AUTH_KEY": "canary-2",
    "CUSTOM_HEADER_AUTHORIZATION": "Basic canary-3",
}


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and a home of the test's own, and none of the machine's settings."""
    for var in variables().values():
        for name in (var.name, *var.aliases):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    return tmp_path / "folder"


def call(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environ)


def test_config_tells_value_and_source(clean: Path) -> None:
    (clean / ".env").write_text("BIG_MODEL=qwen3:8b\n")
    lines = {line.split()[0]: line.split() for line in call("config", PORT="9").stdout.splitlines()}
    assert lines["CLAUDE_PROXY_PORT"] == ["CLAUDE_PROXY_PORT", "9", "environment", "PORT"]
    assert lines["CLAUDE_PROXY_BIG_MODEL"][1:] == ["qwen3:8b", f"{clean}/.env", "BIG_MODEL"]
    assert lines["CLAUDE_PROXY_ACCESS_LOG"][1:] == ["true", "default"]
    assert lines["CLAUDE_PROXY_REQUEST_TIMEOUT"][1:] == ["300", "default"]


def test_config_shows_lists_and_maps() -> None:
    stdout = call("config", CLAUDE_PROXY_CORS_ORIGINS="a,b", CLAUDE_PROXY_MODELS="x:y").stdout
    assert " a, b " in stdout
    assert " x: y " in stdout


@pytest.mark.parametrize("arguments", [("config",), ("config", "--json")])
def test_config_masks_secrets(arguments: tuple[str, ...]) -> None:
    result = call(*arguments, **SECRETS)
    assert "canary" not in result.output
    assert "set (11 characters)" in result.stdout


def test_config_as_json() -> None:
    report = loads(call("config", "--json", PORT="9", CLAUDE_PROXY_PROT="1").stdout)
    rows = {row["name"]: row for row in report["settings"]}
    assert list(rows) == [var.name for var in variables().values()]
    assert rows["CLAUDE_PROXY_PORT"]["value"] == 9
    assert report["warnings"] == [
        "CLAUDE_PROXY_PROT (environment) is not a setting; did you mean CLAUDE_PROXY_PORT?"
    ]


def test_config_points_out_misspelled_names() -> None:
    result = call("config", CLAUDE_PROXY_PROT="1")
    assert result.exit_code == 0
    assert "did you mean CLAUDE_PROXY_PORT?" in result.stderr


def test_config_reads_the_named_file(clean: Path) -> None:
    (clean / "other.toml").write_text("port = 7\n")
    assert f"{clean}/other.toml port" in call("config", "--config", f"{clean}/other.toml").stdout


@pytest.mark.parametrize("arguments", [("config",), ("env",), ("serve",), ()])
def test_wrong_settings_are_status_2(arguments: tuple[str, ...]) -> None:
    result = call(*arguments, CLAUDE_PROXY_PORT="x")
    assert result.exit_code == 2
    assert "CLAUDE_PROXY_PORT (environment CLAUDE_PROXY_PORT): must be" in result.stderr


def test_env_has_the_servers_address_and_key() -> None:
    lines = call("env", **SECRETS, PORT="9").stdout.splitlines()
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:9" in lines
    assert "export ANTHROPIC_AUTH_TOKEN=canary-2" in lines
    assert "unset ANTHROPIC_API_KEY" in lines


def test_env_gives_any_token_where_none_is_checked() -> None:
    stdout = call("env", OPENAI_API_KEY="k").stdout
    assert "export ANTHROPIC_AUTH_TOKEN=claude-proxy\n" in stdout


def test_env_leaves_the_clients_own_key_alone_in_passthrough() -> None:
    result = call("env")
    assert "ANTHROPIC_AUTH_TOKEN" not in result.stdout
    assert "ANTHROPIC_API_KEY" not in result.stdout
    assert "Set ANTHROPIC_AUTH_TOKEN to your key for https://api.openai.com/v1" in result.stderr


def test_env_takes_options() -> None:
    stdout = call("env", "--port", "7", "--big-model", "b", "--shell", "fish").stdout
    assert "set -gx ANTHROPIC_DEFAULT_OPUS_MODEL 'b'" in stdout
    assert "set -gx ANTHROPIC_BASE_URL 'http://127.0.0.1:7'" in stdout


def test_env_writes_ipv6_addresses_in_brackets() -> None:
    assert "ANTHROPIC_BASE_URL='http://[::1]:8085'" in call("env", HOST="::1").stdout


def test_env_reads_nothing_of_the_folder_and_says_so(clean: Path) -> None:
    (clean / ".env").write_text("OPENAI_BASE_URL=http://evil\nBIG_MODEL=evil\n")
    result = call("env", OPENAI_API_KEY="k")
    assert "evil" not in result.stdout
    assert ".env of this folder were not read" in result.stderr


def test_named_upstreams_show_their_address_and_no_key(tmp_path):
    from click.testing import CliRunner

    from claude_proxy.cli import main

    table = '{"backup": {"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-backup-secret"}}'
    for options in ([], ["--json"]):
        found = CliRunner().invoke(
            main,
            ["config", *options],
            env={"CLAUDE_PROXY_UPSTREAMS": table, "OPENAI_API_KEY": "sk-x", "HOME": str(tmp_path)},
        )
        assert found.exit_code == 0, found.output
        assert "http://127.0.0.1:9/v1" in found.output and "backup-secret" not in found.output


def test_rules_are_shown_and_clients_keys_are_not() -> None:
    rule = '{"name": "r", "key": "alice", "headers": {"X-A": "b"}, "model": "m"}'
    keys = {"CLAUDE_PROXY_CLIENT_KEYS": "alice:canary-4-0123456789"}
    result = call("config", "--json", CLAUDE_PROXY_ROUTES=f"[{rule}]", **keys)
    rows = {row["name"]: row["value"] for row in loads(result.stdout.encode())["settings"]}
    assert rows["CLAUDE_PROXY_ROUTES"] == [
        {"name": "r", "headers": {"x-a": "b"}, "key": ["alice"], "model": "m"}
    ]
    assert rows["CLAUDE_PROXY_CLIENT_KEYS"] == {"alice": "set (19 characters)"}
    assert "canary" not in result.stdout
