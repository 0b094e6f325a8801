"""Write the rows of the ledger that move money as a CSV table, without the names of holders."""

from collections.abc import Iterable, Iterator

from eventapp.analytics.csv_tables import escape_formula, format_number, format_time, write_table
from eventapp.analytics.money import split_entry
from eventapp.analytics.types import MoneyBooking, MoneyRow

COLUMNS = (
    *("number", "time", "bookingReference", "eventId", "eventTitle", "kind"),
    *("provider", "providerId", "charged", "refunded", "fee", "currency"),
)
# The provider of money that moved before providers were recorded.
LEGACY = "legacy"


def write_csv(rows: Iterable[tuple[MoneyRow, MoneyBooking | None]]) -> Iterator[bytes]:
    """Yield the table in chunks: a header row, and a row for each row of the ledger.

    Args:
        rows: each with its booking, which is None if it is gone.
    """
    return write_table(COLUMNS, (_format_row(row, booking) for row, booking in rows))


def _format_row(row: MoneyRow, booking: MoneyBooking | None) -> list[str]:
    money = split_entry(row["kind"], row["paid"], row.get("fee", 0))
    return [
        str(row["number"]),
        format_time(row["at"]),
        booking["bookingReference"] if booking else "",
        str(row["eventId"]),
        escape_formula(booking["eventTitle"]) if booking else "",
        row["kind"],
        escape_formula(row.get("provider", LEGACY)),
        escape_formula(row.get("providerId", "")),
        *(_format_cents(cents) for cents in (money.charged, money.refunded, money.fees)),
        booking["currency"] if booking else "",
    ]


def _format_cents(cents: int) -> str:
    return format_number(cents // 100 if cents % 100 == 0 else cents / 100)
