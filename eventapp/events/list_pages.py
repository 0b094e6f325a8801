"""Pages of a list of events, and the places in it that its cursors hold."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeGuard

from eventapp.core import paging
from eventapp.core.database import Document
from eventapp.events import rules

MAX_INT64 = 2**63 - 1


@dataclass(frozen=True)
class Page:
    """Where a page begins, and how long it is.

    Attributes:
        field: what the list is sorted by.
        counted: the rows of the whole list, no further than COUNTED + 1.
        skip: the rows before it, None where it lies behind the last one.
        after: the place to go on from, of a cursor: the field's value and the eventId.
    """

    number: int
    limit: int
    field: str
    counted: int
    skip: int | None = 0
    after: tuple[Any, int] | None = None

    @property
    def most(self) -> int:
        """How many rows there are from the first to the one behind the page."""
        return 0 if self.skip is None else self.skip + self.limit + 1

    def of(self, found: list[Document]) -> tuple[list[Document], dict[str, Any]]:
        """Its rows, of those found from its begin to the one behind it, and what stands beside."""
        rows, more = found[: self.limit], len(found) > self.limit
        answer = paging.page_envelope(page=self.number, limit=self.limit, counted=self.counted)
        return rows, {**answer, "next": self._next(rows[-1]) if more else None}

    def _next(self, row: Document) -> dict[str, Any]:
        """The place of its last row, as JSON can hold it."""
        value = row[self.field]
        if isinstance(value, datetime):
            value = value.date().isoformat()
        place = {"value": value, "id": row["eventId"]}
        return {**place, "counted": self.counted, "page": self.number}


def page_at(
    number: int,
    after: dict[str, Any] | None,
    *,
    limit: int,
    field: str,
    count: Callable[[], int],
) -> Page:
    """The page of this number, or the one behind the place that a cursor holds.

    Raises:
        ValidationFailed: a page beyond what is counted, or a place of another list.
    """
    if after is not None:
        counted, number = paging.counted_before(after)
        return Page(number, limit, field, counted, after=_place_of(after, field))
    counted = min(count(), paging.COUNT_LIMIT + 1)
    skip = paging.page_offset(page=number, limit=limit, counted=counted)
    return Page(number, limit, field, counted, skip)


def _place_of(after: dict[str, Any], field: str) -> tuple[Any, int]:
    value, event_id = after.get("value"), after.get("id")
    if not _is_whole(event_id, MAX_INT64):
        raise paging.invalid_cursor()
    if field == "nextDate":
        return _day(value), event_id
    if field == "titleKey":
        fits = isinstance(value, str)
    else:
        fits = isinstance(value, float) or _is_whole(value, MAX_INT64)
    if not fits:
        raise paging.invalid_cursor()
    return value, event_id


def _is_whole(value: Any, high: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= high


def _day(value: Any) -> datetime:
    try:
        return rules.midnight(date.fromisoformat(value))
    except (TypeError, ValueError):
        raise paging.invalid_cursor() from None
