"""The settings of routing: tables and texts in, rules out, and errors that name the rule."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from claude_proxy.routing import Fallback, Rule
from claude_proxy.settings import Settings, SettingsError, load_settings
from claude_proxy.settings.routing import said

ROOT = Path(__file__).parents[1]
LAB = {"base_url": "http://127.0.0.1:1/v1"}
KEYED = {**LAB, "api_key": "sk-lab-0123456789"}

TOML = """
openai_api_key = "sk-default-0123456789"
auth_key = "auth-0123456789"
vision_model = "llava@lab"
agent_folders = ["/srv/agents"]

[upstreams.lab]
base_url = "http://127.0.0.1:11434/v1"
mode = "fixed"
headers = { x-team = "search" }

[models]
"claude-haiku-*" = "qwen3:8b@lab"

[subagents]
code-reviewer = "gpt-4o"
planner = "o3@lab"

[client_keys]
alice = "alice-0123456789"

[[routes]]
name = "titles"
side_call = "title"
model = "qwen3:1b@lab"
fallbacks = ["gpt-4o-mini", "@lab"]

[[routes]]
requested = "claude-opus-*"
agent = ["code-*", "planner"]
thinking = "on"
effort = "max"
images = false
tokens_over = 60_000
headers = { X-Team = "search*" }
key = "alice"
upstream = "lab"
"""


def load(**environ: str) -> Settings:
    known = {"OPENAI_API_KEY": "sk-default-0123456789", "CLAUDE_PROXY_AUTH_KEY": "auth-012345"}
    return load_settings(environ={**known, **environ}, trusted_folder=False)


def routes(*rows: dict[str, Any], **upstreams: dict[str, Any]) -> dict[str, str]:
    found = {"CLAUDE_PROXY_ROUTES": json.dumps(rows)}
    return found | ({"CLAUDE_PROXY_UPSTREAMS": json.dumps(upstreams)} if upstreams else {})


def test_the_config_file_has_it_all(tmp_path: Path) -> None:
    (tmp_path / "claude-proxy.toml").write_text(TOML)
    settings = load_settings(environ={}, cwd=tmp_path)
    titles, second = settings.routes
    assert settings.warnings == ()
    assert titles == Rule(
        name="titles",
        side_call=("title",),
        model="qwen3:1b@lab",
        fallbacks=("gpt-4o-mini", "@lab"),
    )
    assert second == Rule(
        name="2",
        requested=("claude-opus-*",),
        agent=("code-*", "planner"),
        thinking=True,
        effort=("max",),
        images=False,
        tokens_over=60_000,
        headers=(("x-team", "search*"),),
        key=("alice",),
        upstream="lab",
    )
    router = settings.router()
    assert dict(router.subagents) == {"code-reviewer": "gpt-4o", "planner": "o3@lab"}
    assert router.vision == "llava@lab" and settings.agent_folders == ("/srv/agents",)
    assert router.models.place("qwen3:8b@lab") == ("lab", "qwen3:8b")
    assert router.models.fallback("@lab") == Fallback("lab", None)


def test_a_rule_is_shown_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "claude-proxy.toml").write_text(TOML)
    titles, second = load_settings(environ={}, cwd=tmp_path).routes
    assert said(titles)["fallbacks"] == ["gpt-4o-mini", "@lab"]
    shown = said(second)
    assert shown["headers"] == {"x-team": "search*"} and shown["agent"] == ["code-*", "planner"]
    json.dumps([said(titles), shown])


def test_the_older_name_of_the_agents_models() -> None:
    settings = load(SUBAGENT_MAPPINGS="code-reviewer:gpt-4o,data-analyst:qwen3:8b")
    assert settings.subagents == {"code-reviewer": "gpt-4o", "data-analyst": "qwen3:8b"}


WRONG_ROUTES = [
    # why, tables, says
    ("no target", [{"images": True}], "route 1: needs a model or an upstream to go to"),
    ("no condition", [{"name": "all", "model": "x"}], 'route 1 "all": has no condition'),
    ("a misspelled key", [{"imges": True, "model": "x"}],
     "route 1: imges is not a key of a route (did you mean images?)"),
    ("the second one", [{"images": True, "model": "x"}, {"name": "b", "images": 3, "model": "x"}],
     'route 2 "b": images must be true or false'),
    ("a number as a text", [{"tokens_over": "9", "model": "x"}], "tokens_over must be a whole"),
    ("true is no number", [{"tokens_over": True, "model": "x"}], "tokens_over must be a whole"),
    ("an unknown side call", [{"side_call": "titel", "model": "x"}],
     "side_call must be true, false, or some of title, hook, web_search, compaction"),
    ("headers that are no table", [{"headers": "x-a", "model": "x"}], "headers must be a table"),
    ("a header with a space", [{"headers": {"x a": "b"}, "model": "x"}], "names of headers"),
    ("an empty list", [{"agent": [], "model": "x"}], "agent must be a text or a list"),
    ("a model that is none", [{"images": True, "model": 3}], "model must be a text"),
    ("an odd name", [{"name": "a\nb", "images": True, "model": "x"}], "route 1: name must be"),
    ("no upstream", [{"images": True, "upstream": "lab"}],
     "route 1: there is no [upstreams.lab]"),
    ("an upstream alone that is not there", [{"images": True, "model": "@lab"}],
     "route 1: there is no [upstreams.lab]"),
    ("nor among the fallbacks", [{"images": True, "model": "x", "fallbacks": ["@lab"]}],
     "route 1: there is no [upstreams.lab]"),
    ("no key", [{"key": "alice", "model": "x"}],
     "route 1: CLAUDE_PROXY_CLIENT_KEYS has no key 'alice'"),
    ("not a table", ["x"], "route 1 must be a table"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("why", "rows", "says"), WRONG_ROUTES, ids=[row[0] for row in WRONG_ROUTES]
)
def test_wrong_routes_are_named(why: str, rows: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**routes(*rows))
    assert says in str(caught.value) and "CLAUDE_PROXY_ROUTES" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "3", '{"a": 1}', "[" + "{}," * 300 + "{}]"])
def test_routes_are_a_list_of_tables(text: str) -> None:
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_ROUTES"):
        load(CLAUDE_PROXY_ROUTES=text)


def test_two_upstreams_in_one_rule() -> None:
    with pytest.raises(SettingsError, match="name two different upstreams"):
        load(**routes({"images": True, "model": "x@lab", "upstream": "b"}, lab=LAB, b=LAB))


def test_an_at_that_no_upstream_follows_is_part_of_the_name() -> None:
    settings = load(CLAUDE_PROXY_MODELS="a:claude@2025", **routes(lab=LAB))
    assert settings.router().by_name("a")[:2] == ("default", "claude@2025")
    assert settings.warnings == ()


def test_a_name_that_may_have_been_meant_for_an_upstream_is_told() -> None:
    settings = load(CLAUDE_PROXY_FALLBACKS="y@bal", CLAUDE_PROXY_MODELS="a:x@lab", **routes(b=LAB))
    assert settings.warnings == (
        "CLAUDE_PROXY_MODELS: x@lab is the whole name of a model, for there is no [upstreams.lab].",
        "CLAUDE_PROXY_FALLBACKS: y@bal is the whole name of a model, for there is no "
        "[upstreams.bal].",
    )
    (told,) = load(CLAUDE_PROXY_BIG_MODEL="x@lap", **routes(lab=LAB)).warnings
    assert told.endswith("[upstreams.lap] (did you mean lab?).")


@pytest.mark.parametrize(
    "name",
    ["CLAUDE_PROXY_BIG_MODEL", "CLAUDE_PROXY_VISION_MODEL", "CLAUDE_PROXY_FALLBACKS"],
)
def test_an_upstream_alone_has_to_be_there(name: str) -> None:
    assert load(**{name: "@lab"}, **routes(lab=LAB)).warnings == ()
    with pytest.raises(SettingsError, match=rf"{name}: there is no \[upstreams\.lab\]"):
        load(**{name: "@lab"})
    # Some models of others are named so.
    assert load(**{name: "@cf/meta/llama"}).warnings == ()


def test_an_agent_without_a_name_would_be_everybody() -> None:
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_SUBAGENTS.*names must not be empty"):
        load(CLAUDE_PROXY_SUBAGENTS='{"": "x"}')


@pytest.mark.parametrize(
    ("table", "where"),
    [({"base_url": "http://x/v1", "api_kye": "sk-secret"}, "lab.api_kye"),
     ({"api_key": "sk-secret"}, "lab.base_url"),
     ({"base_url": "http://x/v1", "mode": "sk-secret"}, "lab.mode"),
     ("sk-secret", "lab")],
)  # fmt: skip
def test_a_wrong_table_of_an_upstream_is_named(table: Any, where: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(CLAUDE_PROXY_UPSTREAMS=json.dumps({"lab": table}))
    assert f", at '{where}'): must be tables with" in str(caught.value)
    assert "secret" not in str(caught.value)


LEADING = [
    ("CLAUDE_PROXY_SUBAGENTS", "a:m@lab"),
    ("CLAUDE_PROXY_MODELS", "a:m@lab"),
    ("CLAUDE_PROXY_MODEL_ALIASES", "a:m@lab"),
    ("CLAUDE_PROXY_BIG_MODEL", "m@lab"),
    ("CLAUDE_PROXY_VISION_MODEL", "m@lab"),
    ("CLAUDE_PROXY_FALLBACKS", "m@lab"),
    ("CLAUDE_PROXY_ROUTES", '[{"images": true, "upstream": "lab"}]'),
]


@pytest.mark.parametrize(("name", "value"), LEADING)
def test_in_passthrough_mode_it_has_to_be_said_whose_key_is_spent(name: str, value: str) -> None:
    def passing(table: dict[str, str]) -> Settings:
        upstreams = json.dumps({"lab": table})
        environ = {"CLAUDE_PROXY_UPSTREAMS": upstreams, name: value}
        return load_settings(environ=environ, trusted_folder=False)

    with pytest.raises(SettingsError, match="mode") as caught:
        passing(KEYED)
    assert "sk-lab" not in str(caught.value)
    assert not passing({**LAB, "mode": "passthrough"}).spends
    assert not passing({**LAB, "mode": "fixed"}).spends
    assert passing({**KEYED, "mode": "fixed"}).spends


def test_a_key_of_ours_beside_clients_keys_keeps_the_server_local() -> None:
    table = json.dumps({"lab": {**KEYED, "mode": "fixed"}})
    environ = {"CLAUDE_PROXY_UPSTREAMS": table}
    assert load_settings(environ=environ, trusted_folder=False).bind()[0] == "127.0.0.1"
    environ["CLAUDE_PROXY_HOST"] = "0.0.0.0"
    with pytest.raises(SettingsError, match=r"\[upstreams\] in mode fixed"):
        load_settings(environ=environ, trusted_folder=False).bind()
    environ["CLAUDE_PROXY_TRUST_PROXY"] = "true"
    assert load_settings(environ=environ, trusted_folder=False).bind()[0] == "0.0.0.0"


def test_a_key_that_would_never_be_used_is_an_error() -> None:
    with pytest.raises(
        SettingsError, match="has an api_key, which mode passthrough would never use"
    ):
        load(**routes(lab={**KEYED, "mode": "passthrough"}))


KEYS = [
    ("alice:a0123456789,bob:a0123456789", "no two the same"),
    ("a\tb:a0123456789", "names must be"),
]


@pytest.mark.parametrize(("text", "says"), KEYS)
def test_wrong_client_keys_are_not_shown(text: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        load(CLAUDE_PROXY_CLIENT_KEYS=text)
    assert "a0123456789" not in str(caught.value)


def test_client_keys_do_not_replace_the_servers() -> None:
    environ = {"OPENAI_API_KEY": "sk-x-0123456789", "CLAUDE_PROXY_CLIENT_KEYS": "a:b0123456789"}
    with pytest.raises(SettingsError, match="CLAUDE_PROXY_AUTH_KEY"):
        load_settings(environ=environ, trusted_folder=False)


BLOCKS = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/routing.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", [BLOCKS[0], BLOCKS[2]])
def test_the_page_can_be_copied(tmp_path: Path, text: str) -> None:
    (tmp_path / "claude-proxy.toml").write_text(text)
    settings = load_settings(environ={}, cwd=tmp_path)
    assert settings.warnings == ()
    assert settings.subagents and settings.upstreams
