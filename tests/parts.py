"""Parts that a machine may lack: a skip at a desk, a failure where everything must be there."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(os.environ.get("CI_CACHE") or Path(__file__).parents[1] / ".ci-cache")
"""Where `.ci/parts` puts what pip and npm brought."""


def missing(what: str) -> NoReturn:
    """Skips the test and says why; fails it when the variable `CI` is set."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
