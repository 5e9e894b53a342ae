"""Holds the pure part of the package to its coverage: all lines, and 95 % of the branches.

    python -m pytest --cov --cov-context=test $(python .ci/pure_coverage.py tests)
    python .ci/pure_coverage.py

Besides, a pure module is to be covered by the tests beside it (`codecs/sse.py` by those of
`tests/codecs/`), not by chance from far away. Exit status: 1 when a rule is broken.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coverage import Coverage, CoverageData

PURE = (
    *("types", "errors", "profiles", "images", "native", "codecs", "learning", "routing"),
    *("tokens", "model_limits", "own_profiles", "compression"),
)
LEAST_BRANCHES = 95.0

Json = dict[str, Any]


def tests() -> Iterator[Path]:
    """Where the tests of the pure part are."""
    places = (Path("tests", name) for part in PURE for name in (part, f"test_{part}.py"))
    return (place for place in places if place.exists())


def report() -> Json:
    """What the last run measured, by file."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "-q", "-o", str(out)]
        subprocess.run(command, check=True)
        files: Json = json.loads(out.read_text())["files"]
    return {name: measured for name, measured in files.items() if is_pure(name)}


def is_pure(name: str) -> bool:
    part = Path(name).with_suffix("").parts[1]
    return part in PURE


def far_lines(name: str, data: CoverageData) -> list[int]:
    """Lines that only tests of other folders reach. What an import runs has no context."""
    near = str(Path("tests", *Path(name).parts[1:-1])) + "/"
    # One file at a time: which test reached which line is gigabytes for all of them.
    contexts = data.contexts_by_lineno(str(Path(name).resolve()))
    return sorted(
        line
        for line, found in contexts.items()
        if "" not in found and not any(context.startswith(near) for context in found)
    )


def broken(files: Json, data: CoverageData) -> Iterator[str]:
    branches = covered = 0
    for name, measured in files.items():
        summary = measured["summary"]
        branches += summary["num_branches"]
        covered += summary["covered_branches"]
        if measured["missing_lines"]:
            yield f"{name}: lines without a test: {measured['missing_lines']}"
        if far := far_lines(name, data):
            yield f"{name}: lines without a test beside the module: {far}"
    share = 100 * covered / max(branches, 1)
    print(f"pure part: {len(files)} modules, {share:.1f} % of {branches} branches")
    if share < LEAST_BRANCHES:
        yield f"branches: {share:.1f} %, at least {LEAST_BRANCHES} % are wanted"


def main(*words: str) -> int:
    if words == ("tests",):
        print(*tests())
        return 0
    files = report()
    measured = Coverage()
    measured.load()
    complaints = list(broken(files, measured.get_data())) if files else ["nothing was measured"]
    print(*complaints, sep="\n")
    return int(bool(complaints))


sys.exit(main(*sys.argv[1:]))
