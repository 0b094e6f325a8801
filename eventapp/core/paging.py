"""Pages and cursors, the same for every list."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from eventapp.core import json
from eventapp.core.errors import ValidationFailed

COUNTED = 10_000
MAX_INT64 = 2**63 - 1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def envelope(*, page: int, limit: int, counted: int) -> dict[str, Any]:
    """What a list answers beside its rows.

    Args:
        counted: the rows there are, counted no further than COUNTED + 1.
    """
    total = min(counted, COUNTED)
    answer: dict[str, Any] = {
        "page": page,
        "limit": limit,
        "total": total,
        "pages": -(-total // limit),
    }
    if counted > COUNTED:
        answer["totalIsCapped"] = True
    return answer


def offset(*, page: int, limit: int, counted: int) -> int | None:
    """Rows to skip for a page; None where it lies behind the last row.

    Raises:
        ValidationFailed: the page lies beyond what is counted: walking there would cost more
            with every page, and a cursor does it at constant cost.
    """
    skip = (page - 1) * limit
    if skip < min(counted, COUNTED):
        return skip
    if counted > COUNTED:
        said = f"Pages end at row {COUNTED}; go on with nextCursor"
        raise ValidationFailed("Invalid page", errors={"page": [said]})
    return None


def encode_cursor(place: dict[str, Any]) -> str:
    """An opaque name for a place in a list."""
    return base64.urlsafe_b64encode(json.dumps(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> dict[str, Any]:
    """The place that `encode_cursor` named. ValidationFailed for anything else."""
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        place = None
    if not isinstance(place, dict):
        raise bad_cursor()
    return place


def bad_cursor() -> ValidationFailed:
    return ValidationFailed("Invalid cursor", errors={"cursor": ["Not a cursor of this list"]})


def whole(value: Any, high: int = MAX_INT64) -> int:
    """A number of a cursor, from 0 to `high`. ValidationFailed for anything else."""
    if type(value) is int and 0 <= value <= high:
        return value
    raise bad_cursor()


def object_id(value: Any) -> ObjectId:
    """An id of a cursor. ValidationFailed for anything else."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise bad_cursor()


def moment(milliseconds: int) -> datetime:
    """A time of a cursor. ValidationFailed where there is no such time."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise bad_cursor() from None
