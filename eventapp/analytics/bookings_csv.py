"""Write bookings as a CSV table (RFC 4180) in UTF-8 that spreadsheets open correctly.

The table begins with a byte order mark. Without it, Excel reads UTF-8 in the machine's legacy code
page. A text that a spreadsheet would evaluate as a formula is prefixed with an apostrophe, because
texts come from users and must not run on the machine of the person who opens the table.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime

from eventapp.bookings.types import StoredBooking

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
    "subtotal",
    "discount",
    "promoCode",
    "scheduleId",
    "startsAt",
    "endsAt",
    "timezone",
)
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
ROWS_PER_CHUNK = 200


def write_csv(bookings: Iterable[StoredBooking]) -> Iterator[bytes]:
    """Yield the table in chunks: a header row, and a row for each booking."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    yield BOM + _drain(buffer)
    for number, booking in enumerate(bookings, start=1):
        writer.writerow([_format_cell(column, booking) for column in COLUMNS])
        if number % ROWS_PER_CHUNK == 0:
            yield _drain(buffer)
    if rest := _drain(buffer):
        yield rest


def _drain(buffer: io.StringIO) -> bytes:
    """Return the content of the buffer and empty it."""
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _format_cell(column: str, booking: StoredBooking) -> str:
    if column == "items":
        items = (f"{item['quantity']} x {item['type']}" for item in booking["items"])
        return escape_formula("; ".join(items))
    if column == "refund":
        refund = booking.get("refund")
        return _format_number(refund["amount"]) if refund else ""
    if column in ("subtotal", "discount"):
        return _format_number(_compute_amount(column, booking))
    value = booking.get(column)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if column == "date" else _format_time(value)
    if isinstance(value, int | float):
        return _format_number(value)
    return escape_formula(str(value))


def _compute_amount(column: str, booking: StoredBooking) -> int | float:
    """Return the subtotal or the discount of a booking in whole currency units."""
    discount = booking.get("discountCents", 0)
    cents = discount if column == "discount" else booking["totalCents"] + discount
    return cents // 100 if cents % 100 == 0 else cents / 100


def _format_time(value: datetime) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def _format_number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def escape_formula(text: str) -> str:
    """Return the text in a form that no spreadsheet evaluates."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
