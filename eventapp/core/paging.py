"""Pages and cursors, the same for every list.

A page is asked for by its number, up to the row COUNT_LIMIT, or by a cursor, at constant cost
wherever it lies. A cursor is the position after which its page begins, as base64 of JSON. It holds
the values of the last row that the list is sorted by and, where the list has filters, these, so
that a client sends nothing else with it. Clients can read and forge cursors, so what one holds is
validated like any other input.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from eventapp.core import json
from eventapp.core.errors import ValidationFailed
from eventapp.core.json import MAX_INT64, JsonObject

# Rows are counted no further than this: counting all rows would cost more as a list grows.
COUNT_LIMIT = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def page_envelope(*, page: int, limit: int, counted: int) -> JsonObject:
    """Return the fields that a list answers beside its rows.

    Args:
        counted: the rows of the whole list, counted no further than COUNT_LIMIT + 1.
    """
    total = min(counted, COUNT_LIMIT)
    answer: JsonObject = {
        "page": page,
        "limit": limit,
        "total": total,
        "pages": -(-total // limit),
    }
    if counted > COUNT_LIMIT:
        answer["totalIsCapped"] = True
    return answer


def page_offset(*, page: int, limit: int, counted: int) -> int | None:
    """Return how many rows come before a page, or None if the page lies behind the last row.

    Raises:
        ValidationFailed: the page lies beyond the rows that are counted. Skipping to it would cost
            more with every page; a cursor leads there at constant cost.
    """
    skip = (page - 1) * limit
    if skip < min(counted, COUNT_LIMIT):
        return skip
    if counted > COUNT_LIMIT:
        detail = f"Pages end at row {COUNT_LIMIT}; go on with nextCursor"
        raise ValidationFailed("Invalid page", errors={"page": [detail]})
    return None


def next_cursor(position: Mapping[str, Any] | None, filters: Mapping[str, Any]) -> str | None:
    """Return the cursor of a position in the list with these filters, None for no position."""
    return encode_cursor({**position, "query": dict(filters)}) if position else None


def encode_cursor(position: JsonObject) -> str:
    """Return a position as a cursor: a string that is safe in URLs."""
    return base64.urlsafe_b64encode(json.dumps(position)).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> JsonObject:
    """Return the position that `encode_cursor` was given. Raise ValidationFailed for other text."""
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        position = None
    if not isinstance(position, dict):
        raise invalid_cursor()
    return position


def invalid_cursor() -> ValidationFailed:
    """Return the error for a cursor that does not belong to the list it was sent to."""
    return ValidationFailed("Invalid cursor", errors={"cursor": ["Not a cursor of this list"]})


def cursor_int(value: object, maximum: int = MAX_INT64) -> int:
    """Return a number of a cursor. Raise ValidationFailed if it is no int from 0 to `maximum`."""
    if type(value) is int and 0 <= value <= maximum:
        return value
    raise invalid_cursor()


def cursor_object_id(value: object) -> ObjectId:
    """Return an id of a cursor. Raise ValidationFailed if it is none."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise invalid_cursor()


def cursor_time(milliseconds: int) -> datetime:
    """Return a time of a cursor, given since 1970. Raise ValidationFailed if it is out of range."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise invalid_cursor() from None


def counted_before(position: Mapping[str, Any]) -> tuple[int, int]:
    """Return the count of rows and the page number of the page that a cursor leads to.

    The rows were counted where the walk began, for counting them again would cost on every page.
    """
    counted = cursor_int(position.get("counted"), COUNT_LIMIT + 1)
    return counted, cursor_int(position.get("page")) + 1
