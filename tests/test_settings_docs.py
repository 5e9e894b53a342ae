"""docs/configuration.md, docs/migrating.md and .env.example say what the table of settings says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_proxy.settings import Settings, load_settings, variables

ROOT = Path(__file__).parent.parent


def rows(file: str) -> Iterator[list[str]]:
    """The cells of a document's tables, without code marks."""
    for line in (ROOT / file).read_text("utf-8").splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def shown_default(attribute: str) -> str:
    value = Settings.model_fields[attribute].get_default(call_default_factory=True)
    if value in (None, {}, ()):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def documented() -> dict[str, list[str]]:
    names = {var.name for var in variables().values()}
    return {
        cells[0].strip("`"): cells
        for cells in rows("docs/configuration.md")
        if cells[0].strip("`") in names
    }


def test_the_order_is_the_tables() -> None:
    assert list(documented()) == [var.name for var in variables().values()]


@pytest.mark.parametrize("attribute", variables())
def test_each_setting_has_its_row(attribute: str) -> None:
    var = variables()[attribute]
    _, default, help, aliases = documented()[var.name]
    assert default.strip("`") == shown_default(attribute)
    assert help == var.help
    assert tuple(re.findall(r"`([^`]+)`", aliases)) == var.aliases


def test_the_aliases_are_in_the_migration_table() -> None:
    told = {
        cells[0].strip("`"): cells[1].strip("`")
        for cells in rows("docs/migrating.md")
        if len(cells) == 3 and "](../tests/" not in cells[2]
    }
    assert told == {alias: var.name for var in variables().values() for alias in var.aliases}


def example_lines() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    return dict(line[1:].split("=", 1) for line in lines if re.match(r"#[A-Z_]+=", line))


def test_the_example_has_every_setting_with_its_default() -> None:
    lines = example_lines()
    assert list(lines) == [var.name.replace("*", "X_NAME") for var in variables().values()]
    for attribute, var in variables().items():
        default = shown_default(attribute)
        assert not default or lines[var.name] == default


def test_the_example_can_be_uncommented(tmp_path: Path) -> None:
    settings = load_settings(environ=example_lines(), cwd=tmp_path)
    assert settings.warnings == ()
    assert settings.models == {"claude-opus-*": "gpt-5", "gpt-*": "gpt-4o"}


def test_the_example_sets_nothing_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text((ROOT / ".env.example").read_text("utf-8"))
    assert load_settings(environ={}, cwd=tmp_path).sources == {}


def test_the_toml_example_works(tmp_path: Path) -> None:
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    (tmp_path / "claude-proxy.toml").write_text(found[1])
    settings = load_settings(environ={}, cwd=tmp_path)
    assert settings.warnings == ()
    assert settings.custom_headers == {"X-Team": "search"}
    assert settings.models == {"claude-opus-*": "qwen3:235b"}
