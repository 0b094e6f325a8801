"""What every use case of bookings works with: database, inventory, limits, payments, outbox."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from eventapp.bookings import store
from eventapp.bookings.rules import Limits
from eventapp.core.app_key import AppKey
from eventapp.core.batching import Batcher
from eventapp.core.database import Db, Document, get_db
from eventapp.core.errors import AppError
from eventapp.core.failpoints import failpoint
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.events.types import SaleState
from eventapp.inventory.service import Allocation, Inventory, TicketRequest
from eventapp.notifications.outbox import Outbox
from eventapp.notifications.types import Attachment
from eventapp.payments.providers import PaymentProvider

# Returns the ticket codes of a confirmed booking and the files to attach to its mail.
TicketAttachments = Callable[
    ["BookingContext", Document, datetime], tuple[list[str], tuple[Attachment, ...]]
]


@dataclass(frozen=True)
class Sale:
    """One caller's part of a round of sales.

    Attributes:
        make: the booking to record at once, of the verdict and the event after it; None where
            there is more to be looked at first.
    """

    wanted: TicketRequest
    make: Callable[[Allocation, SaleState], Document | None]
    now: datetime


@dataclass(frozen=True)
class Sold:
    """What came of it: the verdict, the event after it, and whether the booking is recorded."""

    verdict: Allocation
    event: SaleState
    booking: Document | None = None
    recorded: bool = False


class BookingContext:
    """The dependencies of the bookings services, and the batches of sales of this process."""

    def __init__(
        self,
        db: Db,
        inventory: Inventory,
        limits: Limits,
        payments: PaymentProvider,
        outbox: Outbox | None = None,
        ticket_attachments: TicketAttachments | None = None,
        on_booked: Callable[[int], None] = lambda _event_id: None,
        event_changes: EventChanges = NO_EVENT_CACHE,
    ) -> None:
        """`on_booked` is called with the eventId of each booking and each accepted offer."""
        self.db, self.inventory, self.limits, self.payments = db, inventory, limits, payments
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
        outcomes = self.inventory.take_batch(cast(int, key), wanted, sales[0].now)
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


BOOKING_CONTEXT: AppKey[BookingContext] = AppKey("booking_context")


def current_booking_context() -> BookingContext:
    """Return the context of the application that handles this request.

    Raises:
        DatabaseUnavailable: the database has not been prepared yet.
    """
    get_db()
    return BOOKING_CONTEXT.get()
