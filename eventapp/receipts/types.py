"""The documents of the collection `receipts`, and a receipt as it is printed.

Times are aware and in UTC. Amounts are integer cents of the receipt's currency.
"""

from datetime import datetime
from typing import NamedTuple, NotRequired, TypedDict

from bson import ObjectId


class ReceiptItem(TypedDict):
    """The tickets of one type, as they were paid for."""

    type: str  # the type's name when it was booked
    quantity: int  # tickets, at least 1
    unitCents: int  # the list price of one ticket
    subtotalCents: int  # quantity * unitCents
    discountCents: int  # of all its tickets
    totalCents: int  # subtotalCents - discountCents


class ReceiptEntry(TypedDict):
    """The booked entry of the schedule."""

    date: datetime  # its date, as midnight in UTC
    startsAt: datetime | None  # None where no time is known
    timezone: str | None  # IANA name; None if the entry is unknown
    location: str


class ReceiptPayment(TypedDict):
    """The payment of a booking."""

    provider: str | None  # the name of the payment provider; None if none was recorded
    paidAt: datetime  # when the booking was confirmed


class NewReceipt(TypedDict):
    """A receipt that has no number yet. All of it stays as it is for good, except `userId`."""

    _id: ObjectId  # the id of the booking, which therefore has one receipt at most
    organizerId: ObjectId | None  # who issued it, also after the event is transferred; None: sample
    year: int  # of issuedAt, in the zone of DEFAULT_TIMEZONE
    issuedAt: datetime
    seller: str | None  # the organizer's name as the event shows it; None if the event was deleted
    userId: ObjectId | None  # the holder; None once the holder's account is deleted
    bookingReference: str
    eventId: int
    eventTitle: str  # the event's title when it was booked
    entry: ReceiptEntry
    items: list[ReceiptItem]  # at least one
    subtotalCents: int
    discountCents: int
    totalCents: int  # what was paid, more than 0
    currency: str  # ISO 4217
    payment: ReceiptPayment


class StoredReceipt(NewReceipt):
    """A document of `receipts`."""

    number: int  # from 1, without gaps, for each organizer and year
    # The holder's name when the receipt was issued. It is absent until the write that follows the
    # insert, and None once the holder's account is deleted.
    buyer: NotRequired[str | None]


class ReceiptNumber(TypedDict):
    """Projection of the number of a receipt."""

    number: int


class ReceiptId(TypedDict):
    """Projection of the id of a receipt."""

    _id: ObjectId


class RefundFact(NamedTuple):
    """A refund of the booking of a receipt.

    Attributes:
        decided_at: when the refund was decided.
        tickets: how many tickets it pays back.
        cents: its amount.
        is_paid: False while the payment provider has not paid it back.
    """

    decided_at: datetime
    tickets: int
    cents: int
    is_paid: bool


class PrintedItem(NamedTuple):
    """A row of the tickets on a printed receipt."""

    type: str
    quantity: int
    unit_price: str
    discount: str  # empty if there is none
    total: str


class PrintedRefund(NamedTuple):
    """A row of the refunds on a printed receipt."""

    date: str  # YYYY-MM-DD
    tickets: str  # "1 ticket", "2 tickets"
    status: str  # "paid" or "to be paid"
    amount: str


class PrintedReceipt(NamedTuple):
    """The texts of a receipt, from which both HTML and PDF are made.

    Attributes:
        language: in which it is printed, one of core.languages.LANGUAGES.
        number: such as `2026-000017`.
        facts: what stands above the tickets: pairs of a label and a text.
        items: the tickets.
        has_discount: False to leave out the discounts.
        subtotal, discount, total: the sums, with the currency.
        refunds: the refunds so far, in the order of their decisions.
        refunded, remaining: the sum of the refunds and what remains of the total, with the
            currency.
    """

    language: str
    number: str
    facts: list[tuple[str, str]]
    items: list[PrintedItem]
    has_discount: bool
    subtotal: str
    discount: str
    total: str
    refunds: list[PrintedRefund]
    refunded: str
    remaining: str
