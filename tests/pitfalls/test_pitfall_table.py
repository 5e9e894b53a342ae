"""Each pitfall of translation has its test or says that it is not done, and so does the page."""

import pytest

from tests.marks import TESTS, claims
from tests.pitfalls.page import PAGE, written
from tests.pitfalls.table import ROWS, Row

CLAIMS = claims("pitfall")


def number(row: Row) -> str:
    return str(row.number)


@pytest.mark.parametrize("row", ROWS, ids=number)
def test_what_is_done_has_a_test_and_what_is_not_says_so(row: Row) -> None:
    assert row.answer or row.missing
    assert bool(CLAIMS.get(row.number)) == bool(row.answer)


@pytest.mark.parametrize("row", ROWS, ids=number)
def test_golden_cases_are_there(row: Row) -> None:
    assert [case for case in row.golden if not (TESTS / "cases" / case).is_file()] == []


def test_no_number_is_left_out() -> None:
    assert [row.number for row in ROWS] == list(range(1, 38))
    assert set(CLAIMS) <= {row.number for row in ROWS}


def test_the_page_holds_the_table() -> None:
    page = PAGE.read_text("utf-8")
    assert page == written(page), "run: python -m tests.pitfalls.page"
