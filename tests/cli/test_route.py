"""`claude-proxy route explain`: which rules were looked at, and where the request would go."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from claude_proxy.cli import main
from claude_proxy.settings import variables
from tests.routing.capture import captured

TOML = """
openai_api_key = "sk-canary-0123456789"
auth_key = "canary-auth-0123456789"
small_model = "qwen3:8b@lab"
unknown_model = "reject"
fallbacks = ["gpt-4o-mini"]

[upstreams.lab]
base_url = "http://127.0.0.1:1/v1"
api_key = "sk-canary-lab-0123456789"

[client_keys]
alice = "canary-alice-0123456789"

[subagents]
code-reviewer = "claude-haiku@lab"

[[routes]]
name = "titles"
side_call = "title"
model = "tiny@lab"
fallbacks = []

[[routes]]
name = "alice"
key = "alice"
model = "for-alice"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for var in variables().values():
        for name in (var.name, *var.aliases):
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "claude-proxy.toml").write_text(TOML)
    return tmp_path


def explain(body: object, *arguments: str) -> Result:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CliRunner().invoke(main, ["route", "explain", *arguments], input=text)


def told(body: object, *arguments: str) -> dict[str, object]:
    result = explain(body, "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_the_rule_that_fits_and_all_before() -> None:
    found = told(captured("title_haikuenv"))
    assert found["rules"] == [{"name": "titles", "missed": None}]
    assert (found["upstream"], found["model"], found["reason"]) == ("lab", "tiny", "route titles")
    assert (found["address"], found["dialect"]) == ("127.0.0.1:1/v1", "chat")
    assert found["fallbacks"] == []


def test_no_rule_fits() -> None:
    found = told({"model": "claude-opus-5-5", "messages": []})
    assert [each["missed"] for each in found["rules"]] == ["side_call", "key"]  # type: ignore[attr-defined]
    assert (found["upstream"], found["model"], found["reason"]) == (
        "default",
        "gpt-4o",
        "opus to BIG",
    )
    assert (found["profile"], found["fallbacks"]) == ("openai/gpt-4o", ["gpt-4o-mini@default"])


def test_headers_and_keys_by_name() -> None:
    found = told({"model": "opus"}, "--header", "X-Api-Key: canary-alice-0123456789")
    assert (found["key"], found["model"]) == ("alice", "for-alice")


def test_an_agent_that_a_server_would_know() -> None:
    body = captured("sub_code_reviewer")
    run = ("--session", "s", "--header", "x-claude-code-agent-id: a1")
    assert told(body, *run)["reason"] == "haiku to SMALL"
    found = told(body, *run, "--agent", "code-reviewer")
    assert found["reason"] == "agent code-reviewer by --agent"
    assert (found["upstream"], found["model"]) == ("lab", "claude-haiku")


def test_an_agent_by_its_file(folder: Path) -> None:
    agents = folder / "home/.claude/agents"
    agents.mkdir(parents=True)
    (agents / "code-reviewer.md").write_text("---\nname: code-reviewer\n---\nYou review code.\n")
    found = told({"model": "opus", "system": "You review code. More."})
    assert found["agent"] == "code-reviewer by its definition"


def test_for_people_and_without_keys() -> None:
    result = explain(captured("image_read"), "--header", "x-api-key: canary-alice-0123456789")
    for line in ("images        true", "rule titles   no: side_call", "rule alice    fits"):
        assert f"\n{line}\n" in result.stdout
    assert "canary" not in result.output


def test_a_name_makes_no_line_of_its_own() -> None:
    config = Path("claude-proxy.toml")
    config.write_text(config.read_text().replace('unknown_model = "reject"\n', ""))
    result = explain({"model": "x\nupstream      lab\x1b[31m", "messages": []})
    lines = [line for line in result.stdout.splitlines() if line.startswith("upstream ")]
    assert lines == ["upstream      default"]
    assert "\x1b" not in result.stdout and "x\\nupstream      lab\\x1b[31m" in result.stdout


def test_a_request_that_would_be_refused_is_status_1() -> None:
    result = explain({"model": "nobody-knows-it"})
    assert result.exit_code == 1 and "refused       404 model: nobody-knows-it" in result.stdout


@pytest.mark.parametrize(
    ("body", "arguments"),
    [(b"no JSON", ()), ({"messages": []}, ()), ({"model": "opus"}, ("--header", "no colon"))],
)
def test_wrong_input_is_status_2(body: object, arguments: tuple[str, ...]) -> None:
    assert explain(body, *arguments).exit_code == 2


def test_wrong_settings_are_status_2(folder: Path) -> None:
    (folder / "claude-proxy.toml").write_text('[[routes]]\nimages = true\nupstream = "x"\n')
    result = explain({"model": "opus"})
    assert result.exit_code == 2 and "there is no [upstreams.x]" in result.output


IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/a.png"}}


def test_requests_of_openai_s_clients() -> None:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": [IMAGE]}]}
    body |= {"reasoning_effort": "high"}
    found = told(body, "--api", "chat")
    assert (found["images"], found["thinking"], found["effort"]) == (True, True, "high")
    assert (found["model"], found["dialect"]) == ("gpt-4o", "chat")
    assert told({"model": "gpt-4o", "prompt": "hi"}, "--api", "completions")["tokens"]
    assert explain(b"{}", "--api", "chat").exit_code == 2
