"""Which source wins, and what is read from untrusted folders: nothing."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from claude_proxy.settings import Settings, SettingsError, load_settings


class Place:
    """A folder, a home and a secrets folder of a test's own."""

    def __init__(self, root: Path) -> None:
        self.folder, self.home, self.secrets = root / "folder", root / "home", root / "secrets"
        self.own = self.home / ".config" / "claude-proxy"
        for path in (self.folder, self.own, self.secrets):
            path.mkdir(parents=True)

    def load(self, environ: Mapping[str, str] | None = None, **more: object) -> Settings:
        return load_settings(
            environ={"HOME": str(self.home), **(environ or {})},
            cwd=self.folder,
            secrets=self.secrets,
            **more,  # type: ignore[arg-type]
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def write_all(place: Place) -> dict[str, str]:
    """The big model in every source, by its source's name; the environment is returned."""
    (place.folder / ".env").write_text("CLAUDE_PROXY_BIG_MODEL=dotenv\n")
    (place.own / ".env").write_text("CLAUDE_PROXY_BIG_MODEL=own-dotenv\n")
    (place.secrets / "claude_proxy_big_model").write_text("secret\n")
    (place.folder / "claude-proxy.toml").write_text('big_model = "toml"\n')
    (place.own / "claude-proxy.toml").write_text('big_model = "own-toml"\n')
    return {"CLAUDE_PROXY_BIG_MODEL": "environment"}


def test_the_order_of_sources(place: Place) -> None:
    environ = write_all(place)
    order = [place.load(environ, options={"big_model": "option"}).big_model]
    order.append(place.load(environ).big_model)
    for path in (
        place.folder / ".env",
        place.own / ".env",
        place.secrets / "claude_proxy_big_model",
        place.folder / "claude-proxy.toml",
        place.own / "claude-proxy.toml",
    ):
        order.append(place.load().big_model)
        path.unlink()
    order.append(place.load().big_model)
    assert order == [
        "option",
        "environment",
        "dotenv",
        "own-dotenv",
        "secret",
        "toml",
        "own-toml",
        "gpt-4o",
    ]


def test_an_alias_in_a_stronger_source_wins_over_the_name_in_a_weaker_one(place: Place) -> None:
    (place.folder / ".env").write_text("CLAUDE_PROXY_PORT=1\n")
    assert place.load({"PORT": "2"}).port == 2


def test_an_empty_variable_lets_the_next_source_speak(place: Place) -> None:
    (place.folder / ".env").write_text("CLAUDE_PROXY_PORT=1\n")
    assert place.load({"CLAUDE_PROXY_PORT": ""}).port == 1


def test_an_option_that_is_not_given_is_unset(place: Place) -> None:
    settings = place.load({"CLAUDE_PROXY_PORT": "1"}, options={"port": None, "host": ""})
    assert (settings.port, settings.host) == (1, None)


SOURCES = [
    # file, text, attribute, source
    (".env", "BIG_MODEL=x", "big_model", ".env BIG_MODEL"),
    ("claude-proxy.toml", 'big_model = "x"', "big_model", "claude-proxy.toml big_model"),
    ("claude-proxy.toml", '[models]\n"a*" = "b"', "models", "claude-proxy.toml models"),
    (".env", "CUSTOM_HEADER_A=1", "custom_headers", ".env CUSTOM_HEADER_*"),
]


@pytest.mark.parametrize(("file", "text", "attribute", "source"), SOURCES)
def test_sources_are_told(place: Place, file: str, text: str, attribute: str, source: str) -> None:
    (place.folder / file).write_text(text)
    assert place.load().sources[attribute] == f"{place.folder}/{source}"


def test_sources_of_variables_and_options(place: Place) -> None:
    sources = place.load({"PORT": "1"}, options={"openai_base_url": "http://h"}).sources
    assert sources == {"port": "environment PORT", "openai_base_url": "option --base-url"}


def test_untrusted_folders_are_not_read(place: Place) -> None:
    write_all(place)
    assert place.load(trusted_folder=False).big_model == "own-dotenv"
    (place.own / ".env").unlink()
    (place.secrets / "claude_proxy_big_model").unlink()
    assert place.load(trusted_folder=False).big_model == "own-toml"


def test_an_untrusted_folder_cannot_name_a_config_file(place: Place) -> None:
    (place.folder / "evil.toml").write_text('openai_base_url = "http://evil"\n')
    (place.folder / ".env").write_text(f"CLAUDE_PROXY_CONFIG={place.folder}/evil.toml\n")
    assert place.load().openai_base_url == "http://evil"
    assert place.load(trusted_folder=False).openai_base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("by_option", [True, False])
def test_a_named_file_stands_in_for_the_folders(
    place: Place, trusted: bool, by_option: bool
) -> None:
    (place.folder / "claude-proxy.toml").write_text('big_model = "folder"\nport = 1\n')
    (place.own / "claude-proxy.toml").write_text('big_model = "own"\nsmall_model = "own"\n')
    named = place.folder / "named.toml"
    named.write_text('big_model = "named"\n')
    settings = place.load(
        {} if by_option else {"CLAUDE_PROXY_CONFIG": str(named)},
        config=named if by_option else None,
        trusted_folder=trusted,
    )
    assert (settings.big_model, settings.small_model, settings.port) == ("named", "own", 8085)


def test_the_xdg_folder_is_the_users_own(place: Place, tmp_path: Path) -> None:
    (tmp_path / "claude-proxy").mkdir()
    (tmp_path / "claude-proxy" / ".env").write_text("PORT=7\n")
    assert place.load({"XDG_CONFIG_HOME": str(tmp_path)}, trusted_folder=False).port == 7


def test_without_a_home_only_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=7\n")
    assert load_settings(environ={}, cwd=tmp_path).port == 7


def test_dollars_and_hashes_in_a_dotenv_file_are_plain(place: Place) -> None:
    (place.folder / ".env").write_text("OPENAI_API_KEY=a$b${HOME}#c\nPORT=\nHOST\n", "utf-8-sig")
    settings = place.load()
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "a$b${HOME}#c"
    assert (settings.port, settings.host) == (8085, None)


def test_files_named_by_variables(place: Place) -> None:
    (place.folder / "key").write_text("from-file\n")
    settings = place.load({"OPENAI_API_KEY_FILE": str(place.folder / "key")})
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "from-file"
    assert settings.sources["openai_api_key"] == "file of OPENAI_API_KEY_FILE"
    assert settings.warnings == ()


def test_secret_files_in_upper_case(place: Place) -> None:
    (place.secrets / "CLAUDE_PROXY_API_KEY").write_text("secret")
    settings = place.load()
    assert settings.auth_key is not None
    assert settings.sources["auth_key"] == f"secret file {place.secrets}/CLAUDE_PROXY_API_KEY"


def test_files_of_aliases_count_only_for_secrets(place: Place) -> None:
    assert place.load({"HOST_FILE": "/nowhere", "PORT_FILE": "/nowhere"}).host is None


def test_custom_headers_of_all_sources_together(place: Place) -> None:
    (place.folder / ".env").write_text("CUSTOM_HEADER_A=dotenv\nCUSTOM_HEADER_B=dotenv\n")
    (place.folder / "claude-proxy.toml").write_text("[custom_headers]\nb = 'toml'\nX-C = 3\n")
    headers = place.load({"CUSTOM_HEADER_A": "environment", "CUSTOM_HEADER_": "x"}).custom_headers
    assert headers == {"A": "environment", "B": "dotenv", "X-C": "3"}


def test_a_toml_file_with_all_kinds_of_values(place: Place) -> None:
    (place.folder / "claude-proxy.toml").write_text(
        "port = 9\naccess_log = false\nazure_api_version = 2024-10-21\n"
        'cors_origins = ["https://a"]\nopenai_base_url = "http://h/v1"\n'
        '[models]\n"claude-*" = "qwen3:8b"\n'
    )
    settings = place.load()
    assert (settings.port, settings.access_log) == (9, False)
    assert settings.azure_api_version == "2024-10-21"
    assert settings.cors_origins == ("https://a",)
    assert settings.models == {"claude-*": "qwen3:8b"}
    assert settings.warnings == ()


TOML_WARNINGS = [
    ("prot = 1", "prot is not a setting; did you mean port?"),
    ("zzz = 1", "zzz is not a setting."),
]


@pytest.mark.parametrize(("text", "says"), TOML_WARNINGS)
def test_toml_warnings(place: Place, text: str, says: str) -> None:
    path = place.folder / "claude-proxy.toml"
    path.write_text(text)
    assert place.load().warnings == (f"{path}: {says}",)


def test_a_misspelled_name_in_a_dotenv_file(place: Place) -> None:
    path = place.folder / ".env"
    path.write_text("CLAUDE_PROXY_BIGMODEL=x\n")
    (warning,) = place.load().warnings
    assert (
        warning == f"CLAUDE_PROXY_BIGMODEL ({path}) is not a setting; "
        "did you mean CLAUDE_PROXY_BIG_MODEL?"
    )


def test_wrong_toml_is_told_with_its_line(place: Place) -> None:
    (place.folder / "claude-proxy.toml").write_text("port = \n")
    with pytest.raises(SettingsError, match=r"claude-proxy\.toml is not valid TOML: .*line 1"):
        place.load()


@pytest.mark.parametrize(
    ("key", "value"),
    [("port", '"x"'), ("log_level", "10"), ("mode", "1"), ("cors_origins", "1"), ("models", "1")],
)
def test_a_wrong_toml_value_names_its_key(place: Place, key: str, value: str) -> None:
    (place.folder / "claude-proxy.toml").write_text(f"{key} = {value}\n")
    says = rf"CLAUDE_PROXY_{key.upper()} \(.*claude-proxy\.toml {key}\): must be"
    with pytest.raises(SettingsError, match=says):
        place.load()


def test_a_missing_named_file_is_an_error(place: Place) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml cannot be read: No such file"):
        place.load(config="none.toml")


def test_a_missing_key_file_is_an_error(place: Place) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY: the file /none cannot be read"):
        place.load({"OPENAI_API_KEY_FILE": "/none"})


@pytest.mark.parametrize("name", [".env", "claude-proxy.toml"])
def test_files_that_are_not_text(place: Place, name: str) -> None:
    (place.folder / name).write_bytes(b"PORT=\xff\xfe")
    with pytest.raises(SettingsError, match="cannot be read: it is not UTF-8"):
        place.load()


def test_nothing_of_the_callers_is_changed(place: Place) -> None:
    environ, options = {"PORT": "1", "CUSTOM_HEADER_A": "b"}, {"big_model": "x"}
    load_settings(environ=environ, options=options, cwd=place.folder)
    assert environ == {"PORT": "1", "CUSTOM_HEADER_A": "b"}
    assert options == {"big_model": "x"}
