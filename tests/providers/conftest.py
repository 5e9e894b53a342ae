from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.providers.stage import House
from tests.upstream import Upstream, serving


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    with serving(Upstream()) as upstream, ExitStack() as stack:
        yield House(upstream, stack)
