"""Places in a list of events, as its cursors hold them."""

from datetime import date, datetime
from typing import Any, TypeGuard

from eventapp.core import paging
from eventapp.core.mongo import Document
from eventapp.events import rules

MAX_INT64 = 2**63 - 1


def next_place(row: Document, field: str, counted: int, page: int) -> dict[str, Any]:
    """A place in a list, as JSON can hold it."""
    value = row[field]
    if isinstance(value, datetime):
        value = value.date().isoformat()
    return {"value": value, "id": row["eventId"], "counted": counted, "page": page}


def counted_before(after: dict[str, Any]) -> tuple[int, int]:
    """Counts as they stood where the walk began: to count again would cost on every page."""
    counted, page = after.get("counted"), after.get("page")
    if not _is_whole(counted, paging.COUNTED + 1) or not _is_whole(page, MAX_INT64):
        raise paging.bad_cursor()
    return counted, page + 1


def place_of(after: dict[str, Any], field: str) -> tuple[Any, int]:
    value, event_id = after.get("value"), after.get("id")
    if not _is_whole(event_id, MAX_INT64):
        raise paging.bad_cursor()
    if field == "nextDate":
        return _day(value), event_id
    if field == "titleKey":
        fits = isinstance(value, str)
    else:
        fits = isinstance(value, float) or _is_whole(value, MAX_INT64)
    if not fits:
        raise paging.bad_cursor()
    return value, event_id


def _is_whole(value: Any, high: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= high


def _day(value: Any) -> datetime:
    try:
        return rules.midnight(date.fromisoformat(value))
    except (TypeError, ValueError):
        raise paging.bad_cursor() from None
