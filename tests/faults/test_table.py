"""Every fault that we promise to survive has its test, and the page says the same."""

import pytest

from tests.faults.page import PAGE, written
from tests.faults.table import ROWS
from tests.marks import claimed_in, claims

CLAIMS = claims("fault")


@pytest.mark.parametrize("id", [row.id for row in ROWS])
def test_a_test_claims_the_row(id):
    assert CLAIMS.get(id), f'no test has @pytest.mark.fault("{id}")'


def test_no_test_claims_a_row_that_is_not_there():
    assert set(CLAIMS) <= {row.id for row in ROWS}


def test_ids_are_unique():
    assert len({row.id for row in ROWS}) == len(ROWS)


def test_the_page_holds_the_table():
    page = PAGE.read_text("utf-8")
    assert page == written(page), "run: python -m tests.faults.page"


@pytest.mark.parametrize(
    ("source", "ids"),
    [
        ('@pytest.mark.fault("a", "b")\ndef test_x(): ...', ["a", "b"]),
        ('CASES = [pytest.param(1, marks=pytest.mark.fault("a"))]', ["a"]),
        ('@pytest.mark.slow\n@pytest.mark.fault("a")\nclass TestX: ...', ["a"]),
        ('pytestmark = pytest.mark.fault("a")', ["a"]),
        ("def fault(x): ...\nfault('a')", []),
    ],
)
def test_claims_are_found(source, ids):
    assert list(claimed_in(source, "fault")) == ids
