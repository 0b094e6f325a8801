"""Take tickets and give them back, so that none is ever sold twice or lost.

All changes of the stock of events, except by edits, go through `Inventory`. `inventory.store`
describes the protocol of its writes, and what happens when two processes sell the last ticket.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TypeAlias

from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.errors import AppError
from eventapp.core.failpoints import failpoint
from eventapp.core.lru_cache import LRUCache
from eventapp.core.metrics import STOCK_CONFLICTS
from eventapp.events.changes import NO_EVENT_CACHE, EventChanges
from eventapp.events.closures import ClosureWait
from eventapp.events.service import (
    EventBusy,
    EventClosed,
    EventNotFound,
    EventOverloaded,
    TicketTypeNotFound,
    may_see,
)
from eventapp.events.types import InFlightState, SaleState
from eventapp.inventory import rules, store
from eventapp.inventory.errors import NotOnSale, TicketLimit
from eventapp.inventory.in_flight import MAX_CLEARED_KEYS, ClearableEntries, InFlightEntries
from eventapp.inventory.repairs import StockRepairs
from eventapp.inventory.rules import (
    PARTIAL,
    REJECT,
    WAITLIST,
    WAITLIST_ONLY,
    Allocation,
    StockMove,
    TicketRequest,
    make_join_key,
    make_leave_key,
    parse_document_id,
    start_of_day,
)
from eventapp.inventory.types import Quantities

__all__ = [
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
    "Inventory",
    "NotOnSale",
    "Quantities",
    "StockMove",
    "TicketLimit",
    "TicketRequest",
    "TicketTypeNotFound",
    "make_join_key",
    "make_leave_key",
    "parse_document_id",
    "start_of_day",
]

# On a popular event, other sales may come between a read and its write many times in a row.
UPDATE_ATTEMPTS = 100
# A take whose guard fails as often as this reads whether too many entries are the reason.
MIN_ATTEMPTS_BEFORE_CLEARING = 2
STATES_BYTES = 20_000_000  # of the cached sale states

# The outcome of one request: its allocation with the sale state after the update, or the error.
TakeOutcome: TypeAlias = tuple[Allocation, SaleState] | AppError


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

    def __init__(self, db: Db, event_changes: EventChanges = NO_EVENT_CACHE) -> None:
        """Open the inventory of `db`; `event_changes` receives each change of the stock."""
        self.in_flight_entries = InFlightEntries(db)
        self.repairs = StockRepairs(db)
        self._db = db
        self._event_changes = event_changes
        self._clearable = ClearableEntries()
        self._states: LRUCache[int, SaleState] = LRUCache(STATES_BYTES, rules.get_state_bytes)

    # Reading.

    def get_sale_state(self, event_id: int, *, fresh: bool = False) -> SaleState:
        """Return what a sale needs to know of the event, from the cache unless `fresh`.

        Raises:
            EventNotFound: there is no such event.
        """
        cached = None if fresh else self._states.get(event_id)
        return cached or self._read(event_id)

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
        today = start_of_day(now)
        return store.find_ids_to_offer(self._db, today, limit, after=after, without=without)

    def find_ended_event_ids_with_waitlist(
        self, limit: int, without: Sequence[object] = ()
    ) -> list[int]:
        """Return the ids of cancelled and completed events for which somebody still waits.

        Args:
            without: eventIds to leave out.
        """
        return store.find_ended_ids_with_waitlist(self._db, limit, without)

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
            update; or NotOnSale or TicketTypeNotFound.

        Raises:
            EventNotFound, EventBusy, EventClosed, EventOverloaded: nothing is written for any
                request.
        """
        state, is_fresh, wait = self.get_sale_state(event_id), False, ClosureWait(now)
        for attempt in range(UPDATE_ATTEMPTS):
            outcomes = self._try_to_take(state, requests, wait.clock(), is_fresh=is_fresh)
            if outcomes is not None:
                return outcomes
            state, is_fresh = self._read(event_id), True
            wait.pause_if_closed(state)
            if attempt >= MIN_ATTEMPTS_BEFORE_CLEARING:
                self.in_flight_entries.make_room(event_id, self._clearable)
        raise EventBusy

    def _try_to_take(
        self, state: SaleState, requests: Sequence[TicketRequest], now: datetime, *, is_fresh: bool
    ) -> list[TakeOutcome] | None:
        """Take tickets as `take_batch` does, once.

        Args:
            is_fresh: False if `state` is from the cache and may be out of date. It then decides no
                refusal, no shortfall and no waitlist position.

        Returns:
            The outcomes; None, with nothing written, if the event must be read and tried again.
        """
        if not rules.is_on_sale(state, start_of_day(now)):
            return [NotOnSale() for _ in requests] if is_fresh else None
        allocations = rules.allocate(state, requests)
        if not is_fresh and not rules.grants_all(requests, allocations):
            return None
        after = self._write_take(state, requests, allocations, now)
        if after is None:
            STOCK_CONFLICTS.inc()
            return None
        return [_build_outcome(allocation, after) for allocation in allocations]

    def _write_take(
        self,
        state: SaleState,
        requests: Sequence[TicketRequest],
        allocations: Sequence[Allocation],
        now: datetime,
    ) -> SaleState | None:
        """Write all grants in one update.

        Returns:
            The sale state after the update; `state` itself if nothing is granted; None, with
            nothing written, if a guard failed.
        """
        pairs = zip(requests, allocations, strict=True)
        grants = [(request, allocation) for request, allocation in pairs if not allocation.is_empty]
        if not grants:
            return state
        changes = rules.compute_sale_changes(state, grants)
        has_joins = any(allocation.waitlisted for _, allocation in grants)
        keys_to_clear = self._clearable.pop(state["eventId"])
        after = store.update_stock(
            self._db,
            state,
            changes,
            guards={
                **store.build_sale_guards(state, changes),
                **store.build_room_guard(),
                **store.build_on_sale_guard(start_of_day(now)),
            },
            new_entries=rules.build_sale_entries(grants, now),
            now=now,
            cleared_keys=keys_to_clear,
            fields={"hadWaitlist": True} if has_joins else None,
        )
        if after:
            failpoint("take")
            self._publish(after)
        else:
            self._clearable.add(state["eventId"], keys_to_clear)
        return after

    def take_for_offer(
        self,
        event_id: int,
        booking_id: str,
        type_id: int,
        quantity: int,
        *,
        ends_entry: bool,
        now: datetime,
    ) -> SaleState | None:
        """Hold tickets for an offer to the first waitlist entry.

        Args:
            booking_id: hex id of the offer to record. It is also the key of the in-flight entry.
            ends_entry: True if the waitlist entry wants no more tickets than this. Then `waiting`
                falls by 1.

        Returns:
            The sale state after the update; None, with nothing written, if a guard failed.

        Raises:
            EventNotFound: there is no such event.
        """
        state = self._read(event_id)
        index = rules.index_types(state)[type_id]
        after = store.update_stock(
            self._db,
            state,
            rules.compute_offer_changes(index, quantity, ends_entry=ends_entry),
            guards={
                **store.build_offer_guards(index, quantity),
                **store.build_room_guard(),
                **store.build_on_sale_guard(start_of_day(now)),
            },
            new_entries={
                booking_id: rules.build_offer_entry(
                    type_id, quantity, ends_entry=ends_entry, now=now
                )
            },
            now=now,
        )
        if after:
            failpoint("offer-take")
            self._publish(after)
        return after

    # Completing or undoing what was taken.

    def allow_clearing(self, event_id: int, keys: Iterable[str]) -> None:
        """Let a later write of this process clear these entries: their outcome is recorded."""
        self._clearable.add(event_id, keys)

    def undo(self, event_id: int, key: str) -> None:
        """Undo the take or join of an in-flight entry. Do nothing if the entry is gone.

        Raises:
            EventBusy, EventClosed: nothing is written.
        """
        wait = ClosureWait(utc_now())
        for _attempt in range(UPDATE_ATTEMPTS):
            event = self.in_flight_entries.find_event(event_id)
            entry = event["inFlight"].get(key) if event else None
            if not event or not entry:
                return
            wait.pause_if_closed(event)
            after = store.update_stock(
                self._db,
                event,
                rules.sum_changes_by_index(event, rules.compute_reversal(entry)),
                guards=store.build_exists_guard(key),
                now=wait.clock(),
                cleared_keys=[key],
            )
            if after:
                failpoint("undo")
                self._publish(after)
                return
        raise EventBusy

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
        wait = ClosureWait(now)
        for _attempt in range(UPDATE_ATTEMPTS):
            event = self.in_flight_entries.find_event(event_id)
            without_entry = [m for m in moves if event and m.key not in event["inFlight"]]
            if not event or not without_entry:
                return
            wait.pause_if_closed(event)
            pending = find_pending()
            unapplied = [move for move in without_entry if move.key in pending]
            if not unapplied or self._write_moves(event, unapplied, wait.clock()):
                return
        raise EventBusy

    def _write_moves(self, event: InFlightState, moves: Sequence[StockMove], now: datetime) -> bool:
        """Write moves in one update. Return False, with nothing written, if a guard failed."""
        event_id = event["eventId"]
        # Clearing entries makes concurrent moves fail and repeat, so it is done for many together.
        keys_to_clear = self._clearable.pop(event_id, at_least=MAX_CLEARED_KEYS)
        after = store.update_stock(
            self._db,
            event,
            rules.sum_changes_by_index(event, *(move.changes for move in moves)),
            guards=store.build_never_existed_guard(event, [move.key for move in moves]),
            new_entries={move.key: move.to_entry(now) for move in moves},
            now=now,
            cleared_keys=keys_to_clear,
        )
        if not after:
            self._clearable.add(event_id, keys_to_clear)
            return False
        failpoint("move")
        self._publish(after)
        return True

    # The cached sale states.

    def _read(self, event_id: int) -> SaleState:
        state = store.find_sale_state(self._db, event_id)
        if state is None:
            self.invalidate(event_id)
            raise EventNotFound
        self._states.put(event_id, state)
        return state

    def _publish(self, state: SaleState) -> None:
        self._states.put(state["eventId"], state)
        self._event_changes.stock_changed(state)


# The inventory of an application.
INVENTORY: AppKey[Inventory] = AppKey("inventory")


def _build_outcome(allocation: Allocation, state: SaleState) -> TakeOutcome:
    if allocation.unknown_type_id is not None:
        return TicketTypeNotFound()
    return allocation, state
