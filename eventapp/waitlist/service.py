"""End waitlist entries, and claim them for offers.

`eventapp.waitlist.joining` counts an entry in the event's `waiting` and stores it.

An entry *ends* when its user leaves, when all of its tickets are offered, or when the waitlist is
*closed*, which ends all entries of the event, or of one of its dates. Its *leave* is the stock move
that follows, except after an offer: it is first recorded as pending, then applied, which lowers the
event's `waiting`, and then recorded as applied.

An offer is a held booking; `eventapp.bookings.waitlist_offers` makes it. A process claims the entry
first, so that no other process makes an offer from it. At the end it subtracts the offered tickets
from the entry, or releases the claim.
"""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.inventory.service import Inventory, StockMove, make_leave_key
from eventapp.waitlist import store
from eventapp.waitlist.errors import NotOnWaitlist
from eventapp.waitlist.types import CloseReason, EntryStatus, WaitlistEntry

# Re-exported for bookings, which cannot import the module that defines it.
__all__ = ["NotOnWaitlist"]

# Leaves that are applied in one update of the event.
ENTRIES_PER_UPDATE = 200


def is_waiting(db: Db, user_id: ObjectId, event_id: int, schedule_id: int | None = None) -> bool:
    """Return whether the user has an active entry for this event, or schedule entry of it."""
    return bool(store.find_active_of_user_and_event(db, user_id, event_id, schedule_id))


# Ending entries.


def end_entries(
    db: Db,
    inventory: Inventory,
    *,
    user_id: ObjectId,
    event_id: int,
    schedule_id: int | None,
    now: datetime,
) -> int:
    """End the user's active entries for this event, and return how many were ended.

    An entry that is claimed for an offer stays active.

    Args:
        schedule_id: end only those for this schedule entry; None to end all.
    """
    entries = store.find_active_of_user_and_event(db, user_id, event_id, schedule_id)
    return sum(end_entry(db, inventory, entry, "left", now) for entry in entries)


def end_entry(
    db: Db,
    inventory: Inventory,
    entry: WaitlistEntry,
    status: EntryStatus,
    now: datetime,
    reason: CloseReason | None = None,
) -> bool:
    """End an entry exactly once; return False if it has ended or is claimed for an offer.

    Args:
        reason: why it is closed, if it is not because of its event. The user is told of it.
    """
    ended = store.end_entry(db, entry["_id"], status, now, reason)
    if ended is None:
        return False
    failpoint("entry-end")
    apply_leaves(db, inventory, [ended], now)
    return True


def close_waitlist(
    db: Db,
    inventory: Inventory,
    event_id: int,
    now: datetime,
    max_seconds: float = math.inf,
    *,
    schedule_ids: Collection[int] | None = None,
) -> bool:
    """End the entries of an event that is cancelled, past or deleted.

    Args:
        schedule_ids: end only the entries for these schedule entries, which are over; None for all.
        max_seconds: stop after this time. The worker ends the rest, unless the event is deleted.

    Returns:
        Whether no active entry is left. One that is claimed for an offer is not ended.
    """
    deadline = time.monotonic() + max_seconds
    reason: CloseReason | None = None if schedule_ids is None else "entry_over"
    while entries := store.find_active_of_event(db, event_id, ENTRIES_PER_UPDATE, schedule_ids):
        attempts = [store.end_entry(db, entry["_id"], "closed", now, reason) for entry in entries]
        ended = [entry for entry in attempts if entry]
        if not ended:
            return False
        failpoint("entry-end")
        apply_leaves(db, inventory, ended, now)
        if time.monotonic() > deadline:
            return False
    return True


def apply_leaves(
    db: Db, inventory: Inventory, entries: Sequence[WaitlistEntry], now: datetime
) -> None:
    """Apply the leaves of ended entries: lower the event's `waiting`, exactly once for each.

    Args:
        entries: ended entries of one event.
    """
    if not entries:
        return
    event_id, ids = entries[0]["eventId"], [entry["_id"] for entry in entries]
    moves = [
        StockMove.for_leaving(str(each["_id"]), each.get("scheduleId", 0), each["ticketTypeId"])
        for each in entries
    ]

    def find_pending() -> set[str]:
        return {make_leave_key(str(id_)) for id_ in store.find_pending_leave_ids(db, ids)}

    inventory.apply_moves(event_id, moves, now, find_pending=find_pending)
    store.record_leaves_applied(db, ids)
    failpoint("leave-recorded")
    inventory.allow_clearing(event_id, [move.key for move in moves])


# Offers, which `eventapp.bookings.waitlist_offers` makes.


def find_first_entry(
    db: Db, event_id: int, max_quantities: Mapping[tuple[int, int], int | None]
) -> WaitlistEntry | None:
    """Return the first active entry of several queues; arguments as in the store."""
    return store.find_first_entry(db, event_id, max_quantities) if max_quantities else None


def claim_for_offer(
    db: Db, entry: WaitlistEntry, booking_id: ObjectId, now: datetime
) -> WaitlistEntry | None:
    """Claim the entry for an offer with this booking's id.

    Returns:
        The entry with the claim; None if it has ended or another process has claimed it.
    """
    return store.claim_for_offer(db, entry["_id"], booking_id, now)


def release_claim(db: Db, entry_id: ObjectId, booking_id: ObjectId) -> None:
    """Give up the claim for this booking; no offer was made."""
    store.release_claim(db, entry_id, booking_id)


def subtract_offer(
    db: Db, entry_id: ObjectId, booking_id: ObjectId, quantity: int, now: datetime
) -> None:
    """Subtract a recorded offer from its entry and drop the claim, exactly once.

    An entry that wants more tickets keeps its position; else it ends.
    """
    entry = store.find_entry(db, entry_id)
    if entry and "offering" in entry and entry["offering"]["bookingId"] == booking_id:
        ends_entry = entry["quantity"] <= quantity
        store.subtract_offer(db, entry_id, booking_id, quantity, ends_entry=ends_entry, now=now)


def is_claimed_for(db: Db, booking_id: ObjectId) -> bool:
    """Return whether an entry is claimed for the offer with this booking's id."""
    return store.is_claimed_for(db, booking_id)


def is_offer_in_progress(
    db: Db, user_id: ObjectId, event_id: int, *, except_entry: ObjectId | None = None
) -> bool:
    """Return whether an entry of the user for this event is claimed, ignoring `except_entry`."""
    entries = store.find_active_of_user_and_event(db, user_id, event_id)
    return any("offering" in entry for entry in entries if entry["_id"] != except_entry)


# What recovery needs.


def find_pending_leaves_before(
    db: Db, before: datetime, limit: int, without: Sequence[object]
) -> list[WaitlistEntry]:
    """Return entries that ended before this time and whose leave is pending, oldest first.

    Processes that died left these leaves pending, or `forget_user` did. `without` names entries to
    leave out.
    """
    return store.find_pending_leaves_before(db, before, limit, without)


def find_claims_before(
    db: Db, before: datetime, limit: int, without: Sequence[object]
) -> list[WaitlistEntry]:
    """Return entries that were claimed for an offer before this time and still are, oldest first.

    Args:
        without: ids of entries to leave out.
    """
    return store.find_claims_before(db, before, limit, without)


def entry_exists(db: Db, entry_id: ObjectId) -> bool:
    """Return whether an entry, not a tombstone, is stored under this id."""
    return store.find_entry(db, entry_id) is not None


def insert_tombstone(db: Db, entry_id: ObjectId) -> bool:
    """Keep this entry from ever being stored; return False if it is stored already."""
    return store.insert_tombstone(db, entry_id)


def is_leave_pending(db: Db, entry_id: ObjectId) -> bool:
    """Return whether this entry has ended and its leave is not yet recorded as applied."""
    return bool(store.find_pending_leave_ids(db, [entry_id]))


# Personal data.


def forget_user(db: Db, user_id: ObjectId) -> None:
    """End the user's unclaimed entries, and remove the user's id from all entries.

    The worker applies the leaves later. An entry that is claimed for an offer at this moment stays
    active. It is ended when the claim is dropped, and the offer is declined (`is_forgotten`).
    """
    store.forget_user(db, user_id)


def end_all_entries(db: Db, inventory: Inventory, user_id: ObjectId, now: datetime) -> set[int]:
    """End the user's unclaimed entries for all events; return the eventIds of all that were active.

    A user has at most one entry for each ticket type and schedule entry, and few of them.
    """
    event_ids = set()
    for entry in store.find_all_active_of_user(db, user_id):
        end_entry(db, inventory, entry, "left", now)
        event_ids.add(entry["eventId"])
    return event_ids


def is_forgotten(db: Db, entry_id: ObjectId) -> bool:
    """Return whether the user of an entry was deleted while it was claimed for an offer."""
    entry = store.find_entry(db, entry_id)
    return entry is not None and entry.get("forgotten", False)
