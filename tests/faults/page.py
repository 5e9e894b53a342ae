"""The table of docs/reliability.md, made of `table.py` and of the tests that claim its rows.

`python -m tests.faults.page` writes it into the page.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.faults.table import CLIENT, LIFE, SECURITY, UPSTREAM, Row

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- table: python -m tests.faults.page -->\n", "<!-- end of table -->\n"

PARTS = {
    "The upstream": UPSTREAM,
    "The client": CLIENT,
    "Security": SECURITY,
    "Life": LIFE,
}


def claims() -> dict[str, set[str]]:
    """Paths of test files by the id of the row that they claim."""
    found: dict[str, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for id in claimed_in(path.read_text("utf-8")):
            found.setdefault(id, set()).add(path.relative_to(TESTS.parent).as_posix())
    return found


def claimed_in(source: str) -> Iterator[str]:
    """The ids in every `pytest.mark.fault(…)`, be it a decorator or a parameter's mark."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
            for argument in node.args:
                yield ast.literal_eval(argument)


def table() -> str:
    """All rows as Markdown, one table for each part."""
    found = claims()
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
