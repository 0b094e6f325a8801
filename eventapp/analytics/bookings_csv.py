"""Write bookings as a CSV table."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from eventapp.analytics.csv_tables import escape_formula, format_number, format_time, write_table
from eventapp.bookings.types import StoredBooking

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


def write_csv(bookings: Iterable[StoredBooking]) -> Iterator[bytes]:
    """Yield the table in chunks: a header row, and a row for each booking."""
    rows = ([_format_cell(column, booking) for column in COLUMNS] for booking in bookings)
    return write_table(COLUMNS, rows)


def _format_cell(column: str, booking: StoredBooking) -> str:
    if column == "items":
        items = (f"{item['quantity']} x {item['type']}" for item in booking["items"])
        return escape_formula("; ".join(items))
    if column == "refund":
        refund = booking.get("refund")
        return format_number(refund["amount"]) if refund else ""
    if column in ("subtotal", "discount"):
        return format_number(_compute_amount(column, booking))
    value = booking.get(column)
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat() if column == "date" else format_time(value)
    if isinstance(value, int | float):
        return format_number(value)
    return escape_formula(str(value))


def _compute_amount(column: str, booking: StoredBooking) -> int | float:
    """Return the subtotal or the discount of a booking in whole currency units."""
    discount = booking.get("discountCents", 0)
    cents = discount if column == "discount" else booking["totalCents"] + discount
    return cents // 100 if cents % 100 == 0 else cents / 100
