"""The rows of a numbered page, and the number of rows of its list."""

import pytest

from eventapp.core import paging
from eventapp.core.errors import ValidationFailed


def find_page(total, page, limit):
    """Return the rows of a page, the number of rows, and whether they had to be counted."""
    counts = []

    def count(up_to):
        counts.append(up_to)
        return min(total, up_to)

    rows, counted = paging.find_counted_page(
        page=page,
        limit=limit,
        count=count,
        find=lambda skip, most: list(range(total))[skip : skip + most],
    )
    assert counts in ([], [paging.COUNT_LIMIT + 1])
    return rows, counted, bool(counts)


@pytest.mark.parametrize(
    ("total", "page", "rows", "is_counted"),
    [
        (0, 1, [], False),
        (2, 1, [0, 1], False),
        (3, 1, [0, 1, 2], False),
        (4, 1, [0, 1, 2, 3], True),
        (4, 2, [3], False),
        (6, 2, [3, 4, 5], False),
        (7, 2, [3, 4, 5, 6], True),
        (6, 3, [], True),
        (0, 2, [], True),
    ],
)
def test_rows_are_counted_unless_the_page_shows_their_number(total, page, rows, is_counted):
    assert find_page(total, page, 3) == (rows, total, is_counted)


def test_rows_are_counted_up_to_the_limit(monkeypatch):
    monkeypatch.setattr(paging, "COUNT_LIMIT", 10)
    assert find_page(10, 4, 3) == ([9], 10, False)
    assert find_page(11, 4, 3) == ([9, 10], 11, False)
    assert find_page(12, 4, 3) == ([9, 10, 11], 11, False)
    assert find_page(99, 4, 3)[1:] == (11, True)
    assert find_page(10, 5, 3) == ([], 10, True)
    with pytest.raises(ValidationFailed):
        find_page(11, 5, 3)
