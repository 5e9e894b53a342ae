"""A law: a function that must hold for whatever hypothesis makes; some cases always, many in CI."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

MANY = 10_000
# Whole requests are large, and what makes them takes its time.
UNHURRIED = (HealthCheck.too_slow, HealthCheck.data_too_large)


def law(
    *strategies: SearchStrategy[Any], few: int = 200, many: int = MANY
) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Makes two tests of a function: one of `few` cases, and a slow one of `many`."""

    def decorate(holds: Callable[..., None]) -> Callable[[int], None]:
        def check(cases: int) -> None:
            limits = settings(
                max_examples=cases, deadline=None, suppress_health_check=UNHURRIED, print_blob=True
            )
            limits(given(*strategies)(holds))()

        check.__name__, check.__doc__ = holds.__name__, holds.__doc__
        check.__module__, check.__qualname__ = holds.__module__, holds.__qualname__
        slow = pytest.param(many, marks=pytest.mark.slow)
        return pytest.mark.parametrize("cases", [few, slow])(check)

    return decorate
