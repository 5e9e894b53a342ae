"""What is written can be read, by TOML and by the settings."""

import tomllib
from dataclasses import fields, replace
from pathlib import Path

import pytest

from claude_proxy.doctor import profile_file
from claude_proxy.own_profiles import ProfileFinder
from claude_proxy.profiles import PROFILES, Profile, profile_for
from claude_proxy.settings import SettingsError
from claude_proxy.settings.profiles import own_profiles

URL = "http://[::1]:8000/v1"
MODEL = 'Some/Odd "name" [v2]*é'


@pytest.mark.parametrize("row", PROFILES, ids=lambda row: row.profile.name)
def test_every_profile_comes_back(row: object) -> None:
    profile: Profile = row.profile  # type: ignore[attr-defined]
    usual = profile_for(URL, MODEL)
    names = [field.name for field in fields(Profile) if field.name != "name"]
    name, table = profile_file.table(URL, MODEL, {each: getattr(profile, each) for each in names})
    text = profile_file.document({name: table})
    own = own_profiles(tomllib.loads(text)["profiles"])
    found = ProfileFinder(own).find("default", URL, MODEL)
    assert replace(found, name="") == replace(profile, name="")
    assert ProfileFinder(own).find("default", URL, "another") == profile_for(URL, "another")
    assert ProfileFinder(own).find("default", "http://b/v1", MODEL) == usual


def test_models_have_tables_of_their_own() -> None:
    names = {profile_file.table(URL, model, {})[0] for model in ("a/b", "a-b", "a.b", "日本", "")}
    assert len(names) == 5


def test_tables_are_replaced_kept_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x" / "profiles.toml"
    assert profile_file.read(path) == {}
    globs = {"hosts": ["a"], "models": ["m"]}
    first = {"a": {**globs, "max_stops": 0}, "b": {**globs, "top_k": True}, "c d": {"pdf": "text"}}
    profile_file.write(path, profile_file.merged({}, first))
    assert profile_file.read(path) == first
    after = profile_file.merged(profile_file.read(path), {"a": globs, "e": globs})
    profile_file.write(path, after)
    assert profile_file.read(path) == {"b": first["b"], "c d": first["c d"]}
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_written_for_null_inside_of_a_table() -> None:
    _, table = profile_file.table(URL, MODEL, {"schema": {"a": None, "b": {"c": None, "d": 1}}})
    assert table["schema"] == {"b": {"d": 1}}


def test_inner_tables_are_written() -> None:
    table = {"thinking_with": {"keep": "all", "a b": False}}
    assert tomllib.loads(profile_file.lines("x", table)) == {"profiles": {"x": table}}


@pytest.mark.parametrize("text", ["[x", "[profiles.x]\nzzz = 1", "a = 1"])
def test_other_files_are_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="is not ours to write"):
        profile_file.read(path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot be written"):
        profile_file.write(tmp_path / "file" / "x.toml", {})
