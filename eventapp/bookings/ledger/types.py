"""The entries of a booking, from which the ledger is made."""

from datetime import datetime
from typing import Literal, TypeAlias, TypedDict

# What happened to a booking.
EntryKind: TypeAlias = Literal[
    "opening",  # the state of a booking that was stored before there were entries
    "sold",  # it was made and confirmed at once
    "held",  # it was made as a hold or as a waitlist offer
    "confirmed",  # a hold was paid, or an offer accepted
    "cancelled",  # by its holder, the organizer or an admin
    "event_cancelled",
    "declined",  # an offer, by its holder
    "expired",  # a hold or an offer
    "charged",  # a charge for a hold that had ended; "sold" and "confirmed" include their charge
    "refunded",  # a refund was paid
]


class LedgerEntry(TypedDict):
    """One change of the tickets or the money of a booking.

    The numbers are differences: their sums over all entries of a booking give its present state.
    """

    at: datetime  # UTC, the time of the request or job that made the change
    kind: EntryKind
    bookings: int  # confirmed bookings: 1, 0 or -1
    held: int  # tickets of held bookings
    sold: int  # tickets of confirmed bookings
    cents: int  # the price of confirmed bookings
    paid: int  # the money that the holder paid, less refunds, in cents
