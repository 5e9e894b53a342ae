"""The table of docs/reliability.md, made of `table.py` and of the tests that claim its rows.

`python -m tests.faults.page` writes it into the page.
"""

from pathlib import Path

from tests.faults.table import CLIENT, LIFE, SECURITY, UPSTREAM, Row
from tests.marks import TESTS, claims

PAGE = TESTS.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- table: python -m tests.faults.page -->\n", "<!-- end of table -->\n"

PARTS = {
    "The upstream": UPSTREAM,
    "The client": CLIENT,
    "Security": SECURITY,
    "Life": LIFE,
}


def table() -> str:
    """All rows as Markdown, one table for each part."""
    found = claims("fault")
    return "\n".join(_part(title, rows, found) for title, rows in PARTS.items())


def _part(title: str, rows: tuple[Row, ...], found: dict[str, set[str]]) -> str:
    lines = [f"### {title}", "", "| row | fault | what happens | tests |", "|---|---|---|---|"]
    for row in rows:
        files = sorted(found.get(row.id, ()))
        links = ", ".join(f"[{Path(file).stem}](../{file})" for file in files)
        lines.append(f"| `{row.id}` | {row.fault} | {row.behavior} | {links} |")
    return "\n".join([*lines, ""])


def written(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} lacks the marks of its table")
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
