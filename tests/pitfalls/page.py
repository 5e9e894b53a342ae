"""The tables of docs/pitfalls.md, made of `table.py` and of the tests that claim its rows.

`python -m tests.pitfalls.page` writes them into the page.
"""

from pathlib import Path

from tests.marks import TESTS, claims
from tests.pitfalls.table import PARTS, Row

PAGE = TESTS.parent / "docs" / "pitfalls.md"
BEGIN, END = "<!-- table: python -m tests.pitfalls.page -->\n", "<!-- end of table -->\n"
HEAD = "| no. | what goes wrong elsewhere | what happens here | setting | tests |"


def tables() -> str:
    """All rows as Markdown, one table for each part."""
    found = claims("pitfall")
    return "\n".join(_part(title, rows, found) for title, rows in PARTS.items())


def _part(title: str, rows: tuple[Row, ...], found: dict[int, set[str]]) -> str:
    lines = [f"## {title}", "", HEAD, "|---|---|---|---|---|"]
    for row in rows:
        cases = [f"tests/cases/{case}" for case in row.golden]
        files = [*sorted(found.get(row.number, ())), *cases]
        links = ", ".join(f"[{Path(file).stem}](../{file})" for file in files)
        cells = (row.trouble, _answer(row), row.setting, links)
        lines.append(f"| {row.number} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _answer(row: Row) -> str:
    missing = f"**Not done:** {row.missing}" if row.missing else ""
    return ". ".join(filter(None, [row.answer, missing]))


def written(page: str) -> str:
    """The page with the tables of today."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} lacks the marks of its tables")
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
