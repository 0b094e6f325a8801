"""Bookings as a table that spreadsheets read: RFC 4180 in UTF-8, begun by a byte order mark.

Without the mark Excel takes UTF-8 for the machine's old code page. A text that a spreadsheet would
take for a formula begins with an apostrophe: what others wrote must not run on the machine of
who opens the table.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

BOM = b"\xef\xbb\xbf"
COLUMNS = (
    "bookingReference",
    "status",
    "createdAt",
    "updatedAt",
    "cancelledAt",
    "expiresAt",
    "userId",
    "eventId",
    "eventTitle",
    "date",
    "location",
    "items",
    "quantity",
    "totalPrice",
    "currency",
    "refund",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
ROWS_AT_ONCE = 200


def lines(bookings: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """The table, some rows at a time: first a header, then a row a booking."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield BOM + _taken(buffer)
    for number, booking in enumerate(bookings, start=1):
        writer.writerow([_cell(name, booking.get(name)) for name in COLUMNS])
        if number % ROWS_AT_ONCE == 0:
            yield _taken(buffer)
    if rest := _taken(buffer):
        yield rest


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "items":
        return defused("; ".join(f"{item['quantity']} x {item['type']}" for item in value))
    if name == "refund":
        return _number(value["amount"])
    if isinstance(value, datetime):
        return value.date().isoformat() if name == "date" else _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    return _number(value) if isinstance(value, int | float) else defused(str(value))


def _moment(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def defused(text: str) -> str:
    """The text as no spreadsheet computes it."""
    return f"'{text}" if text.startswith(FORMULA) else text
