"""A minute of mixed load, as `benchmarks/soak.py` makes it: memory flat, every answer right."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.parts import missing

SOAK = Path(__file__).parents[2] / "benchmarks" / "soak.py"

pytestmark = pytest.mark.slow


def soak(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("gcc") is None:
        missing("no gcc: the upstream of the benchmarks is written in C")
    command = [sys.executable, str(SOAK), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=400)


@pytest.mark.fault("soak", "stuck-neighbor")
def test_a_minute_of_mixed_load_leaves_memory_and_descriptors_flat() -> None:
    done = soak("--minutes", "0.5")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    requests, wrong = re.search(r"^(\d+) requests, (\d+) wrong", done.stdout, re.M).groups()
    assert int(requests) >= 450 and int(wrong) == 0


def test_the_soak_fails_when_answers_are_wrong() -> None:
    """The same load for a server that is too impatient for it."""
    done = soak("--minutes", "0.05", "--server-timeout", "0.01")
    assert done.returncode == 1
    assert "FAILED: wrong answer: " in done.stdout
