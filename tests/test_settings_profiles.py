"""Tables `[profiles.NAME]`: from every source, and what is said of wrong ones."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from claude_proxy.cli.config import shown
from claude_proxy.profiles import PROFILES, Profile
from claude_proxy.settings import Settings, SettingsError, load_settings
from claude_proxy.settings.profiles import field_value, own_profiles, tables

LAB = '{"lab": {"hosts": ["llm.example"], "max_stops": 2}}'


def load(home: Path, **environ: str) -> Settings:
    return load_settings(
        environ={"HOME": str(home), **environ}, cwd=home / "folder", secrets=home / "none"
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    (tmp_path / ".config/claude-proxy").mkdir(parents=True)
    return tmp_path


def stops(settings: Settings, url: str = "http://llm.example/v1") -> int:
    return settings.profile_finder().find("default", url, "m").max_stops


@pytest.mark.parametrize(
    "text", [LAB, f'{{"profiles": {LAB}}}', '[profiles.lab]\nhosts = "llm.example"\nmax_stops = 2']
)
def test_a_variable_holds_json_or_toml(home: Path, text: str) -> None:
    settings = load(home, CLAUDE_PROXY_PROFILES=text)
    assert stops(settings) == 2
    assert stops(settings, "http://other.example/v1") == 4


def test_a_file_of_tables(home: Path) -> None:
    (home / "x.toml").write_text('[profiles.lab]\nhosts = ["llm.*"]\nmax_stops = 3\n')
    assert stops(load(home, CLAUDE_PROXY_PROFILES_FILE=str(home / "x.toml"))) == 3


def test_the_tables_of_all_sources_count_together(home: Path) -> None:
    (home / "folder/claude-proxy.toml").write_text(
        "[profiles.lab]\nmax_stops = 1\n[profiles.own]\nhosts = ['llm.*']\nmax_stops = 3\n"
    )
    written = home / ".config/claude-proxy/profiles.toml"
    written.write_text("[profiles.found]\nhosts = ['llm.*']\nmax_stops = 0\ntop_k = true\n")
    settings = load(home, CLAUDE_PROXY_PROFILES=LAB)
    assert list(settings.profiles) == ["lab", "own", "found"]
    profile = settings.profile_finder().find("default", "http://llm.example/v1", "m")
    assert (profile.max_stops, profile.top_k) == (2, True)
    assert settings.sources["profiles"].count(", ") == 2
    assert str(written) in settings.sources["profiles"]


def test_the_written_file_holds_tables_only(home: Path) -> None:
    path = home / ".config/claude-proxy/profiles.toml"
    path.write_text("port = 1\n")
    settings = load(home)
    assert settings.port == 8085
    assert settings.warnings == (f"{path}: port is not read here; only [profiles.NAME] is.",)
    path.write_text("[profiles")
    with pytest.raises(SettingsError, match="profiles.toml is not valid TOML"):
        load(home)


def test_the_profile_of_an_upstream_can_be_named(home: Path) -> None:
    (home / "folder/claude-proxy.toml").write_text(
        'profile = "lab"\n[profiles.lab]\nmax_stops = 1\n'
        '[upstreams.b]\nbase_url = "http://b.example/v1"\nprofile = "openai/o"\n'
    )
    finder = load(home).profile_finder()
    assert finder.find("default", "http://a.example/v1", "m").max_stops == 1
    assert finder.find("b", "http://b.example/v1", "m").name == "openai/o"


WRONG_NAMES = [
    ({"CLAUDE_PROXY_PROFILE": "openia"}, "CLAUDE_PROXY_PROFILE: 'openia' is no profile (did you"),
    ({"CLAUDE_PROXY_PROFILE": "zzz"}, "'zzz' is no profile: known are "),
    (
        {"CLAUDE_PROXY_UPSTREAMS": '{"b": {"base_url": "http://b/v1", "profile": "zzz"}}'},
        "[upstreams.b] profile: 'zzz' is no profile",
    ),
]


@pytest.mark.parametrize(("environ", "says"), WRONG_NAMES)
def test_names_of_no_profile(home: Path, environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(home, **environ)
    assert says in caught.value.message


WRONG_TABLES: list[tuple[Any, str]] = [
    ({"max_stop": 1}, "[profiles.x]: max_stop is not a field of a profile (did you mean max_stops"),
    ({"zzz": 1}, "zzz is not a field of a profile."),
    ({"name": "y"}, "name is not a field of a profile"),
    ({"base": "openia"}, "base names no built-in profile (did you mean openai?)"),
    ({"hosts": 5}, 'hosts must be a list of globs, like ["*.example"]'),
    ({"models": [5]}, "models must be a list of globs"),
    ({"models": [""]}, "models must be a list of globs"),
    ({"max_stops": -1}, "max_stops must be a whole number, 0 or more, not -1"),
    ({"max_output_tokens": 0}, "max_output_tokens must be a whole number, 1 or more, not 0"),
    ({"tool_name_length": 3}, "tool_name_length must be a whole number, 16 or more, not 3"),
    ({"max_stops": "4"}, "max_stops must be a whole number, not '4'"),
    ({"max_stops": True}, "max_stops must be a whole number, not True"),
    ({"context_window": "big"}, "context_window must be a whole number or false, not 'big'"),
    ({"sampling": "no"}, "sampling must be true or false, not 'no'"),
    ({"pdf": "images"}, "pdf must be one of file, document_url, text, not 'images'"),
    ({"user_field": "id"}, "user_field must be user or false, not 'id'"),
    ({"efforts": ["loud"]}, "efforts must be a list of none, minimal, low, medium, high, xhigh"),
    ({"efforts": "low"}, "efforts must be a list of none"),
    ({"pdf": "x" * 99}, "x…"),
    ("text", "profiles.x must be a table"),
]


@pytest.mark.parametrize(("table", "says"), WRONG_TABLES)
def test_wrong_tables(table: Any, says: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        own_profiles({"x": table})
    assert says in f"{caught.value}."
    assert "[profiles.x]" in str(caught.value) or table == "text"


@pytest.mark.parametrize(
    ("name", "says"), [("openai", "has this name"), ("", "cannot name"), ("a\n", "cannot name")]
)
def test_wrong_table_names(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        own_profiles({name: {}})


@pytest.mark.parametrize(
    ("given", "says"), [("{", "not a JSON object"), ("[x", "neither TOML"), (5, "tables like")]
)
def test_what_are_no_tables(given: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tables(given)


def test_a_wrong_text_names_its_source(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"^CLAUDE_PROXY_PROFILES \(environment .*neither TOML"):
        load(home, CLAUDE_PROXY_PROFILES="[x")


@pytest.mark.parametrize("field", [field.name for field in fields(Profile) if field.name != "name"])
def test_every_value_of_a_built_in_row_can_be_written(field: str) -> None:
    from claude_proxy.codecs.jsonio import dumps, loads

    for row in PROFILES:
        value = getattr(row.profile, field)
        plain = loads(dumps(value._asdict() if hasattr(value, "_asdict") else value))
        assert field_value(field, plain) == value
        if value is None:
            assert field_value(field, False) is None


def test_levels_are_put_in_their_order() -> None:
    assert field_value("efforts", ["high", "low", "low"]) == ("low", "high")


def test_a_cap_of_ones_own_is_no_guess() -> None:
    assert own_profiles({"x": {"max_output_tokens": 5}})["x"].changes["cap_assumed"] is False
    given = {"max_output_tokens": 5, "cap_assumed": True}
    assert own_profiles({"x": given})["x"].changes["cap_assumed"] is True


def test_globs_are_lower_case() -> None:
    own = own_profiles({"x": {"hosts": "A.example, B", "models": ["Qwen*"]}})["x"]
    assert (own.hosts, own.models) == (("a.example", "b"), ("qwen*",))
    assert own_profiles({"x": own}) == {"x": own}


def test_the_config_command_shows_them() -> None:
    own = own_profiles({"x": {"max_stops": 1}})
    assert shown(own, "profiles") == {"x": {"max_stops": 1}}
