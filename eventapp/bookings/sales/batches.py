"""Sell tickets in batches: one update of the event and one insert of bookings for many callers.

Sales of one event that arrive while a batch runs form the next batch (see `core.batching`).
A batch takes the tickets of all its sales in one guarded update of the event. Then it inserts the
bookings that need no further check, together with those of other events' batches. Their sales are
then finished. `sales.service` checks and records the others one by one.
"""

import secrets
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import cast

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.ledger.entries import add_first_entry
from eventapp.bookings.payments.charges import charge_at_once
from eventapp.bookings.rules import Limits
from eventapp.bookings.sales.idempotency import build_record
from eventapp.bookings.sales.purchases import (
    Purchase,
    PurchaseAnswer,
    build_answer,
)
from eventapp.bookings.types import AttendeesByType, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.batching import Batcher
from eventapp.core.database import Db, is_unavailable, make_unknown_outcome_error
from eventapp.core.errors import AppError
from eventapp.core.failpoints import failpoint
from eventapp.events.promo_codes import StoredPromoCode
from eventapp.events.types import SaleState, ScheduleEntry
from eventapp.inventory.service import (
    Allocation,
    EventClosed,
    EventOverloaded,
    Inventory,
    TakeOutcome,
    TicketRequest,
    compute_discounts,
)
from eventapp.payments.provider import PaymentProvider

# Called with the users who have just booked: see `core.access.recent_writes`.
RecordWriters = Callable[[Collection[ObjectId]], None]


@dataclass(frozen=True)
class Sale:
    """A purchase resolved against one state of its event.

    Attributes:
        actor: the buyer.
        purchase: the purchase as the client sent it.
        event: the sale state that the purchase is resolved against. The tickets are taken only if
            the event was not edited since, so the booking is made from it.
        schedule_entry: the entry of the schedule to book.
        request: the tickets to take, and the id of the booking to store.
        limits: the limits and durations that the settings give.
        provider: takes the payment of the booking.
        now: the time of the request.
        attendees: who comes with the requested tickets, as far as it is known.
    """

    actor: Actor
    purchase: Purchase
    event: SaleState
    schedule_entry: ScheduleEntry
    request: TicketRequest
    limits: Limits
    provider: PaymentProvider
    now: datetime
    attendees: AttendeesByType = field(default_factory=dict)

    @property
    def user_id(self) -> ObjectId:
        """The buyer's id."""
        return self.actor.require_user_id()


@dataclass(frozen=True)
class SaleResult:
    """The result of a sale.

    Attributes:
        allocation: the tickets that were taken and the waitlist positions that were given.
        event: the event right after that.
        booking: the booking of the tickets; None if no ticket was taken or `event_was_edited`.
        event_was_edited: True if the event was edited after the purchase was resolved. Nothing was
            taken. The purchase must be resolved again, which may refuse it.
        answer: the answer to the purchase if the batch has stored the booking; None if the sale
            needs a further check, or if a unique index has refused the booking.
    """

    allocation: Allocation
    event: SaleState
    booking: StoredBooking | None = None
    event_was_edited: bool = False
    answer: PurchaseAnswer | None = None


class SaleBatcher:
    """Makes the sales of this process in batches."""

    def __init__(self, db: Db, inventory: Inventory, record_writers: RecordWriters) -> None:
        """Make no sale yet.

        Args:
            record_writers: called with the buyers of each batch of bookings that were stored.
        """
        self._db, self._inventory, self._record_writers = db, inventory, record_writers
        self._sales: Batcher[Sale, SaleResult] = Batcher(
            self._sell_batch, fails_all_waiting=_fails_all_waiting
        )
        self._inserts: Batcher[list[StoredBooking], list[bool]] = Batcher(self._insert_batch)

    def sell(self, event_id: int, sale: Sale) -> SaleResult:
        """Take tickets. Also store the booking and answer the purchase if no check is left.

        Raises:
            EventNotFound, NotOnSale, TypeNotOnSale, TicketTypeNotFound, EventBusy, PromoNotFound,
                PromoNotApplicable, PromoExhausted: nothing is written.
        """
        return self._sales.submit(event_id, sale)

    def record(self, booking: StoredBooking) -> bool:
        """Store one booking; return False if a unique index refused it."""
        return self._inserts.submit("bookings", [booking])[0]

    def _sell_batch(
        self, key: Hashable, sales: Sequence[Sale]
    ) -> Sequence[SaleResult | BaseException]:
        event_id = cast(int, key)
        requests = [sale.request for sale in sales]
        outcomes = self._take_batch(event_id, requests, sales[0].now)
        results = [
            outcome if isinstance(outcome, AppError) else _build_result(sale, *outcome)
            for sale, outcome in zip(sales, outcomes, strict=True)
        ]
        return self._record_batch(event_id, sales, results)

    def _take_batch(
        self, event_id: int, requests: Sequence[TicketRequest], now: datetime
    ) -> Sequence[TakeOutcome]:
        """Take tickets; if too many takes are in flight, first clear those that are recorded."""
        try:
            return self._inventory.take_batch(event_id, requests, now)
        except EventOverloaded:
            entries = self._inventory.in_flight_entries.find_sales(event_id)
            recorded = store.find_existing_ids(self._db, map(ObjectId, entries))
            if not recorded:
                raise
            self._inventory.in_flight_entries.clear(event_id, [str(id_) for id_ in recorded])
            return self._inventory.take_batch(event_id, requests, now)

    def _record_batch(
        self, event_id: int, sales: Sequence[Sale], results: Sequence[SaleResult | AppError]
    ) -> Sequence[SaleResult | AppError]:
        """Store all bookings that need no further check in one insert.

        Returns:
            The results, with the answer to each purchase whose booking was stored.
        """
        bookings: dict[int, StoredBooking] = {}
        answered: dict[int, SaleResult] = {}
        for index, (sale, result) in enumerate(zip(sales, results, strict=True)):
            if isinstance(result, SaleResult) and result.booking and _is_final(sale, result):
                bookings[index] = result.booking
                answered[index] = replace(result, answer=_build_answer(sale, result.booking))
        if not bookings:
            return results
        inserted = self._inserts.submit("bookings", list(bookings.values()))
        stored = [index for index, is_stored in zip(bookings, inserted, strict=True) if is_stored]
        self._inventory.allow_clearing(event_id, [str(bookings[index]["_id"]) for index in stored])
        finished = {index: answered[index] for index in stored}
        return [finished.get(index, result) for index, result in enumerate(results)]

    def _insert_batch(
        self, _key: Hashable, batches: Sequence[list[StoredBooking]]
    ) -> Sequence[list[bool] | BaseException]:
        """Store the bookings of the batches of several events in one insert.

        Returns:
            For each batch which of its bookings are stored; an error if that is not known of all.

        Raises:
            AutoReconnect: it is not known of any booking.
        """
        bookings = [booking for batch in batches for booking in batch]
        outcomes = store.insert_bookings(self._db, bookings)
        failpoint("record")
        stored = [each for each, is_stored in zip(bookings, outcomes, strict=True) if is_stored]
        self._record_writers({each["userId"] for each in stored if each["userId"]})
        error = make_unknown_outcome_error("bookings")
        if all(is_stored is None for is_stored in outcomes):
            raise error
        remaining = iter(outcomes)
        by_batch = [[next(remaining) for _ in batch] for batch in batches]
        return [
            error if None in batch else [is_stored is True for is_stored in batch]
            for batch in by_batch
        ]


def _fails_all_waiting(error: BaseException) -> bool:
    """Return whether an error also refuses the sales of the event that wait for the next batch.

    While an event is closed, each batch would wait as long as the one before.
    """
    return isinstance(error, EventClosed) or is_unavailable(error)


def _build_result(sale: Sale, allocation: Allocation, event: SaleState) -> SaleResult:
    """Return the result of a sale, with the booking to store for the taken tickets."""
    if allocation.has_other_terms:
        return SaleResult(allocation, event, event_was_edited=True)
    if not allocation.taken:
        return SaleResult(allocation, event)
    code = _find_code(sale.request, event)
    booking = rules.build_booking(
        ObjectId(sale.request.booking_id),
        reference=generate_reference(),
        user_id=sale.user_id,
        event=sale.event,
        schedule_entry=sale.schedule_entry,
        taken=allocation.taken,
        discounts=compute_discounts(code, event["ticketTypes"]) if code else None,
        promo_code=code["code"] if code else None,
        currency=sale.limits.currency,
        hold_until=sale.now + sale.limits.hold if sale.request.held else None,
        now=sale.now,
        attendees=sale.attendees,
    )
    if booking["status"] == rules.CONFIRMED and booking["totalCents"]:
        booking["payment"] = charge_at_once(sale.provider, booking, sale.now)
    return SaleResult(allocation, event, add_first_entry(booking))


def _find_code(request: TicketRequest, event: SaleState) -> StoredPromoCode | None:
    """Return the promo code that a request has used, as it is right after the take."""
    return event["promoCodes"][request.promo_code] if request.promo_code else None


def _is_final(sale: Sale, result: SaleResult) -> bool:
    """Return whether the booking of a sale needs no further check.

    It needs one if not all tickets were granted, or if the event ever had a waitlist: the user's
    other bookings and waitlist entries must then be checked first.
    """
    has_all_tickets = result.allocation.taken == sale.request.items
    return has_all_tickets and not result.event.get("hadWaitlist")


def _build_answer(sale: Sale, booking: StoredBooking) -> PurchaseAnswer:
    """Return the answer to a sale without waitlist entries; with a key, add it to the booking."""
    answer = build_answer(booking, [])
    if record := build_record(sale.purchase, answer):
        booking["idempotency"] = record
    return answer


def generate_reference() -> str:
    """Return a random booking reference. A unique index refuses a booking if it is in use."""
    letters = "".join(secrets.choice(rules.REFERENCE_ALPHABET) for _ in range(6))
    return f"EVT-{letters}"
