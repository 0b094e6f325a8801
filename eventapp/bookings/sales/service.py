"""Book tickets: take them, store the booking and the waitlist entries, or give them back.

The event's stock and the bookings are separate documents, so a process may die between any two of
the following steps. `bookings.recovery` then completes or undoes the purchase.

1. If the idempotency key has an answer, return that answer.
2. Resolve the purchase to ticket types, quantities and a date. Refusals that need only the event
   are decided here.
3. Take the tickets, and waitlist positions for the rest, in one update of the event that also adds
   an in-flight entry. If the event was edited since step 2, nothing is taken: begin again.
4. Store the booking. If all tickets were granted and the event never had a waitlist, the batch of
   step 3 does this, and the purchase is answered. Otherwise the user's other bookings and waitlist
   entries are checked first.
5. Store the waitlist entries.

A *purchase* is what the client asks for, as parsed from the request. A *sale* is a purchase
resolved against one state of its event. No edit comes between that state and the take, so what the
client gets, and for which price, is decided by it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import NoReturn

from bson import ObjectId

from eventapp.accounts.verification import require_verified_email
from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import (
    AlreadyBooked,
    NoFreeReference,
    OfferUnderWay,
    RequestUnderWay,
    SoldOut,
)
from eventapp.bookings.sales import idempotency, promo_uses, ticket_limit
from eventapp.bookings.sales.attendees import resolve_attendees
from eventapp.bookings.sales.batches import Sale, SaleResult, generate_reference
from eventapp.bookings.sales.idempotency import AnsweredBefore, find_answer
from eventapp.bookings.sales.purchases import (
    Purchase,
    PurchaseAnswer,
    build_answer,
    require_code_key,
    resolve_purchase,
)
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.errors import DatabaseUnavailable, IdempotencyMismatch, ValidationFailed
from eventapp.core.metrics import BOOKINGS
from eventapp.events.attendees import list_answered_ids
from eventapp.events.types import SaleState
from eventapp.inventory.nameable_types import find_unlocked
from eventapp.inventory.service import (
    Allocation,
    EventPast,
    PromoExhausted,
    PromoNotApplicable,
    PromoNotFound,
    TicketLimit,
    TicketMinimum,
    TicketRequest,
    TicketTypeNotFound,
    get_terms,
    make_join_key,
)
from eventapp.inventory.types import Limit
from eventapp.waitlist import joining
from eventapp.waitlist.types import IdempotencyRecord, WaitlistEntry

REFERENCE_ATTEMPTS = 5
# Refusals of a promo code, by which codes could be guessed.
PROMO_REFUSALS = (PromoExhausted, PromoNotApplicable, PromoNotFound)
# Refusals that are decided after tickets or waitlist positions were taken.
LATE_REFUSALS = (
    AlreadyBooked,
    IdempotencyMismatch,
    NoFreeReference,
    OfferUnderWay,
    RequestUnderWay,
    TicketLimit,
    joining.AlreadyWaitlisted,
)


def book(
    context: BookingContext, actor: Actor, purchase: Purchase, now: datetime
) -> PurchaseAnswer:
    """Book tickets for the caller. `shortfall_mode` decides what happens if too few are left.

    Raises:
        EventNotFound, TicketTypeNotFound, ValidationFailed, TicketLimit, NotOnSale, TypeNotOnSale,
            EventPast, SoldOut, AlreadyBooked, AlreadyWaitlisted, OfferUnderWay,
            IdempotencyMismatch, PromoNotFound, PromoNotApplicable, PromoExhausted,
            EmailNotVerified, ScopeMissing: nothing is written, or it is undone.
        EventBusy: nothing is written, or recovery undoes it.
        DatabaseUnavailable: recovery has undone the take.
    """
    user_id = actor.require_user_id()
    actor.require_reach(purchase.event_id)
    if context.limits.requires_verified_email:
        require_verified_email(context.db, user_id)
    with context.inventory.hide_drafts_from(actor, purchase.event_id):
        while True:
            try:
                if answer := _try_to_book(context, actor, purchase, now):
                    return answer
            except PromoExhausted:
                if answer := _await_use(context, user_id, purchase):
                    return answer


def _try_to_book(
    context: BookingContext, actor: Actor, purchase: Purchase, now: datetime
) -> PurchaseAnswer | None:
    """Book tickets as `book` does; return None if the event was edited meanwhile: nothing is taken.

    The metric of bookings is counted, and the booking is reported if there is one.
    """
    if answer := find_answer(context.db, actor.require_user_id(), purchase):
        return answer
    sale = _resolve_sale(context, actor, purchase, now)
    result = context.sales.sell(purchase.event_id, sale)
    if result.event_was_edited:
        return None
    try:
        answer = result.answer or _check_and_record(context, sale, result)
    except AnsweredBefore as answered:
        _undo(context, sale, result.allocation)
        return answered.answer
    except LATE_REFUSALS:
        _undo(context, sale, result.allocation)
        BOOKINGS.labels("refused").inc()
        raise
    BOOKINGS.labels(result.booking["status"] if result.booking else "waitlisted").inc()
    if result.booking:
        context.report_booked(result.event, result.allocation.taken)
    return answer


def _await_use(
    context: BookingContext, user_id: ObjectId, purchase: Purchase
) -> PurchaseAnswer | None:
    """Wait until a use of an exhausted promo code is free, or all of its uses are recorded.

    Returns:
        The answer to a concurrent request with the same key; None if the sale is to be tried again.

    Raises:
        AlreadyBooked: the user has a booking of the event, perhaps with the last use.
        PromoExhausted, PromoNotFound: as `promo_uses.await_use`.
        RequestUnderWay, EventBusy: what uses the code is not recorded in time.
    """
    if answer := idempotency.await_answer(context.db, context.inventory, user_id, purchase):
        return answer
    _refuse_second_booking(context, user_id, purchase)
    promo_uses.await_use(context, purchase)
    return None


def _resolve_sale(context: BookingContext, actor: Actor, purchase: Purchase, now: datetime) -> Sale:
    """Return the sale of a purchase, resolved against the cached sale state of its event.

    A refusal that depends on the event is based on a state that was just read.

    Raises:
        TicketTypeNotFound, ValidationFailed, TicketLimit, TicketMinimum, EventPast, PromoNotFound:
            nothing is written.
    """
    inventory, limits = context.inventory, context.limits
    state = inventory.get_sale_state(purchase.event_id)
    key = require_code_key(purchase.promo_code)
    try:
        items, schedule_entry = resolve_purchase(purchase, state, limits, now)
        attendees = resolve_attendees(purchase.attendees, items, state)
    except (EventPast, TicketLimit, TicketMinimum, TicketTypeNotFound, ValidationFailed):
        # The cached state may be out of date, and has no promo codes, which may unlock a type.
        if key:
            state = inventory.read_with_promo_code(purchase.event_id, key)
        else:
            state = inventory.get_sale_state(purchase.event_id, fresh=True)
        unlocked = find_unlocked(state, key, inventory.correct_clock(now))
        items, schedule_entry = resolve_purchase(purchase, state, limits, now, unlocked)
        attendees = resolve_attendees(purchase.attendees, items, state)
    request = TicketRequest(
        booking_id=str(ObjectId()),
        items=items,
        schedule_id=schedule_entry["scheduleId"],
        held=purchase.hold or _needs_buyer(context, state, items),
        on_shortfall=purchase.shortfall_mode,
        requester=idempotency.build_requester(actor.require_user_id(), purchase),
        waitlist_entry_ids={type_id: str(ObjectId()) for type_id in items},
        terms=get_terms(state),
        moment=now,
        promo_code=key,
        answered=list_answered_ids(chain.from_iterable(attendees.values())),
    )
    provider = context.payments.current
    return Sale(actor, purchase, state, schedule_entry, request, limits, provider, now, attendees)


def _needs_buyer(context: BookingContext, event: SaleState, type_ids: Iterable[int]) -> bool:
    """Return whether the buyer has to pay for tickets of these types at the provider."""
    if context.payments.current.charges_at_once:
        return False
    wanted = set(type_ids)
    return any(each["price"] for each in event["ticketTypes"] if each["ticketTypeId"] in wanted)


def _check_and_record(context: BookingContext, sale: Sale, result: SaleResult) -> PurchaseAnswer:
    """Check a sale whose booking the batch has not stored, record it, and return the answer.

    Raises:
        SoldOut: nothing was taken.
        AnsweredBefore and LATE_REFUSALS: what was taken must be given back.
        DatabaseUnavailable: from `_record_booking`.
    """
    user_id, purchase, allocation = sale.user_id, sale.purchase, result.allocation
    if not allocation.taken and (
        answer := idempotency.await_answer(context.db, context.inventory, user_id, purchase)
    ):
        raise AnsweredBefore(answer)
    if allocation.is_empty:
        _refuse_sold_out(context, sale, result)
    if allocation.waitlisted or result.event.get("hadWaitlist"):
        ticket_limit.refuse_over_limit(context, user_id, purchase, allocation, result.event)
    if allocation.waitlisted:
        allocation = _undo_duplicate_joins(context, sale, allocation)
    return _record_purchase(context, sale, replace(result, allocation=allocation))


def _refuse_sold_out(context: BookingContext, sale: Sale, result: SaleResult) -> NoReturn:
    """Refuse a sale that got neither tickets nor a waitlist position.

    Raises:
        AlreadyBooked: the user has made a booking of the event. To a request that is repeated, this
            says more than SoldOut.
        SoldOut: the user has not.
    """
    _refuse_second_booking(context, sale.user_id, sale.purchase)
    BOOKINGS.labels("sold_out").inc()
    names = {each["ticketTypeId"]: each["type"] for each in result.event["ticketTypes"]}
    available = result.allocation.available
    raise SoldOut(
        available=sum(available.values()),
        ticketTypes=[
            {"ticketTypeId": type_id, "type": names[type_id], "availableTickets": quantity}
            for type_id, quantity in available.items()
        ],
        limitedBy=_present_limits(
            result.allocation.limited_by,
            with_quotas=sale.actor.may_manage_event(
                sale.purchase.event_id, result.event["organizerId"]
            ),
        ),
    )


def _present_limits(limits: Iterable[Limit], *, with_quotas: bool) -> list[dict[str, int]]:
    """Return what limits a sale as answers show it; only those who manage the event see quotas."""
    return [
        {"ticketTypeId": limit.type_id, "quotaId": limit.quota_id}
        if with_quotas and limit.quota_id is not None
        else {"ticketTypeId": limit.type_id}
        for limit in limits
    ]


def _refuse_second_booking(context: BookingContext, user_id: ObjectId, purchase: Purchase) -> None:
    active = store.find_active_bookings(context.db, user_id, purchase.event_id)
    if rules.has_direct_booking(active):
        raise AlreadyBooked


def _undo_duplicate_joins(
    context: BookingContext, sale: Sale, allocation: Allocation
) -> Allocation:
    """Undo the join of each ticket type that the user waits for at this schedule entry already.

    Returns:
        The allocation without these joins.

    Raises:
        AlreadyWaitlisted, AnsweredBefore: nothing of the allocation remains.
    """
    event_id = sale.purchase.event_id
    schedule_id = sale.request.schedule_id
    waited = joining.find_waited_type_ids(context.db, sale.user_id, event_id, schedule_id)
    dropped = waited & allocation.waitlisted.keys()
    for type_id in dropped:
        context.inventory.undo(event_id, make_join_key(sale.request.waitlist_entry_ids[type_id]))
    kept = {id_: each for id_, each in allocation.waitlisted.items() if id_ not in dropped}
    if not kept and not allocation.taken:
        idempotency.raise_if_answered(context.db, sale.user_id, sale.purchase)
        raise joining.AlreadyWaitlisted
    return replace(allocation, waitlisted=kept)


def _record_purchase(context: BookingContext, sale: Sale, result: SaleResult) -> PurchaseAnswer:
    """Store the booking and the waitlist entries, and return the answer.

    Raises:
        AlreadyBooked, AlreadyWaitlisted, AnsweredBefore, IdempotencyMismatch, DatabaseUnavailable:
            nothing is stored.
    """
    booking = result.booking
    entries = joining.build_entries(
        sale.request,
        result.allocation,
        result.event,
        user_id=sale.user_id,
        now=sale.now,
        attendees=sale.attendees,
    )
    answer = build_answer(booking, [shown for _, shown in entries])
    record = idempotency.build_record(sale.purchase, answer)
    if booking:
        if record:
            booking["idempotency"] = record
        _record_booking(context, sale, booking, answer)
        context.inventory.allow_clearing(sale.purchase.event_id, [sale.request.booking_id])
    _record_entries(context, sale, [entry for entry, _ in entries], record, booking)
    return answer


def _record_booking(
    context: BookingContext, sale: Sale, booking: StoredBooking, answer: PurchaseAnswer
) -> None:
    """Store the booking. If its reference is in use, replace it, in the answer as well.

    Raises:
        AlreadyBooked, AnsweredBefore: a concurrent request of the user has booked first.
        NoFreeReference: each of REFERENCE_ATTEMPTS references is in use.
        DatabaseUnavailable: this process was suspended for so long that recovery has given the
            tickets back.
    """
    for _attempt in range(REFERENCE_ATTEMPTS):
        if context.sales.record(booking):
            return
        if store.has_tombstone(context.db, booking["_id"]):
            raise DatabaseUnavailable  # A temporary failure: the client may send it again.
        idempotency.raise_if_answered(context.db, sale.user_id, sale.purchase)
        _refuse_second_booking(context, sale.user_id, sale.purchase)
        reference = generate_reference()
        booking["bookingReference"] = answer.data["booking"]["bookingReference"] = reference
    raise NoFreeReference


def _record_entries(
    context: BookingContext,
    sale: Sale,
    entries: Sequence[WaitlistEntry],
    record: IdempotencyRecord | None,
    booking: StoredBooking | None,
) -> None:
    """Store the waitlist entries, except for ticket types that the user waits for already.

    If there is no booking, the first entry that is stored holds the idempotency record.

    Raises:
        AlreadyWaitlisted, AnsweredBefore: neither a booking nor an entry was stored.
    """
    is_anything_stored = booking is not None
    for entry in entries:
        if record and not is_anything_stored:
            entry["idempotency"] = record
        if joining.record_entry(context.db, context.inventory, entry):
            is_anything_stored = True
        elif not is_anything_stored:
            idempotency.raise_if_answered(context.db, sale.user_id, sale.purchase)
    if not is_anything_stored:
        raise joining.make_refusal(context.db, entries[0]["_id"])


def _undo(context: BookingContext, sale: Sale, allocation: Allocation) -> None:
    """Undo the take and the joins of a sale, unless they are undone already."""
    event_id = sale.purchase.event_id
    for type_id in allocation.waitlisted:
        context.inventory.undo(event_id, make_join_key(sale.request.waitlist_entry_ids[type_id]))
    if allocation.taken:
        context.inventory.undo(event_id, sale.request.booking_id)
