"""The documents keep their promises: examples run, links lead somewhere, names exist."""

import re
from pathlib import Path

import pytest

import claude_proxy

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# An example that talks to a server is shown, not run; the SDK tests do what it shows.
EXAMPLES = [
    (page.name, code)
    for page in PAGES
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    if "base_url=" not in code
]


@pytest.mark.parametrize(
    ("page", "code"), EXAMPLES, ids=[f"{p}-{i}" for i, (p, _) in enumerate(EXAMPLES)]
)
def test_an_example_runs(page, code):
    exec(compile(code, page, "exec"), {})


def test_there_are_examples():
    assert {"README.md", "library.md"} <= {page for page, _ in EXAMPLES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_variables_exist(page):
    from claude_proxy.settings import variables

    known = {name for var in variables().values() for name in (var.name, *var.aliases)}
    known |= {"CLAUDE_PROXY_CONFIG"}
    for name in set(re.findall(r"\bCLAUDE_PROXY_[A-Z_]+[A-Z]\b", page.read_text())):
        assert name in known or name.endswith("_FILE"), f"{page.name} names {name}"


def test_public_names_exist():
    for name in claude_proxy.__all__:
        assert getattr(claude_proxy, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        claude_proxy.nothing  # noqa: B018


def test_every_provider_and_row_is_documented():
    from claude_proxy.profiles import PROFILES, PROVIDERS

    text = (ROOT / "docs" / "providers.md").read_text().split("## The providers")[1]
    sections = dict(re.findall(r"^### `(\S+)`\n(.*?)(?=^### |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(PROVIDERS)
    for profile in (row.profile for row in PROFILES):
        # OpenAI's families have many rows, and two hosts; some of them stand for all.
        if profile.provider not in ("openai", "openrouter"):
            assert f"`{profile.name}`" in sections[profile.provider]


def test_each_line_of_other_proxies_names_its_tests():
    text = (ROOT / "docs" / "migrating.md").read_text()
    lines = text.split("## What they do, line by line")[1].split("\n## ")[0].splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| There")]
    assert len(rows) > 70
    for row in rows:
        there, here, tests = (cell.strip() for cell in row.strip("|").split(" | "))
        assert there and here, row
        named = re.findall(r"\[(\w+)\]\(\.\./tests/(\S+)\.py\)", tests)
        assert named and all(path.endswith(name) for name, path in named), row


def test_the_table_of_endpoints_is_documented():
    from claude_proxy.server.surfaces import PLAIN, TABLE

    text = "\n".join(page.read_text() for page in PAGES)
    for path, *_ in (*TABLE, *PLAIN):
        assert path.split("{")[0].rstrip("/") in text
