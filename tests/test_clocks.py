"""No timer trusts the wall clock, which people and machines set while we run."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "claude_proxy"
WALL_CLOCKS = ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "date.today")
FOR_PEOPLE = {
    "doctor/examination.py": "whether it agrees with the upstream's",
    "server/health.py": "the timestamp that /livez shows",
    "server/lessons.py": "since when a correction is known",
    "server/logs.py": "the time of a log line",
    "server/models.py": "the `created` of models whose age nobody tells",
    "server/relay.py": "when an upstream's rate limit is reset, which it tells in seconds",
    "server/surface.py": "the `created` of OpenAI's answers",
}
"""Where the wall clock may be read, and what for; how many times is not the point."""


def wall_clocks(tree: ast.AST) -> list[str]:
    """Every mention, called or handed on, of a wall clock."""
    names = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    imported = [
        f"time.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
    ]
    return [name for name in [*names, *imported] if name.endswith(WALL_CLOCKS)]


@pytest.mark.fault("clocks")
def test_only_what_people_read_uses_the_wall_clock() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if wall_clocks(ast.parse(path.read_text("utf-8")))
    }
    assert found == set(FOR_PEOPLE)


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.time() + 3",
        "from time import time",
        "import time; now = time.time_ns",
        "from datetime import datetime; datetime.now()",
        "import datetime; datetime.datetime.now()",
    ],
)
def test_the_check_sees_every_way_to_ask(code: str) -> None:
    assert wall_clocks(ast.parse(code))


def test_the_check_lets_the_monotonic_clock_pass() -> None:
    assert not wall_clocks(ast.parse("import time; time.monotonic(); from time import strftime"))
