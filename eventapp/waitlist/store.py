"""The stored waitlists: one document for each entry.

The queue of a ticket type and schedule entry consists of their entries with `active: true`, ordered
by `sequence`. The update of the event that counts the entry assigns that number (see
`eventapp.inventory.store`).
`offering` is the claim of a process that is making an offer from the entry.

`restock` is the state of an ended entry's leave: "due" while it is pending, "done" once it is
applied, which lowers the event's `waiting`.

A tombstone is a document with an entry's id and `void: true`. The worker inserts it before it
undoes a join that was never recorded. A process that was only suspended can then not store the
entry afterwards, because the id is taken.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.core.database import (
    Db,
    Query,
    exclude_ids,
    insert_unordered,
)
from eventapp.waitlist.types import CloseReason, EntryPosition, EntryStatus, WaitlistEntry

INDEXES = {
    "waitlist": [
        IndexModel(
            [
                ("userId", ASCENDING),
                ("eventId", ASCENDING),
                ("scheduleId", ASCENDING),
                ("ticketTypeId", ASCENDING),
            ],
            name="one_active_place",
            unique=True,
            partialFilterExpression={"active": True},
        ),
        IndexModel(
            [
                ("eventId", ASCENDING),
                ("ticketTypeId", ASCENDING),
                ("active", ASCENDING),
                ("sequence", ASCENDING),
            ],
            name="queue",
        ),
        # The order in which an event's entries are offered tickets, whatever they wait for.
        IndexModel(
            [
                ("eventId", ASCENDING),
                ("active", ASCENDING),
                ("sequence", ASCENDING),
                ("_id", ASCENDING),
            ],
            name="order",
        ),
        # For audits: its keys never change (see `waitlist.store_audits`).
        IndexModel([("eventId", ASCENDING), ("_id", ASCENDING)], name="event"),
        IndexModel([("userId", ASCENDING), ("joinedAt", DESCENDING)], name="user"),
        IndexModel(
            [("userId", ASCENDING), ("active", ASCENDING), ("_id", DESCENDING)], name="user_active"
        ),
        IndexModel(
            [("userId", ASCENDING), ("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
        IndexModel(
            [("restock", ASCENDING)],
            name="restock_due",
            partialFilterExpression={"restock": "due"},
        ),
        IndexModel([("offering.at", ASCENDING)], name="offering", sparse=True),
        IndexModel([("tellAt", ASCENDING)], name="tell", sparse=True),
        IndexModel([("offering.bookingId", ASCENDING)], name="offered_as", sparse=True),
    ]
}
# Allowed one active entry of a user and ticket type, whatever the schedule entry.
RETIRED_INDEXES = {"waitlist": ["one_active_entry"]}
# How many queues one query counts.
QUEUES_PER_QUERY = 100
# What else is removed from an entry when its user is deleted.
PERSONAL_FIELDS = {"idempotency": "", "attendees": "", "holderIsShown": ""}
# Matches active entries from which no process is making an offer.
UNCLAIMED: Query = {"active": True, "offering": {"$exists": False}}


def _entries(db: Db) -> Collection[WaitlistEntry]:
    return cast(Collection[WaitlistEntry], db.waitlist)


def insert_entry(db: Db, entry: WaitlistEntry) -> bool:
    """Store the entry.

    Returns:
        False, with nothing written, if the user waits for this ticket type and schedule entry
        already, has used the idempotency key, or there is a tombstone under the entry's id.

    Raises:
        AutoReconnect: it is unknown whether the entry is stored.
    """
    return insert_unordered(_entries(db), [entry])[0]


def insert_tombstone(db: Db, entry_id: ObjectId) -> bool:
    """Insert a tombstone, also if there is one already; return False if the entry is stored.

    Raises:
        AutoReconnect: it is unknown whether there is a tombstone.
    """
    return insert_unordered(db.waitlist, [{"_id": entry_id, "void": True}])[0]


def has_tombstone(db: Db, entry_id: ObjectId) -> bool:
    """Return whether there is a tombstone under this id."""
    return db.waitlist.count_documents({"_id": entry_id, "void": True}, limit=1) == 1


def find_entry(db: Db, entry_id: ObjectId) -> WaitlistEntry | None:
    """Return the entry; None for a tombstone."""
    return _entries(db).find_one({"_id": entry_id, "void": {"$ne": True}})


def find_by_idempotency_key(db: Db, user_id: ObjectId, key: str) -> WaitlistEntry | None:
    """Return the entry that the user made with this idempotency key."""
    return _entries(db).find_one({"userId": user_id, "idempotency.key": key})


def find_active_of_user(
    db: Db, user_id: ObjectId, *, before: ObjectId | None, skip: int, limit: int
) -> list[WaitlistEntry]:
    """Return the user's active entries, newest first.

    Args:
        before: return only entries with a lower id than this.
    """
    active: Query = {"userId": user_id, "active": True}
    if before is not None:
        active["_id"] = {"$lt": before}
    return list(_entries(db).find(active).sort("_id", DESCENDING).skip(skip).limit(limit))


def find_all_active_of_user(db: Db, user_id: ObjectId) -> list[WaitlistEntry]:
    """Return all active entries of the user."""
    return list(_entries(db).find({"userId": user_id, "active": True}))


def count_active_of_user(db: Db, user_id: ObjectId, limit: int) -> int:
    """Return the number of the user's active entries, counted up to `limit`."""
    return db.waitlist.count_documents({"userId": user_id, "active": True}, limit=limit)


def find_all_of_user(db: Db, user_id: ObjectId) -> list[WaitlistEntry]:
    """Return the user's entries, ended ones too, newest first."""
    newest_first = [("joinedAt", DESCENDING), ("_id", DESCENDING)]
    return list(_entries(db).find({"userId": user_id}).sort(newest_first))


def find_active_of_user_and_event(
    db: Db, user_id: ObjectId, event_id: int, schedule_id: int | None = None
) -> list[WaitlistEntry]:
    """Return the user's active entries for one event.

    Args:
        schedule_id: return only those for this schedule entry; None for all.
    """
    where: Query = {"userId": user_id, "eventId": event_id, "active": True}
    if schedule_id is not None:
        where["scheduleId"] = schedule_id
    return list(_entries(db).find(where))


def find_active_of_event(
    db: Db, event_id: int, limit: int, schedule_ids: Iterable[int] | None = None
) -> list[WaitlistEntry]:
    """Return active entries of an event, in no particular order.

    Args:
        schedule_ids: return only those for these schedule entries; None for all.
    """
    where: Query = {"eventId": event_id, "active": True}
    if schedule_ids is not None:
        where["scheduleId"] = {"$in": list(schedule_ids)}
    return list(_entries(db).find(where).limit(limit))


def find_active_in_order(
    db: Db, event_id: int, after: EntryPosition | None, limit: int
) -> list[WaitlistEntry]:
    """Return active entries of an event, who joined first first.

    Args:
        after: the position of the entry after which they begin; None for all.
    """
    where: Query = {"eventId": event_id, "active": True}
    if after:
        later = [{"sequence": {"$gt": after.sequence}}, {"_id": {"$gt": after.entry_id}}]
        where |= {"sequence": {"$gte": after.sequence}, "$or": later}
    order = [("sequence", ASCENDING), ("_id", ASCENDING)]
    return list(_entries(db).find(where).sort(order).limit(limit))


def find_first_entry(
    db: Db, event_id: int, max_quantities: Mapping[tuple[int, int], int | None]
) -> WaitlistEntry | None:
    """Return the active entry with the lowest sequence number of several queues of an event.

    Args:
        max_quantities: by (scheduleId, ticketTypeId) of each queue, at least one. Entries that want
            more tickets are left out; None for no limit.
    """
    queues: list[Query] = []
    for (schedule_id, type_id), maximum in max_quantities.items():
        limit: Query = {} if maximum is None else {"quantity": {"$lte": maximum}}
        queues.append({"scheduleId": schedule_id, "ticketTypeId": type_id, **limit})
    where = {"eventId": event_id, "active": True, "$or": queues}
    return _entries(db).find_one(where, sort=[("sequence", ASCENDING), ("_id", ASCENDING)])


def count_ahead(db: Db, entries: Sequence[WaitlistEntry]) -> dict[ObjectId, int]:
    """Return the number of active entries before each of these in its queue, by entry id.

    Args:
        entries: active entries, of whom each queue has at most one.
    """
    entry_ids = {
        (each["eventId"], each["ticketTypeId"], each.get("scheduleId")): each["_id"]
        for each in entries
    }
    ahead = dict.fromkeys(entry_ids.values(), 0)
    key = {"event": "$eventId", "type": "$ticketTypeId", "schedule": "$scheduleId"}
    for first in range(0, len(entries), QUEUES_PER_QUERY):
        queues = [_build_filter_ahead(each) for each in entries[first : first + QUEUES_PER_QUERY]]
        stages: list[Query] = [
            {"$match": {"$or": queues}},
            {"$group": {"_id": key, "n": {"$sum": 1}}},
        ]
        for group in db.waitlist.aggregate(stages):
            queue = group["_id"]
            ahead[entry_ids[queue["event"], queue["type"], queue.get("schedule")]] = group["n"]
    return ahead


def _build_filter_ahead(entry: WaitlistEntry) -> Query:
    return {
        "eventId": entry["eventId"],
        "ticketTypeId": entry["ticketTypeId"],
        "scheduleId": entry.get("scheduleId"),
        "active": True,
        "sequence": {"$lt": entry["sequence"]},
    }


def claim_for_offer(
    db: Db, entry_id: ObjectId, booking_id: ObjectId, now: datetime
) -> WaitlistEntry | None:
    """Claim the entry and return it; return None if it has ended or is claimed."""
    return _entries(db).find_one_and_update(
        {"_id": entry_id, **UNCLAIMED},
        {"$set": {"offering": {"bookingId": booking_id, "at": now}}},
        return_document=ReturnDocument.AFTER,
    )


def release_claim(db: Db, entry_id: ObjectId, booking_id: ObjectId) -> None:
    """Remove the claim for this booking if the entry still has it."""
    db.waitlist.update_one(
        {"_id": entry_id, "offering.bookingId": booking_id}, {"$unset": {"offering": ""}}
    )


def subtract_offer(
    db: Db,
    entry_id: ObjectId,
    booking_id: ObjectId,
    quantity: int,
    *,
    ends_entry: bool,
    now: datetime,
) -> None:
    """Replace the claim for this booking by the offer, if the entry still has the claim.

    Args:
        quantity: tickets offered.
        ends_entry: True to end the entry, which then wants no more tickets.
    """
    fields: Query = {"updatedAt": now}
    removed = {"offering": ""}
    if ends_entry:
        fields |= {"active": False, "status": "offered"}
        removed["attendees"] = ""
    db.waitlist.update_one(
        {"_id": entry_id, "offering.bookingId": booking_id},
        {
            "$inc": {"quantity": -quantity},
            "$push": {"offers": booking_id},
            "$set": fields,
            "$unset": removed,
        },
    )


def find_claims_before(
    db: Db, before: datetime, limit: int, without: Sequence[object] = ()
) -> list[WaitlistEntry]:
    """Return entries that were claimed before this time and still are, the oldest claim first.

    Args:
        without: ids of entries to leave out.
    """
    old = {"offering.at": {"$lt": before}, **exclude_ids(without)}
    return list(_entries(db).find(old).sort("offering.at", ASCENDING).limit(limit))


def is_claimed_for(db: Db, booking_id: ObjectId) -> bool:
    """Return whether an entry is claimed for this booking."""
    return db.waitlist.count_documents({"offering.bookingId": booking_id}, limit=1) == 1


def end_entry(
    db: Db,
    entry_id: ObjectId,
    status: EntryStatus,
    now: datetime,
    reason: CloseReason | None = None,
) -> WaitlistEntry | None:
    """End an entry and return it; return None if it has ended or is claimed for an offer.

    The user of a closed entry is notified later: see `find_untold`.
    """
    fields: Query = {"active": False, "status": status, "restock": "due", "updatedAt": now}
    if status == "closed":
        fields["tellAt"] = now
    if reason:
        fields["closeReason"] = reason
    return _entries(db).find_one_and_update(
        {"_id": entry_id, **UNCLAIMED},
        {"$set": fields, "$unset": {"attendees": ""}},
        return_document=ReturnDocument.AFTER,
    )


def record_leaves_applied(db: Db, entry_ids: Sequence[ObjectId]) -> None:
    """Record that the leaves of these ended entries are applied."""
    db.waitlist.update_many({"_id": {"$in": entry_ids}}, {"$set": {"restock": "done"}})


def find_pending_leave_ids(db: Db, entry_ids: Sequence[ObjectId]) -> list[ObjectId]:
    """Return the ids of the given entries whose leave is not yet recorded as applied."""
    pending = {"_id": {"$in": entry_ids}, "restock": "due"}
    return [entry["_id"] for entry in db.waitlist.find(pending, {"_id": 1})]


def find_pending_leaves_before(
    db: Db, before: datetime, limit: int, without: Sequence[object] = ()
) -> list[WaitlistEntry]:
    """Return entries that ended before this time and have a pending leave, the first ended first.

    Args:
        without: ids of entries to leave out.
    """
    pending = {"restock": "due", "updatedAt": {"$lt": before}, **exclude_ids(without)}
    return list(_entries(db).find(pending).sort("updatedAt", ASCENDING).limit(limit))


# Closed entries whose users have to be told.


def find_untold(db: Db, limit: int, without: Sequence[object]) -> list[WaitlistEntry]:
    """Return entries that were closed and whose users were not told yet, the oldest first.

    Args:
        without: ids of entries to leave out.
    """
    where = {"tellAt": {"$exists": True}, "_id": {"$nin": list(without)}}
    return list(_entries(db).find(where).sort("tellAt", ASCENDING).limit(limit))


def record_told(db: Db, entry_ids: Sequence[ObjectId]) -> None:
    """Record that the users of these entries were told."""
    db.waitlist.update_many({"_id": {"$in": list(entry_ids)}}, {"$unset": {"tellAt": ""}})


def forget_user(db: Db, user_id: ObjectId) -> None:
    """End the user's unclaimed entries, then remove the user's id from all entries.

    An active entry needs a user id that no other active entry has. One that is claimed for an offer
    gets its own id in place of the user's.
    """
    ended = {"active": False, "status": "left", "restock": "due"}
    db.waitlist.update_many({"userId": user_id, **UNCLAIMED}, {"$set": ended})
    db.waitlist.update_many(
        {"userId": user_id, "active": {"$ne": True}},
        {"$set": {"userId": None}, "$unset": PERSONAL_FIELDS},
    )
    for entry in db.waitlist.find({"userId": user_id, "active": True}, {"_id": 1}):
        db.waitlist.update_one(
            {"_id": entry["_id"], "userId": user_id},
            {"$set": {"userId": entry["_id"], "forgotten": True}, "$unset": PERSONAL_FIELDS},
        )
