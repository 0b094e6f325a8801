"""Take tickets for sales, joins of the waitlist and offers, each time in one guarded update.

What a take writes was computed from a sale state, and a request was resolved against one. The
counter `terms` of the event says whether both still hold: every edit raises it, and no sale does.
So a ticket is never sold at a price, or of a type, that an edit has replaced.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from eventapp.core.database import Db, ServerClock
from eventapp.core.errors import AppError
from eventapp.core.failpoints import failpoint
from eventapp.core.metrics import STOCK_CONFLICTS
from eventapp.events.closures import ClosureWait
from eventapp.events.service import EventBusy, TicketTypeNotFound
from eventapp.events.types import SaleState
from eventapp.inventory import (
    allocation,
    queues,
    rules,
    sale_windows,
    store,
    store_promo_codes,
)
from eventapp.inventory.errors import (
    EventPast,
    NotOnSale,
    PromoExhausted,
    PromoNotApplicable,
    PromoNotFound,
    TypeNotOnSale,
)
from eventapp.inventory.in_flight import ClearableEntries, InFlightEntries
from eventapp.inventory.promo_codes import PromoRefusal
from eventapp.inventory.quotas import compute_quota_changes, get_quotas
from eventapp.inventory.rules import Allocation, TicketRequest
from eventapp.inventory.sale_states import SaleStates
from eventapp.inventory.types import QueueChange

# On a popular event, other sales may come between a read and its write many times in a row.
UPDATE_ATTEMPTS = 100
# A take whose guard fails as often as this reads whether too many entries are the reason.
MIN_ATTEMPTS_BEFORE_CLEARING = 2

# The outcome of one request: its allocation with the sale state after the update, or the error.
TakeOutcome: TypeAlias = tuple[Allocation, SaleState] | AppError


class TicketTaker:
    """Takes tickets of the events of one database; `Inventory` says what its methods do."""

    def __init__(
        self,
        db: Db,
        states: SaleStates,
        in_flight_entries: InFlightEntries,
        clearable: ClearableEntries,
        server_clock: ServerClock,
    ) -> None:
        self._db, self._states, self._server_clock = db, states, server_clock
        self._in_flight_entries, self._clearable = in_flight_entries, clearable

    def take_batch(
        self, event_id: int, requests: Sequence[TicketRequest], now: datetime
    ) -> list[TakeOutcome]:
        """Take tickets and waitlist positions as `Inventory.take_batch` does."""
        requests = [self._correct_moment(request) for request in requests]
        codes = {request.promo_code for request in requests if request.promo_code}
        state, is_fresh, wait = self._states.get(event_id), False, ClosureWait(now)
        # A cached state has the codes of the last take.
        if not codes <= state.get("promoCodes", {}).keys():
            state, is_fresh = self._states.read(event_id, codes), True
        for attempt in range(UPDATE_ATTEMPTS):
            outcomes = self._try_to_take(state, requests, wait.clock(), is_fresh=is_fresh)
            if outcomes is not None:
                return outcomes
            state, is_fresh = self._states.read(event_id, codes), True
            wait.pause_if_closed(state)
            if attempt >= MIN_ATTEMPTS_BEFORE_CLEARING:
                self._in_flight_entries.make_room(event_id, self._clearable)
        raise EventBusy

    def _correct_moment(self, request: TicketRequest) -> TicketRequest:
        """Return the request with its moment by the database's clock."""
        if request.moment is None:
            return request
        return replace(request, moment=self._server_clock.correct(request.moment))

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
        if not rules.is_on_sale(state, now):
            return [NotOnSale() for _ in requests] if is_fresh else None
        allocations = allocation.allocate(state, requests, rules.find_over(state, now))
        if not is_fresh and not rules.grants_all(requests, allocations):
            return None
        if "waitSequence" not in state and any(each.waitlisted for each in allocations):
            raise EventBusy  # Nobody can join before the queues are counted.
        after = self._write_take(state, requests, allocations, now)
        if after is None:
            STOCK_CONFLICTS.inc()
            return None
        return [_build_outcome(each, after) for each in allocations]

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
        grants = [(request, granted) for request, granted in pairs if not granted.is_empty]
        if not grants:
            return state
        changes = rules.compute_sale_changes(state, grants)
        cells = rules.compute_sale_cells(grants)
        places = compute_quota_changes(get_quotas(state), cells)
        promo_uses = rules.count_promo_uses(grants)
        joins = queues.compute_joins(grants)
        keys_to_clear = self._clearable.pop(state["eventId"])
        after = store.update_stock(
            self._db,
            state,
            changes,
            cells=cells,
            quotas=places,
            queues=queues.build_update(state, joins),
            guards={
                **queues.build_sale_guards(state, changes, places, joins),
                **sale_windows.build_window_guards(sale_windows.find_moments(state, grants)),
                **store_promo_codes.build_promo_guards(state, promo_uses),
                **store.build_entry_guards(rules.find_booked_entries(state, [*cells, *joins]), now),
                **store.build_room_guard(),
                **store.build_on_sale_guard(now),
            },
            new_entries=rules.build_sale_entries(grants, now),
            now=now,
            cleared_keys=keys_to_clear,
            fields={
                **({"hadWaitlist": True} if joins else {}),
                **rules.build_answer_marks(state, grants),
            },
            joins=sum(change.number for change in joins.values()),
            promo_uses=promo_uses,
        )
        if after:
            failpoint("take")
            self._states.publish(after)
        else:
            self._clearable.add(state["eventId"], keys_to_clear)
        return after

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
        """Hold tickets for an offer as `Inventory.take_for_offer` does."""
        index, moment = rules.index_types(state)[type_id], self._server_clock.correct(now)
        entry = rules.build_offer_entry(
            schedule_id, type_id, quantity, ends_entry=ends_entry, now=now
        )
        cells = {(schedule_id, type_id): {"held": quantity}}
        places = compute_quota_changes(get_quotas(state), cells)
        left = {(schedule_id, type_id): QueueChange(-1)} if ends_entry else {}
        after = store.update_stock(
            self._db,
            state,
            rules.compute_offer_changes(index, quantity),
            cells=cells,
            quotas=places,
            queues=queues.build_update(state, left),
            guards={
                **queues.build_waiting_guard(schedule_id, type_id),
                **store.build_offer_guards(index, quantity),
                **store.build_quota_offer_guards(places),
                **sale_windows.build_window_guards({index: (moment, moment)}),
                **store.build_entry_guards(rules.find_booked_entries(state, cells), now),
                **store.build_room_guard(),
                **store.build_on_sale_guard(now),
            },
            new_entries={booking_id: entry},
            now=now,
        )
        if after:
            failpoint("offer-take")
            self._states.publish(after)
        return after


def _build_outcome(allocation: Allocation, state: SaleState) -> TakeOutcome:
    if allocation.unknown_type_id is not None:
        return TicketTypeNotFound()
    if closed := allocation.closed_type:
        return TypeNotOnSale(
            ticketTypeId=closed["ticketTypeId"],
            salesFrom=closed.get("salesFrom"),
            salesUntil=closed.get("salesUntil"),
        )
    if allocation.promo_refusal:
        return make_promo_error(allocation.promo_refusal)
    if allocation.entry_is_over:
        return EventPast()
    return allocation, state


def make_promo_error(refusal: PromoRefusal) -> AppError:
    """Return the error that says why a promo code cannot be used."""
    if refusal == "exhausted":
        return PromoExhausted()
    return PromoNotFound() if refusal == "not_found" else PromoNotApplicable()
