"""What the worker does behind the requests: expire, settle what a crash left, serve the waiting.

Each step is safe to be cut off anywhere, to be done again, and to be done by several at once.
"""

from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.bookings import store, waitlist_offers
from eventapp.bookings.event_endings import end_all
from eventapp.bookings.service import Shop
from eventapp.bookings.transitions import expire, settle_due
from eventapp.core.clock import advancing_clock
from eventapp.core.database import Document
from eventapp.events import service as events
from eventapp.waitlist import service as waitlist

# Longer than a request may take: younger marks are somebody's who is still at work.
STANDS_STILL = timedelta(seconds=30)
AT_ONCE, STRUCK_AT_ONCE = 500, 200


def expire_holds(shop: Shop, now: datetime) -> int:
    """End the holds and offers whose time is over, and offer their tickets on; how many."""
    lapsed = store.lapsed(shop.db, now, AT_ONCE)
    clock = advancing_clock(now)
    expired = [booking for booking in lapsed if expire(shop, booking, clock())]
    for event_id in {booking["eventId"] for booking in expired}:
        waitlist_offers.serve_waiting(shop, event_id, clock())
    return len(expired)


def serve_all_waiting(shop: Shop, now: datetime) -> int:
    """Offer tickets wherever some are there for who waits; how many offers."""
    clock = advancing_clock(now)
    return sum(
        waitlist_offers.serve_waiting(shop, event_id, clock())
        for event_id in shop.office.waited_for(AT_ONCE)
    )


def settle(shop: Shop, now: datetime) -> int:
    """Finish or undo what has stood still for 30 s; how many events were touched."""
    before = now - STANDS_STILL
    _finish_moves(shop, before, now)
    _finish_claims(shop, before, now)
    stale = shop.office.with_stale_marks(before, AT_ONCE)
    for event_id in stale:
        _settle_marks(shop, event_id, shop.office.marks_before(event_id, before))
        shop.office.reset_marks_since(event_id)
    return len(stale)


def _finish_moves(shop: Shop, before: datetime, now: datetime) -> None:
    clock = advancing_clock(now)
    for booking in store.with_restock_due(shop.db, before, AT_ONCE):
        settle_due(shop, [booking], clock())
    waitlist.settle(shop.db, shop.office, before=before, now=clock(), limit=AT_ONCE)


def _finish_claims(shop: Shop, before: datetime, now: datetime) -> None:
    """Offers whose making was cut off: count the one that was recorded, else let the entry go."""
    for entry in waitlist.old_claims(shop.db, before, AT_ONCE):
        booking_id = entry["offering"]["bookingId"]
        booking = store.get(shop.db, booking_id)
        if booking:
            offered = booking["offeredQuantity"]
            waitlist.offered(shop.db, entry["_id"], booking_id, offered, now)
        elif store.void(shop.db, booking_id):
            shop.office.undo(entry["eventId"], str(booking_id))
            waitlist.release(shop.db, entry["_id"], booking_id)


def _settle_marks(shop: Shop, event_id: int, marks: dict[str, Document]) -> None:
    """Strike out what is recorded; undo what is not, and never can be from here on."""
    takes = [ObjectId(key) for key, mark in marks.items() if mark["kind"] == "take"]
    booked = {str(id_) for id_ in store.existing(shop.db, takes)}
    done = []
    for key, mark in marks.items():
        kind, _, id_ = key.rpartition("-")
        if key in booked:
            done.append(key)
        elif mark["kind"] == "take":
            if store.void(shop.db, ObjectId(key)):
                shop.office.undo(event_id, key)
        elif mark["kind"] == "enter":
            if waitlist.exists(shop.db, ObjectId(id_)):
                done.append(key)
            elif waitlist.void(shop.db, ObjectId(id_)):
                shop.office.undo(event_id, key)
        elif not _is_due(shop, kind, ObjectId(id_)):
            done.append(key)
    for start in range(0, len(done), STRUCK_AT_ONCE):
        shop.office.strike(event_id, done[start : start + STRUCK_AT_ONCE])


def _is_due(shop: Shop, kind: str, id_: ObjectId) -> bool:
    if kind == "leave":
        return not waitlist.has_left(shop.db, id_)
    booking = store.get(shop.db, id_)
    due = (booking or {}).get("due", {}).get("key") == f"{kind}-{id_}"
    return due and (booking or {}).get("restock") == "due"


def close_past(shop: Shop, now: datetime) -> int:
    """Complete past events and end the waiting for them; how many."""
    completed = events.complete_past(shop.db, now)
    for event_id in shop.office.waited_for_in_vain(AT_ONCE):
        waitlist.close_event(shop.db, shop.office, event_id, now)
    return len(completed)


def close_cancelled(shop: Shop, now: datetime) -> int:
    """End bookings and waiting of cancelled events, those too that a sale under way still made."""
    closing = events.closing(shop.db)
    for event_id, _since in closing:
        # Looked at first: what is recorded after this has its mark until the next round.
        event = shop.office.with_marks(event_id)
        ended = end_all(shop, event_id, "event_cancelled", now)
        waitlist.close_event(shop.db, shop.office, event_id, now)
        if event and not event["inFlight"] and not ended:
            events.closed(shop.db, event_id)
    return len(closing)
