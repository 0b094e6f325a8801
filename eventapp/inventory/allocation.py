"""Decide who gets which tickets: of what is left of each ticket type and of each quota."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence

from eventapp.events.service import find_matching_quotas, list_queues
from eventapp.events.types import SaleState, TicketType
from eventapp.inventory.promo_codes import PromoCodeUses, PromoRefusal
from eventapp.inventory.quotas import get_quotas
from eventapp.inventory.rules import (
    REJECT,
    WAITLIST,
    WAITLIST_ONLY,
    Allocation,
    TicketRequest,
    get_terms,
)
from eventapp.inventory.sale_windows import is_in_window
from eventapp.inventory.types import Limit, WaitlistedPart


def allocate(
    event: SaleState, requests: Sequence[TicketRequest], over: Container[int] = ()
) -> list[Allocation]:
    """Allocate tickets to requests in their order, until no more are available.

    A ticket takes one place of its type and one of each quota that matches its type and its
    schedule entry. Fewer tickets than a booking of the type must have count as none. The ticket
    types of a request are granted in their order, each reducing the quotas before the next.

    While anyone waits for a ticket type or at a quota, requests get no tickets of it: returned
    tickets go to the waitlist first. Requests that were resolved before the last edit get nothing.

    Args:
        over: the ids of the schedule entries that are over. Requests for them get nothing.
    """
    remaining, terms = _Remaining(event), get_terms(event)
    types = {each["ticketTypeId"]: each for each in event["ticketTypes"]}

    def allocate_valid(request: TicketRequest) -> Allocation:
        if request.terms not in (None, terms):
            return Allocation(has_other_terms=True)
        if request.schedule_id in over:
            return Allocation(entry_is_over=True)
        return _find_closed(request, types) or _allocate_one(request, remaining)

    return [allocate_valid(request) for request in requests]


def _find_closed(request: TicketRequest, types: Mapping[int, TicketType]) -> Allocation | None:
    """Return the empty allocation of a request for a type that is not on sale; None without one."""
    if request.moment is None:
        return None
    for type_id in request.items.keys() & types.keys():
        if not is_in_window(types[type_id], request.moment):
            return Allocation(closed_type=types[type_id])
    return None


class _Remaining:
    """What is left of each stock of an event while a batch is allocated.

    Attributes:
        types: the tickets of each type, by ticketTypeId.
        promo_codes: the uses of the promo codes that requests name.
    """

    def __init__(self, event: SaleState) -> None:
        self.types: dict[int, int] = {}
        self._minimums: dict[int, int] = {}
        for each in event["ticketTypes"]:
            type_id = each["ticketTypeId"]
            self.types[type_id] = 0 if each["waiting"] else each["availableTickets"]
            self._minimums[type_id] = each.get("minPerBooking", 1)
        self.promo_codes = PromoCodeUses(event)
        self._quotas = get_quotas(event)
        self._places = [0 if each["waiting"] else each["availableTickets"] for each in self._quotas]
        self._last_sequence = event.get("waitSequence", 0)
        queues = list_queues(event.get("queues", {}))
        # The places of each queue in which somebody waits, and the quota that counts them; None for
        # its ticket type.
        self._waiting = Counter({(each.schedule_id, each.type_id): each.waiting for each in queues})
        self._counted = {(each.schedule_id, each.type_id): each.quota_id for each in queues}

    def get_minimum(self, request: TicketRequest, type_id: int) -> int:
        """Return the fewest tickets of a type that a request must get, if it gets any."""
        return 1 if request.attempt_id else self._minimums[type_id]

    def judge_code(self, request: TicketRequest, type_ids: Iterable[int]) -> PromoRefusal | None:
        """Return why a request cannot use its promo code for tickets of these types; or None."""
        if request.attempt_id:
            return self.promo_codes.judge_retake(request.promo_code)
        return self.promo_codes.judge(request.promo_code, type_ids, request.moment)

    def count(self, schedule_id: int, type_id: int) -> tuple[int, Limit]:
        """Return how many tickets of a type are left for a schedule entry, and what limits them.

        Of several stocks that limit alike, the ticket type is named, else the lowest quotaId.
        """
        left, limit = self.types[type_id], Limit(type_id, None)
        for index in find_matching_quotas(self._quotas, schedule_id, type_id):
            if self._places[index] < left:
                left = self._places[index]
                limit = Limit(type_id, self._quotas[index]["quotaId"])
        return left, limit

    def take(self, schedule_id: int, type_id: int, quantity: int) -> None:
        """Take tickets of all stocks that they need; a negative quantity returns them."""
        self.types[type_id] -= quantity
        for index in find_matching_quotas(self._quotas, schedule_id, type_id):
            self._places[index] -= quantity

    def join(self, schedule_id: int, limit: Limit, quantity: int) -> WaitlistedPart:
        """Add an entry for this many tickets at the end of a queue.

        The queue is counted where it already is or, if it begins, by the stock that limits the
        request. Later requests get no tickets of that stock.
        """
        pair = schedule_id, limit.type_id
        quota_id = self._counted.setdefault(pair, limit.quota_id)
        if quota_id is None:
            self.types[limit.type_id] = 0
        else:
            index = next(i for i, each in enumerate(self._quotas) if each["quotaId"] == quota_id)
            self._places[index] = 0
        self._waiting[pair] += 1
        self._last_sequence += 1
        return WaitlistedPart(quantity, self._last_sequence, self._waiting[pair], quota_id)


def _allocate_one(request: TicketRequest, remaining: _Remaining) -> Allocation:
    """Return the allocation of one request, and take it from `remaining`."""
    wanted, mode = request.items, request.on_shortfall
    refusal = remaining.judge_code(request, wanted)
    if refusal == "not_found":
        return Allocation(promo_refusal=refusal)
    unknown = next((type_id for type_id in wanted if type_id not in remaining.types), None)
    if unknown is None:  # Without a code that unlocks it, a secret type is an unknown one.
        unknown = remaining.promo_codes.find_locked(request.promo_code, wanted)
    if unknown is not None:
        return Allocation(unknown_type_id=unknown)
    if refusal and refusal != "exhausted":  # A used up code refuses only who would get a ticket.
        return Allocation(promo_refusal=refusal)
    available, granted, limits = {}, {}, []
    for type_id, quantity in wanted.items():
        available[type_id], limit = remaining.count(request.schedule_id, type_id)
        granted[type_id] = min(quantity, available[type_id])
        if granted[type_id] < remaining.get_minimum(request, type_id):
            granted[type_id] = 0
        remaining.take(request.schedule_id, type_id, granted[type_id])
        if granted[type_id] < quantity:
            limits.append(limit)
    taken = {type_id: quantity for type_id, quantity in granted.items() if quantity}
    is_refused = mode == REJECT and limits or mode == WAITLIST_ONLY and taken
    refusal = None
    if taken:
        refusal = remaining.judge_code(request, taken)
    if is_refused or refusal:
        for type_id, quantity in granted.items():
            remaining.take(request.schedule_id, type_id, -quantity)
        # That tickets are sold out says more than that the code does not discount the others.
        refusal = None if is_refused else refusal
        return Allocation(available=available, limited_by=tuple(limits), promo_refusal=refusal)
    if taken:
        remaining.promo_codes.add_use(request.promo_code)
    if mode not in (WAITLIST, WAITLIST_ONLY):
        return Allocation(taken, available=available, limited_by=tuple(limits))
    waitlisted = {
        limit.type_id: remaining.join(
            request.schedule_id, limit, wanted[limit.type_id] - granted[limit.type_id]
        )
        for limit in limits
    }
    return Allocation(taken, waitlisted, available, tuple(limits))
