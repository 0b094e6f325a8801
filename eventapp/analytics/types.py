"""The sums that a job stores, projections of them, and the rows of aggregations.

Totals are stored as `numbers`: the number of bookings, tickets and cents for each status in the
order of STATUSES, and then the cents of the discounts of confirmed bookings. An older version has
stored only the first 12. Days are UTC days, stored as their first moment.
"""

from datetime import datetime
from typing import Final, NamedTuple, NotRequired, TypedDict

from bson import ObjectId

# The start, and the end (exclusive).
TimeRange = tuple[datetime, datetime]

# The statuses of bookings, in the order of stored totals.
STATUSES: Final = ("confirmed", "held", "cancelled", "expired")
# The states of payments.
PAYMENT_STATES: Final = (
    *("required", "processing", "unknown", "succeeded", "failed", "refunding", "refunded"),
)


class StoredDaySums(TypedDict):
    """A document of `dailySales`: bookings that were made on one day."""

    _id: str  # "<scope>:<YYYY-MM-DD>"
    scope: str  # "all", or the id of an organizer
    day: datetime
    # The buckets: totals by the number of the bucket of 15 minutes, "0" to "95". Buckets without
    # bookings may be absent.
    slots: dict[str, list[int]]
    run: int  # the number of the run that wrote the document


class StoredEventSums(TypedDict):
    """A document of `eventSales`: all bookings of one event."""

    _id: int  # eventId
    organizerId: ObjectId | None  # None for sample events
    numbers: list[int]
    run: int


class StoredSegment(TypedDict):
    """The totals of one segment of a day: see segments.py."""

    since: datetime  # the minute of its first booking
    numbers: list[int]
    cents: list[list[int]]  # pairs of ticketTypeId and cents of confirmed tickets
    # Pairs of ticketTypeId and cents of their discounts; absent if an older version stored them.
    discounts: NotRequired[list[list[int]]]


class StoredEventDay(TypedDict):
    """A document of `eventDays`: the bookings of one event that were made on one day."""

    _id: str  # "<eventId>:<YYYY-MM-DD>"
    eventId: int
    day: datetime
    parts: list[StoredSegment]  # the segments, in chronological order
    run: int


class StoredMoney(TypedDict):
    """A document of `moneySums`: money that moved on one day, or over all time."""

    _id: str  # "<scope>:<YYYY-MM-DD>", or "<scope>" for all time
    scope: str  # "all", the id of an organizer, or "event-<eventId>"
    day: datetime | None  # None for all time
    # Cents by the names of `money.MoneyTotals`, by the number of the bucket of 15 minutes, "0" to
    # "95"; by "0" alone for all time. Buckets without money are absent.
    slots: dict[str, dict[str, int]]
    upTo: int  # the sums have all rows of the ledger with a number up to this one


class StoredJobState(TypedDict):
    """A document of `salesMarker`: the state of a job that stores sums."""

    _id: str  # "bookings" of `count-sales`, "ranks" of `rank-events`, "money" of `count-money`
    run: int  # the number of the last run that has begun
    busyUntil: datetime  # UTC end of the lease of that run
    # The checkpoint: see `store_sums.Checkpoint`. Absent before the first complete run, and
    # `upToNumber` before the first one of this version.
    upTo: NotRequired[datetime]
    upToNumber: NotRequired[int]


class DaySums(TypedDict):
    """Projection of StoredDaySums."""

    day: datetime
    slots: dict[str, list[int]]


class EventSums(TypedDict):
    """Projection of StoredEventSums."""

    _id: int  # eventId
    numbers: list[int]


class EventDay(TypedDict):
    """Projection of StoredEventDay."""

    eventId: int
    day: datetime
    parts: list[StoredSegment]


class ChangedBooking(TypedDict):
    """A booking that was made or changed after the checkpoint."""

    eventId: int
    createdAt: datetime


class StatusSums(TypedDict):
    """Sums of bookings with one status."""

    status: str
    bookings: int
    tickets: int
    cents: int
    discount: int  # in cents


class MinuteSums(StatusSums):
    """Sums of the bookings of an organizer's events that were made in one minute."""

    minute: str  # "YYYY-MM-DDTHH:MM", UTC
    organizer: ObjectId | None  # None for sample events


class EventStatusSums(StatusSums):
    """Sums of the bookings of one event."""

    event: int  # eventId


class EventTimeSums(EventStatusSums):
    """Sums of the bookings of one event that were made in one minute or on one day."""

    organizer: ObjectId | None  # None for sample events
    time: str  # the minute or the day: "YYYY-MM-DDTHH:MM" or "YYYY-MM-DD", UTC


class TicketPriceSums(TypedDict):
    """Confirmed tickets of one type, price and discount, booked in one minute or on one day."""

    event: int  # eventId
    time: str  # the minute or the day: "YYYY-MM-DDTHH:MM" or "YYYY-MM-DD", UTC
    type: int  # ticketTypeId
    price: float  # of one ticket when it was booked, in whole currency units
    discount: float  # of all its tickets in each of the bookings, in whole currency units
    bookings: int
    tickets: int


class MoneyRow(TypedDict):
    """A row of the ledger, or an entry that is to be copied to it, as far as it is about money."""

    _id: str  # "<bookingId>-<n>", where n is the position of the entry in its booking, from 1
    number: int  # 0 if it is not in the ledger
    at: datetime  # UTC, the time of the request or job that moved the money
    kind: str
    eventId: int
    organizerId: ObjectId | None  # the organizer of the event at that time
    paid: int  # cents; negative for a refund
    fee: NotRequired[int]  # cents that the provider kept
    provider: NotRequired[str]  # absent in entries of older versions
    providerId: NotRequired[str]  # the provider's id of the charge or refund


class PaymentAttempt(TypedDict):
    """An attempt to pay for a booking, as `bookings` stores it."""

    attemptId: ObjectId
    provider: str  # its name
    cents: int
    state: str
    begunAt: datetime  # UTC
    succeededAt: NotRequired[datetime]  # UTC; absent until the money came
    providerId: NotRequired[str]  # the provider's id; absent until it is known
    refusal: NotRequired[str]  # the provider's code of the last refusal
    feeCents: NotRequired[int]  # absent until it is known
    refund: NotRequired["PaymentRefund"]  # of money that confirmed nothing


class RefundFailure(TypedDict):
    """Why a refund is not paid although it was tried."""

    at: datetime  # UTC, the last try
    reason: str


class PaymentRefund(TypedDict):
    """A refund, as `bookings` stores it."""

    amount: int | float  # in whole currency units
    reason: str
    refundedAt: datetime  # UTC, when it was decided
    refundId: NotRequired[str]  # the provider's id; absent until it is paid
    failure: NotRequired[RefundFailure]  # absent unless the provider refuses it


class StoredPayment(TypedDict):
    """The payment of a booking, as `bookings` stores it."""

    state: str  # one of PAYMENT_STATES
    attempts: list[PaymentAttempt]  # in order, at least one


class CancelledPart(TypedDict):
    """Cancelled tickets of a booking."""

    refund: PaymentRefund | None


class PaidBooking(TypedDict):
    """Projection of a booking that has a payment."""

    _id: ObjectId
    bookingReference: str
    eventId: int
    eventTitle: str
    organizerId: ObjectId | None
    userId: ObjectId | None
    status: str
    currency: str
    createdAt: datetime
    updatedAt: datetime
    payment: StoredPayment
    refund: PaymentRefund | None  # of all that was left when the booking ended
    cancellations: NotRequired[list[CancelledPart]]


class MoneyBooking(TypedDict):
    """Projection of a booking: what a table of money shows of it."""

    _id: ObjectId
    bookingReference: str
    eventTitle: str
    currency: str


class Stock(TypedDict):
    """Sums of the stock of ticket types, in tickets."""

    capacity: int
    sold: int
    held: int
    available: int


class EventsOfStatus(Stock):
    """Sums of all events with one status."""

    events: int
    views: int


class EventStock(Stock):
    """The stock of one event."""

    eventId: int
    status: str
    organizerId: ObjectId | None


class StoredRank(TypedDict):
    """A document of `eventRanks`: the figures by which lists of events are sorted."""

    # All fields but `_id`, `run` and `goneAt` are None once the event is deleted.
    _id: int  # eventId
    organizerId: ObjectId | None  # None for sample events, too
    status: str | None
    revenue: int | None  # cents
    sold: int | None  # tickets
    utilization: float | None  # sold / capacity, from 0 to 1
    wanted: int | None  # tickets that the entries of waitlists wait for
    entries: int | None  # active waitlist entries
    run: int  # the number of the run that wrote the document
    goneAt: NotRequired[datetime]  # when a run found that the event was deleted


class FiguresOfEvent(TypedDict):
    """The figures of one event by which lists are sorted; see StoredRank."""

    eventId: int
    organizerId: ObjectId | None
    status: str
    revenue: int
    sold: int
    utilization: float
    wanted: int
    entries: int


class RankKey(NamedTuple):
    """The place of an event in a list that is sorted by one figure."""

    value: float  # the figure
    event_id: int


class WaitlistTotals(TypedDict):
    """Sums of the active waitlist entries of several events."""

    entries: int
    tickets: int


class EventHeading(TypedDict):
    """Projection of an event: what is shown together with its figures."""

    eventId: int
    title: str
    organizerId: ObjectId | None
    organizer: str
    nextDate: datetime
    views: NotRequired[int]


class WaitlistSums(TypedDict):
    """Sums of the active waitlist entries of one event."""

    eventId: int
    entries: int
    tickets: int
    since: datetime  # when the oldest entry was made


class UserSpending(TypedDict):
    """Sums of the bookings of one user with one status."""

    user: ObjectId
    status: str
    bookings: int
    cents: int


class DatabaseHealth(TypedDict):
    """The answer of the database to a ping."""

    status: str  # "ok" or "unavailable"
    pingMs: float | None
