"""Pages and cursors of lists.

A client requests a page by its number, up to the row COUNT_LIMIT, or by a cursor, which costs the
same for every page. A cursor is a list position: JSON, encoded as base64. It contains the sort
values of the row after which the page begins and, if the list has filters, the filters, so that a
client sends nothing else with it. Clients can read and forge cursors, so their content is validated
like any other input.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from bson import ObjectId

from eventapp.core import json
from eventapp.core.errors import ValidationFailed
from eventapp.core.json import MAX_INT64, JsonObject

# Rows are counted up to this number only, because counting all would cost more as a list grows.
COUNT_LIMIT = 10_000
Row = TypeVar("Row", bound=Mapping[str, Any])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidCursor(ValidationFailed):
    """A cursor does not belong to the list to which it was sent."""

    def __init__(self) -> None:
        super().__init__("Invalid cursor", errors={"cursor": ["Not a cursor of this list"]})


@dataclass(frozen=True)
class PageRequest:
    """Which page of a list a client wants.

    Attributes:
        page: the number of the page, from 1; ignored if `list_position` is set.
        limit: the most rows to return.
        list_position: where the page begins, as the page before returned it; None for the page
            with number `page`.
    """

    page: int = 1
    limit: int = 20
    list_position: JsonObject | None = None


def make_page_envelope(*, page: int, limit: int, counted: int) -> JsonObject:
    """Return the fields of a list's answer besides its rows.

    Args:
        counted: the number of rows of the whole list, counted up to COUNT_LIMIT + 1.
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


def find_page_offset(*, page: int, limit: int, counted: int) -> int | None:
    """Return how many rows come before a page, or None if the list has no such page.

    Args:
        counted: the number of rows of the whole list, counted up to COUNT_LIMIT + 1.

    Raises:
        ValidationFailed: the page begins after row COUNT_LIMIT. Skipping that many rows costs more
            with every page, so only a cursor leads there.
    """
    skip = (page - 1) * limit
    if skip < min(counted, COUNT_LIMIT):
        return skip
    if counted > COUNT_LIMIT:
        detail = f"Pages end at row {COUNT_LIMIT}; go on with nextCursor"
        raise ValidationFailed("Invalid page", errors={"page": [detail]})
    return None


def find_counted_page(
    *,
    page: int,
    limit: int,
    count: Callable[[int], int],
    find: Callable[[int, int], list[Row]],
) -> tuple[list[Row], int]:
    """Return the rows of a numbered page, and the number of rows of the whole list.

    The last page, or an only one, shows how many rows there are. Otherwise they are counted.

    Args:
        count: returns the number of rows of the whole list, counted up to the given limit.
        find: returns rows; it gets how many rows to skip, and how many to return at most.

    Returns:
        Up to `limit` rows and, if there is one, the row after them; and the number of rows, counted
        up to COUNT_LIMIT + 1.

    Raises:
        ValidationFailed: as `find_page_offset`.
    """
    skip = (page - 1) * limit
    found = find(skip, limit + 1) if skip < COUNT_LIMIT else []
    if 0 < len(found) <= limit or skip == len(found) == 0:
        return found, min(skip + len(found), COUNT_LIMIT + 1)
    counted = count(COUNT_LIMIT + 1)
    find_page_offset(page=page, limit=limit, counted=counted)
    return found, counted


@dataclass(frozen=True)
class PageOfRows(Generic[Row]):
    """A page of a list.

    Attributes:
        rows: in the order of the list.
        envelope: the fields of `make_page_envelope`.
        next_position: where the next page begins; None at the end of the list.
    """

    rows: list[Row]
    envelope: JsonObject
    next_position: JsonObject | None


def find_page_by_id(
    request: PageRequest,
    count: Callable[[int], int],
    find: Callable[[ObjectId | None, int, int], list[Row]],
) -> PageOfRows[Row]:
    """Return a page of a list of documents that is ordered by `_id`, the highest first.

    Args:
        count: returns the number of rows of the whole list, counted up to the given limit.
        find: returns rows; it gets the id before which they begin or None, how many rows to skip,
            and how many to return at most.

    Raises:
        ValidationFailed: the page begins after row COUNT_LIMIT, or the list position is malformed.
    """
    before: ObjectId | None = None
    skip: int | None = 0
    if request.list_position is not None:
        counted, page = parse_cursor_page(request.list_position)
        before = parse_cursor_object_id(request.list_position.get("id"))
    else:
        counted, page = count(COUNT_LIMIT + 1), request.page
        skip = find_page_offset(page=page, limit=request.limit, counted=counted)
    found = [] if skip is None else find(before, skip, request.limit + 1)
    rows = found[: request.limit]
    envelope = make_page_envelope(page=page, limit=request.limit, counted=counted)
    if len(found) <= request.limit:
        return PageOfRows(rows, envelope, None)
    position = {"id": str(rows[-1]["_id"]), "counted": counted, "page": page}
    return PageOfRows(rows, envelope, position)


def make_next_cursor(
    list_position: Mapping[str, Any] | None, filters: Mapping[str, Any]
) -> str | None:
    """Return the cursor of a position in a list with these filters, or None without a position."""
    return encode_cursor({**list_position, "query": dict(filters)}) if list_position else None


def encode_cursor(list_position: JsonObject) -> str:
    """Encode a list position as a cursor, a string that is safe in URLs."""
    return base64.urlsafe_b64encode(json.dumps(list_position)).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> JsonObject:
    """Decode the list position in a cursor.

    Raises:
        InvalidCursor: the text is not base64 of a JSON object.
    """
    try:
        list_position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        list_position = None
    if not isinstance(list_position, dict):
        raise InvalidCursor
    return list_position


def parse_cursor_int(value: object, maximum: int = MAX_INT64) -> int:
    """Return a number in a cursor; raise InvalidCursor unless it is an int from 0 to `maximum`."""
    if type(value) is int and 0 <= value <= maximum:
        return value
    raise InvalidCursor


def parse_cursor_number(value: object) -> float:
    """Return a number in a cursor; raise InvalidCursor unless it is one from 0 to MAX_INT64."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_INT64:
        return value
    raise InvalidCursor


def parse_cursor_object_id(value: object) -> ObjectId:
    """Return an id in a cursor; raise InvalidCursor if it is not one."""
    if isinstance(value, str) and ObjectId.is_valid(value):
        return ObjectId(value)
    raise InvalidCursor


def parse_cursor_time(milliseconds: int) -> datetime:
    """Return a time in a cursor, in ms since 1970; raise InvalidCursor if it is out of range."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise InvalidCursor from None


def parse_cursor_page(list_position: Mapping[str, Any]) -> tuple[int, int]:
    """Return the count of rows, and the number of the page that begins at a list position.

    The count is that of the first page, because counting the rows again would slow down every page.
    """
    counted = parse_cursor_int(list_position.get("counted"), COUNT_LIMIT + 1)
    return counted, parse_cursor_int(list_position.get("page")) + 1
