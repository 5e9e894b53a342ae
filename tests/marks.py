"""Which test files carry which marks, read from their source."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parent


def claims(mark: str) -> dict[Any, set[str]]:
    """Paths of test files by what they claim with `pytest.mark.MARK(…)`."""
    found: dict[Any, set[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for claim in claimed_in(path.read_text("utf-8"), mark):
            found.setdefault(claim, set()).add(path.relative_to(TESTS.parent).as_posix())
    return found


def claimed_in(source: str, mark: str) -> Iterator[Any]:
    """The arguments of every `pytest.mark.MARK(…)`, be it a decorator or a parameter's mark."""
    name = f"pytest.mark.{mark}"
    if name not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name:
            for argument in node.args:
                yield ast.literal_eval(argument)
