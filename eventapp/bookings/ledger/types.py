"""The entries of a booking, and the rows of the ledger, which are copies of them."""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

# What happened to a booking.
EntryKind: TypeAlias = Literal[
    "opening",  # the state of a booking that was stored before there were entries
    "sold",  # it was made and confirmed at once
    "held",  # it was made as a hold or as a waitlist offer
    "confirmed",  # a hold was paid, or an offer accepted
    "cancelled",  # by its holder, the organizer or an admin
    "part_cancelled",  # the same, of some of its tickets
    "part_declined",  # some tickets of an offer, by its holder
    "event_cancelled",
    "declined",  # an offer, by its holder
    "expired",  # a hold or an offer
    "charged",  # money came that confirmed nothing; "sold" and "confirmed" include their charge
    "retaken",  # the tickets of an expired hold were taken again for money that came late
    "refunded",  # a refund was paid
    "refund_returned",  # the provider could not pay a refund that it had accepted
    "fee",  # the provider told what it keeps of a charge
    "checked_in",  # a ticket was checked in, which changes no number
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
    discount: NotRequired[int]  # the discount of their tickets, in cents; an older version has none
    paid: int  # the money that the holder paid, less refunds, in cents
    # The provider that the money came from or went to; absent if none moved, and in entries of
    # older versions, whose money counts as that of `legacy`.
    provider: NotRequired[str]
    providerId: NotRequired[str]  # the provider's id of the payment or refund, where it is known
    fee: NotRequired[int]  # what the provider keeps, in cents; absent is 0
    place: NotRequired[str]  # of the ticket that was checked in; absent in other kinds


class NewLedgerRow(LedgerEntry):
    """An entry that is to be copied, with what its readers need of its booking."""

    _id: str  # "<bookingId>-<n>", where n is the position of the entry in its booking, from 1
    eventId: int
    organizerId: ObjectId | None  # the organizer of the event; None for sample events
    bookedAt: datetime  # UTC, when the booking was made


class LedgerRow(NewLedgerRow):
    """A document of `ledger`."""

    number: int  # from 1, without gaps, in the order in which the rows were stored


# Projections.


class BookingWithEntries(TypedDict):
    """A booking with entries that are not yet in the ledger."""

    _id: ObjectId
    eventId: int
    organizerId: ObjectId | None
    createdAt: datetime
    entries: NotRequired[list[LedgerEntry]]


class LedgerRowId(TypedDict):
    """The id of a row of the ledger."""

    _id: str


class LedgerNumber(TypedDict):
    """The number of a row of the ledger."""

    number: int


class LedgerSum(TypedDict):
    """Rows of one event, organizer and kind, summed for a report."""

    event: int  # eventId
    organizer: ObjectId | None
    kind: EntryKind
    rows: int
    bookings: int
    tickets: int  # of confirmed bookings
    cents: int
    discount: int  # in cents
    charged: int  # the positive `paid`, in cents
    refunded: int  # the negative `paid`, as a positive number of cents
    fees: int  # in cents


class StoredReportPeriod(TypedDict):
    """A document of `reportPeriods`: which rows the reports of a day or a week have.

    They have the rows with a number up to `upTo` and a time before the end of the period, except
    those with a number up to `after` and a time before `since`. Only `_id` and `reportedAt` exist
    if an older version wrote the reports.
    """

    _id: str  # "daily:<YYYY-MM-DD>" or "weekly:<YYYY-MM-DD>", with the first day
    after: int  # `upTo` of the report before; `upTo` of this one if there is none
    since: datetime  # UTC, the end of the period before that was reported; else of its own start
    upTo: int  # the highest number of the ledger when the reports were begun
    finishedAt: NotRequired[datetime]  # UTC, when all reports were written
    reportedAt: NotRequired[datetime]  # UTC, the same of an older version
