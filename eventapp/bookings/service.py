"""What every use case of bookings works with, and reading bookings. `service_book` makes them."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from bson import ObjectId

from eventapp.bookings import rules, store, store_privacy
from eventapp.bookings.errors import BookingNotFound
from eventapp.bookings.rules import Limits
from eventapp.core.access.actor import Actor
from eventapp.core.batching import Batcher
from eventapp.core.database import Db, Document
from eventapp.core.errors import AppError
from eventapp.core.failpoints import failpoint
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.inventory.service import BoxOffice, Verdict, Wanted
from eventapp.notifications.outbox import Outbox
from eventapp.notifications.service import Attachment
from eventapp.payments.providers import PaymentProvider

# Returns the ticket codes of a confirmed booking and the files to attach to its mail.
TicketAttachments = Callable[["Shop", Document, datetime], tuple[list[str], tuple[Attachment, ...]]]


@dataclass(frozen=True)
class Sale:
    """One caller's part of a round of sales.

    Attributes:
        make: the booking to record at once, of the verdict and the event after it; None where
            there is more to be looked at first.
    """

    wanted: Wanted
    make: Callable[[Verdict, Document], Document | None]
    now: datetime


@dataclass(frozen=True)
class Sold:
    """What came of it: the verdict, the event after it, and whether the booking is recorded."""

    verdict: Verdict
    event: Document
    booking: Document | None = None
    recorded: bool = False


class Shop:
    """What every use case of bookings works with: database, box office, limits, outbox ..."""

    def __init__(
        self,
        db: Db,
        office: BoxOffice,
        limits: Limits,
        payments: PaymentProvider,
        outbox: Outbox | None = None,
        ticket_attachments: TicketAttachments | None = None,
        on_booked: Callable[[int], None] = lambda _event_id: None,
        event_changes: EventChanges = NO_EVENT_CACHE,
    ) -> None:
        """`on_booked` is told the eventId of each booking that was made or offer accepted here."""
        self.db, self.office, self.limits, self.payments = db, office, limits, payments
        self.outbox = outbox or Outbox()
        self.ticket_attachments, self.on_booked = ticket_attachments, on_booked
        self.event_changes = event_changes
        self._sellers: Batcher[Sale, Sold] = Batcher(self._sell)
        self._recorders: Batcher[list[Document], list[bool]] = Batcher(self._insert)

    def sell(self, event_id: int, sale: Sale) -> Sold:
        """Take tickets and record the booking, with all who wait for the same: two writes.

        Raises:
            EventNotFound, NotOnSale, TicketTypeNotFound, Overtaken: nothing is written.
        """
        return self._sellers.submit(event_id, sale)

    def _sell(self, key: Hashable, sales: Sequence[Sale]) -> Sequence[Sold | BaseException]:
        wanted = [sale.wanted for sale in sales]
        outcomes = self.office.take_all(cast(int, key), wanted, sales[0].now)
        results: list[Sold | BaseException] = []
        for sale, outcome in zip(sales, outcomes, strict=True):
            if isinstance(outcome, AppError):
                results.append(outcome)
            else:
                results.append(Sold(*outcome, booking=sale.make(*outcome)))
        return self._record_all(results)

    def _record_all(self, results: list[Sold | BaseException]) -> list[Sold | BaseException]:
        """Record what can be recorded at once, in one write."""
        bookings = [r.booking for r in results if isinstance(r, Sold) and r.booking]
        if not bookings:
            return results
        there = iter(self._recorders.submit("bookings", bookings))
        return [
            replace(result, recorded=next(there))
            if isinstance(result, Sold) and result.booking
            else result
            for result in results
        ]

    def record(self, booking: Document) -> bool:
        """Insert one booking; False where a unique index refused."""
        return self._recorders.submit("bookings", [booking])[0]

    def _insert(self, _key: Hashable, batches: Sequence[list[Document]]) -> Sequence[list[bool]]:
        """Insert the bookings of several events' rounds in one write."""
        inserted = iter(store.insert_many(self.db, [b for batch in batches for b in batch]))
        failpoint("record")
        return [[next(inserted) for _ in batch] for batch in batches]


@dataclass(frozen=True)
class Order:
    """What a caller asks for.

    Attributes:
        named: `(ticketTypeId or None, type's name or None, quantity)` each.
        bare: a quantity of the event's only type, in place of `named`.
        on_shortfall: None for the default: reject where types are named, else waitlist.
        digest: of the body, to tell whether an idempotency key comes with another one.
    """

    event_id: int
    named: tuple[tuple[int | None, str | None, int], ...] = ()
    bare: int | None = None
    schedule_index: int | None = None
    hold: bool = False
    on_shortfall: str | None = None
    key: str | None = None
    digest: str = ""


@dataclass(frozen=True)
class Answer:
    """What became of an order: 201 with a booking, 202 with only places on the waitlist."""

    status: int
    message: str
    data: dict[str, Any] = field(default_factory=dict)


def find(shop: Shop, booking_id: ObjectId) -> Document:
    """The stored booking. BookingNotFound."""
    booking = store.get(shop.db, booking_id)
    if booking is None:
        raise BookingNotFound
    return booking


def visible(booking: Document | None, actor: Actor) -> Document:
    """The booking where it is the caller's, of their event, or they are admin. BookingNotFound."""
    if booking and (manages(booking, actor) or is_own(booking, actor)):
        return booking
    raise BookingNotFound


def is_own(booking: Document, actor: Actor) -> bool:
    return actor.user_id is not None and bool(booking["userId"] == actor.user_id)


def own(shop: Shop, booking_id: ObjectId, actor: Actor) -> Document:
    """The booking where it is the caller's, or they are admin. BookingNotFound."""
    booking = find(shop, booking_id)
    if not is_holder(booking, actor):
        raise BookingNotFound
    return booking


def is_holder(booking: Document, actor: Actor) -> bool:
    """True for the person who booked and for admins."""
    return actor.is_admin or is_own(booking, actor)


def manages(booking: Document, actor: Actor) -> bool:
    """True for the organizer of the booking's event and for admins."""
    return actor.may_manage_events_of(booking["organizerId"])


def show(shop: Shop, booking_id: ObjectId, actor: Actor) -> dict[str, Any]:
    """The booking as the API shows it, to who may see it. BookingNotFound."""
    return shown(visible(store.get(shop.db, booking_id), actor))


def show_by_reference(shop: Shop, reference: str, actor: Actor) -> dict[str, Any]:
    """The same, by its reference."""
    return shown(visible(store.by_reference(shop.db, reference), actor))


def shown(booking: Document) -> dict[str, Any]:
    return rules.view(booking)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: the bookings stay, without the person."""
    store_privacy.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person."""
    bookings = store_privacy.all_of(db, user_id)
    return {"bookings": [{**rules.view(one), "payment": one.get("payment")} for one in bookings]}
