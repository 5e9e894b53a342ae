"""Coverage-guided fuzzing: the targets take their own corpus, and atheris runs them for a while."""

import subprocess
from pathlib import Path

import pytest

from tests.fuzz import run
from tests.fuzz.targets import TARGETS, seeds
from tests.parts import CACHE, missing

ATHERIS = CACHE / "atheris" / "bin" / "python"


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_holds(target: str) -> None:
    assert tuple(TARGETS) == run.TARGETS
    corpus = seeds(target)
    assert len(corpus) > 50
    for seed in corpus:
        TARGETS[target](seed)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_fuzzing_finds_nothing(target: str) -> None:
    if not ATHERIS.exists():
        missing(f"no {ATHERIS}: run .ci/parts")
    command = [ATHERIS, Path(run.__file__), target, "--seconds", "40"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "stat::number_of_executed_units" in done.stderr
