"""Add entries to bookings."""

from collections.abc import Mapping, Sequence

from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.core.database import Query


def build_update(fields: Mapping[str, object], entries: Sequence[LedgerEntry]) -> Query:
    """Return the update that sets fields of a booking and adds entries to it.

    The number of an entry is its position, from 1. So writers of other changes of the booking
    cannot use the same number.
    """
    if not entries:
        return {"$set": fields}
    return {
        "$set": {**fields, "ledgerDue": True},
        "$push": {"entries": {"$each": list(entries)}},
    }
