"""A law: a function that must hold for whatever hypothesis makes; some cases always, many in CI."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

MANY = 10_000
# Whole requests are large, and what makes them takes its time.
UNHURRIED = (HealthCheck.too_slow, HealthCheck.data_too_large)


def hold(holds: Callable[..., None], *strategies: SearchStrategy[Any], cases: int) -> None:
    """Calls the function with so many cases; the smallest that fails is in the failure."""
    limits = settings(
        max_examples=cases, deadline=None, suppress_health_check=UNHURRIED, print_blob=True
    )
    limits(given(*strategies)(holds))()


def counts(few: int, many: int) -> pytest.MarkDecorator:
    """Runs a test with `cases=few`, and in CI with `many`."""
    return pytest.mark.parametrize("cases", [few, pytest.param(many, marks=pytest.mark.slow)])


def law(
    *strategies: SearchStrategy[Any], few: int = 200, many: int = MANY
) -> Callable[[Callable[..., None]], Callable[[int], None]]:
    """Makes such a test of a function that needs nothing but its cases."""

    def decorate(holds: Callable[..., None]) -> Callable[[int], None]:
        def check(cases: int) -> None:
            hold(holds, *strategies, cases=cases)

        check.__name__, check.__doc__ = holds.__name__, holds.__doc__
        check.__module__, check.__qualname__ = holds.__module__, holds.__qualname__
        return counts(few, many)(check)

    return decorate
