"""Take tickets and give them back, so that none is ever sold twice or lost.

All changes of the stock of events, except by edits, go through `Inventory`. `inventory.store`
describes the protocol of its writes, and what happens when two processes sell the last ticket.
`takes` and `moves` make the writes.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db, ServerClock
from eventapp.core.errors import AppError
from eventapp.core.lru_cache import DEFAULT_BUDGET, CacheBudget
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.events.service import (
    EventBusy,
    EventClosed,
    EventNotFound,
    EventOverloaded,
    TicketTypeNotFound,
    may_see,
)
from eventapp.events.types import SaleState
from eventapp.inventory import queues, store_waitlists
from eventapp.inventory.entry_keys import (
    make_join_key,
    make_leave_key,
    make_retake_key,
    parse_document_id,
    parse_retake_key,
)
from eventapp.inventory.errors import (
    EventPast,
    NotOnSale,
    PromoExhausted,
    PromoNotApplicable,
    PromoNotFound,
    TicketLimit,
    TicketMinimum,
    TypeNotOnSale,
)
from eventapp.inventory.in_flight import ClearableEntries, InFlightEntries
from eventapp.inventory.moves import MoveWriter
from eventapp.inventory.promo_codes import (
    PromoCodeUses,
    compute_discounts,
    fold_code,
)
from eventapp.inventory.quotas import get_quotas
from eventapp.inventory.repairs import StockRepairs
from eventapp.inventory.rules import (
    CELL_COUNTERS,
    PARTIAL,
    REJECT,
    WAITLIST,
    WAITLIST_ONLY,
    Allocation,
    StockMove,
    TicketRequest,
    get_terms,
    start_of_day,
    sum_quantities,
)
from eventapp.inventory.sale_states import SaleStates
from eventapp.inventory.takes import TakeOutcome, TicketTaker, make_promo_error
from eventapp.inventory.types import OfferableQueue, Quantities

__all__ = [
    "CELL_COUNTERS",
    "INVENTORY",
    "PARTIAL",
    "REJECT",
    "WAITLIST",
    "WAITLIST_ONLY",
    "Allocation",
    "EventBusy",
    "EventClosed",
    "EventNotFound",
    "EventOverloaded",
    "EventPast",
    "Inventory",
    "OfferableQueue",
    "NotOnSale",
    "PromoCodeUses",
    "PromoExhausted",
    "PromoNotApplicable",
    "PromoNotFound",
    "Quantities",
    "StockMove",
    "TakeOutcome",
    "TicketLimit",
    "TicketMinimum",
    "TicketRequest",
    "TicketTypeNotFound",
    "TypeNotOnSale",
    "compute_discounts",
    "fold_code",
    "get_quotas",
    "get_terms",
    "make_promo_error",
    "make_join_key",
    "make_leave_key",
    "make_retake_key",
    "parse_document_id",
    "parse_retake_key",
    "start_of_day",
    "sum_quantities",
]


class Inventory:
    """The stock of all events of one database.

    Every method that changes the stock does so in one guarded update of the event's document. When
    two processes sell the last ticket, the guard of the second update fails; `take_batch` then
    reads the event again and allocates again. See `eventapp.inventory.store` for the guards.

    The same update adds or removes an in-flight entry, whose key contains the id of the booking or
    waitlist entry that the change belongs to. If the process then dies, the worker completes or
    undoes the change.

    The last sale state seen of each event is cached to save a read. Every update verifies it, and a
    refusal is never based on it.

    Attributes:
        in_flight_entries: reads and clears in-flight entries.
        repairs: closes events and replaces their counters.
    """

    def __init__(
        self,
        db: Db,
        event_changes: EventChanges = NO_EVENT_CACHE,
        cache_budget: CacheBudget = DEFAULT_BUDGET,
    ) -> None:
        """Open the inventory of `db`.

        Args:
            event_changes: receives each change of the stock.
            cache_budget: bounds the cached sale states.
        """
        clearable = ClearableEntries()
        self.in_flight_entries = InFlightEntries(db)
        self.repairs = StockRepairs(db)
        self._db, self._clearable = db, clearable
        self._server_clock = ServerClock(db)
        self._states = SaleStates(db, event_changes, cache_budget)
        self._taker = TicketTaker(
            db, self._states, self.in_flight_entries, clearable, self._server_clock
        )
        self._moves = MoveWriter(db, self._states, self.in_flight_entries, clearable)

    # Reading.

    def read_with_promo_code(self, event_id: int, promo_code: str) -> SaleState:
        """Read what a sale needs to know of the event, with a promo code if it has it.

        Args:
            promo_code: the folded code.

        Raises:
            EventNotFound: there is no such event.
        """
        return self._states.read(event_id, [promo_code])

    def get_sale_state(self, event_id: int, *, fresh: bool = False) -> SaleState:
        """Return what a sale needs to know of the event, from the cache unless `fresh`.

        Raises:
            EventNotFound: there is no such event.
        """
        return self._states.read(event_id) if fresh else self._states.get(event_id)

    def invalidate(self, event_id: int) -> None:
        """Drop the cached sale state, so that the next sale reads the event."""
        self._states.discard(event_id)

    @contextmanager
    def hide_drafts_from(self, actor: Actor, event_id: int) -> Iterator[None]:
        """Replace errors of the block by EventNotFound if `actor` may not see the event.

        Any other error would reveal that the draft exists.
        """
        try:
            yield
        except AppError:
            visible = may_see(self.get_sale_state(event_id), actor)
            if not (visible or may_see(self.get_sale_state(event_id, fresh=True), actor)):
                raise EventNotFound from None
            raise

    def find_event_ids_to_offer(
        self, now: datetime, limit: int, *, after: int = 0, without: Sequence[object] = ()
    ) -> list[int]:
        """Return the ids of events on sale with available tickets for which somebody waits.

        Args:
            after: the eventIds returned are above this one, in order.
            without: eventIds to leave out.
        """
        return store_waitlists.find_ids_to_offer(
            self._db, self.correct_clock(now), limit, after=after, without=without
        )

    def find_offerable_queues(self, state: SaleState, now: datetime) -> list[OfferableQueue]:
        """Return the queues of the waitlist to which tickets can be offered at this time."""
        return queues.find_offerable(state, self.correct_clock(now))

    def move_queues(self, state: SaleState, now: datetime) -> None:
        """Count each queue of the waitlist at a stock that lacks tickets for it, if there is one.

        Where the stock that counts a queue has tickets and another that its places need has none,
        the other one counts it from then on, so that the public can buy what nobody waits for. So
        does the ticket type if it is not on sale.
        Nothing is written if the event has changed since it was read.
        """
        self._moves.move_queues(state, now, self.correct_clock(now))

    def correct_clock(self, now: datetime) -> datetime:
        """Return this time of the process as the database's clock shows it."""
        return self._server_clock.correct(now)

    def find_ended_event_ids_with_waitlist(
        self, limit: int, without: Sequence[object] = ()
    ) -> list[int]:
        """Return the ids of cancelled and completed events for which somebody still waits.

        Args:
            without: eventIds to leave out.
        """
        return store_waitlists.find_ended_ids_with_waitlist(self._db, limit, without)

    def find_event_ids_with_awaited_over(
        self, now: datetime, limit: int, without: Sequence[object] = ()
    ) -> list[int]:
        """Return the ids of events of which a schedule entry is over that somebody waits for.

        Args:
            without: eventIds to leave out.
        """
        found, after = list[int](), 0
        while len(found) < limit:
            events = store_waitlists.find_schedules_with_entry_over(
                self._db, now, limit, after=after, without=without
            )
            if not events:
                break
            found += [each["eventId"] for each in events if queues.find_awaited_over(each, now)]
            after = events[-1]["eventId"]
        return found[:limit]

    def find_awaited_over(self, event_id: int, now: datetime) -> set[int]:
        """Return the ids of the schedule entries that are over and for which somebody waits.

        Raises:
            EventNotFound: there is no such event.
        """
        return queues.find_awaited_over(self.get_sale_state(event_id, fresh=True), now)

    # Taking tickets.

    def take(
        self, event_id: int, request: TicketRequest, now: datetime
    ) -> tuple[Allocation, SaleState]:
        """Take tickets for one caller as `take_batch` does, but raise the error."""
        outcome = self.take_batch(event_id, [request], now)[0]
        if isinstance(outcome, AppError):
            raise outcome
        return outcome

    def take_batch(
        self, event_id: int, requests: Sequence[TicketRequest], now: datetime
    ) -> list[TakeOutcome]:
        """Take tickets and waitlist positions for many callers in one update, in their order.

        The update adds an in-flight entry for each take and each join. The caller then records the
        booking or waitlist entry and calls `allow_clearing`, or calls `undo`.

        Returns:
            For each request its allocation, which may be empty, with the sale state after the
            update; or NotOnSale, TypeNotOnSale, TicketTypeNotFound, PromoNotFound,
            PromoNotApplicable or PromoExhausted.

        Raises:
            EventNotFound, EventBusy, EventClosed, EventOverloaded: nothing is written for any
                request.
        """
        return self._taker.take_batch(event_id, requests, now)

    def take_for_offer(
        self,
        state: SaleState,
        booking_id: str,
        schedule_id: int,
        type_id: int,
        quantity: int,
        *,
        ends_entry: bool,
        now: datetime,
    ) -> SaleState | None:
        """Hold tickets for an offer to the first waitlist entry.

        Args:
            state: the sale state, just read, that the offer was computed from. If the event was
                edited since, nothing is written.
            booking_id: hex id of the offer to record. It is also the key of the in-flight entry.
            schedule_id: the schedule entry that the offer is for. It must not be over.
            ends_entry: True if the waitlist entry wants no more tickets than this. Then `waiting`
                falls by 1.

        Returns:
            The sale state after the update; None, with nothing written, if a guard failed.
        """
        return self._taker.take_for_offer(
            state, booking_id, schedule_id, type_id, quantity, ends_entry=ends_entry, now=now
        )

    # Completing or undoing what was taken.

    def allow_clearing(self, event_id: int, keys: Iterable[str]) -> None:
        """Let a later write of this process clear these entries: their outcome is recorded."""
        self._clearable.add(event_id, keys)

    def undo(self, event_id: int, key: str) -> None:
        """Undo the take or join of an in-flight entry. Do nothing if the entry is gone.

        Raises:
            EventBusy, EventClosed: nothing is written.
        """
        self._moves.undo(event_id, key)

    def apply_moves(
        self,
        event_id: int,
        moves: Sequence[StockMove],
        now: datetime,
        *,
        find_pending: Callable[[], Container[str]],
    ) -> None:
        """Apply the moves of one event that are not applied yet, in one update.

        Their in-flight entries stay until `allow_clearing`. If the event was deleted, nothing is
        done.

        Args:
            find_pending: returns the keys of the moves that are not yet recorded as applied. It is
                called after the event was read. A move that is pending but had no entry at that
                read was not applied: its entry is cleared only after the move is recorded. The
                guard of the update makes sure that no such entry is added and cleared meanwhile.

        Raises:
            EventBusy, EventClosed: nothing is written.
        """
        self._moves.apply_moves(event_id, moves, now, find_pending=find_pending)


# The inventory of an application.
INVENTORY: AppKey[Inventory] = AppKey("inventory")
