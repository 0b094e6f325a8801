"""Figures of events, of those who wait, and of people, by aggregation."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.core.database import Db, Document

STATUSES = ["confirmed", "held", "cancelled", "expired"]
AMOUNTS = {
    "capacity": {"$sum": "$ticketTypes.capacity"},
    "sold": {"$sum": "$ticketTypes.soldTickets"},
    "held": {"$sum": "$ticketTypes.heldTickets"},
    "available": {"$sum": "$ticketTypes.availableTickets"},
}


def _owned(organizer_id: ObjectId | None) -> Document:
    return {"organizerId": organizer_id} if organizer_id else {}


def totals(db: Db, organizer_id: ObjectId | None) -> dict[str, Document]:
    """By the events' status: `{events, capacity, sold, held, available, views}`."""
    sums = {name: {"$sum": amount} for name, amount in AMOUNTS.items()}
    counts = {"events": {"$sum": 1}, "views": {"$sum": "$views"}}
    stages: list[Document] = [
        {"$match": _owned(organizer_id)},
        {"$group": {"_id": "$status", **counts, **sums}},
    ]
    return {row.pop("_id"): row for row in db.events.aggregate(stages)}


def amounts(db: Db, organizer_id: ObjectId | None, status: str | None = None) -> list[Document]:
    """Of each event `{eventId, status, capacity, sold, held, available}`."""
    where = {**_owned(organizer_id), **({"status": status} if status else {})}
    shown = {"_id": 0, "eventId": 1, "status": 1, **AMOUNTS}
    return list(db.events.aggregate([{"$match": where}, {"$project": shown}]))


def named(db: Db, event_ids: Iterable[int]) -> dict[int, Document]:
    """`{title, organizerId, organizer, nextDate, views}` by eventId, of those that exist."""
    names = ("eventId", "title", "organizerId", "organizer", "nextDate", "views")
    ids = {"eventId": {"$in": list(event_ids)}}
    found = db.events.find(ids, {"_id": 0, **dict.fromkeys(names, 1)})
    return {event["eventId"]: event for event in found}


def waited_for(db: Db, organizer_id: ObjectId | None) -> list[int] | None:
    """The organizer's events that were ever waited for; None stands for all events."""
    if organizer_id is None:
        return None
    asked = {"organizerId": organizer_id, "hadWaitlist": True}
    return [event["eventId"] for event in db.events.find(asked, {"eventId": 1})]


def waiting(db: Db, event_ids: Sequence[int] | None) -> list[Document]:
    """Who waits, by event: `{eventId, entries, tickets, since}`; of all events if None."""
    where: Document = {"active": True}
    if event_ids is not None:
        where["eventId"] = {"$in": list(event_ids)}
    sums = {
        "entries": {"$sum": 1},
        "tickets": {"$sum": "$quantity"},
        "since": {"$min": "$joinedAt"},
    }
    rows = db.waitlist.aggregate([{"$match": where}, {"$group": {"_id": "$eventId", **sums}}])
    return [{"eventId": row.pop("_id"), **row} for row in rows]


def open_offers(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """How many offers of the waitlist are open, by event."""
    stages: list[Document] = [
        {
            "$match": {
                "status": "held",
                "eventId": {"$in": list(event_ids)},
                "waitlistEntryId": {"$exists": True},
            }
        },
        {"$group": {"_id": "$eventId", "offers": {"$sum": 1}}},
    ]
    return {row["_id"]: row["offers"] for row in db.bookings.aggregate(stages)}


def roles(db: Db) -> dict[str, int]:
    """How many accounts there are, by role."""
    stages: list[Document] = [{"$group": {"_id": "$role", "users": {"$sum": 1}}}]
    return {row["_id"]: row["users"] for row in db.users.aggregate(stages)}


def signed_up_since(db: Db, moment: datetime) -> int:
    """How many accounts were made at that time or later."""
    return db.users.count_documents({"_id": {"$gte": ObjectId.from_datetime(moment)}})


def bookers_since(db: Db, moment: datetime) -> int:
    """How many people made a booking at that time or later."""
    stages: list[Document] = [
        {"$match": {"createdAt": {"$gte": moment}, "status": {"$in": STATUSES}}},
        {"$group": {"_id": "$userId"}},
        {"$group": {"_id": None, "people": {"$sum": 1}}},
    ]
    return next((row["people"] for row in db.bookings.aggregate(stages)), 0)


def favorites(db: Db) -> int:
    """How many favorites there are, of all who have any."""
    stages: list[Document] = [{"$group": {"_id": None, "favorites": {"$sum": "$count"}}}]
    return next((row["favorites"] for row in db.favorites.aggregate(stages)), 0)


def spending(db: Db, user_ids: Sequence[ObjectId]) -> list[Document]:
    """Of each of these people's bookings, by status: `{user, status, bookings, cents}`."""
    stages: list[Document] = [
        {"$match": {"userId": {"$in": list(user_ids)}, "status": {"$in": STATUSES}}},
        {
            "$group": {
                "_id": {"user": "$userId", "status": "$status"},
                "bookings": {"$sum": 1},
                "cents": {"$sum": "$totalCents"},
            }
        },
    ]
    return [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]


def queues(db: Db) -> dict[str, int]:
    """What waits to be done: marks in flight, moves due, holds and offers open."""
    held = {"status": "held", "expiresAt": {"$exists": True}}
    return {
        "marksInFlight": db.events.count_documents({"marksSince": {"$exists": True}}),
        "movesDue": db.bookings.count_documents({"restock": "due"})
        + db.waitlist.count_documents({"restock": "due"}),
        "openHolds": db.bookings.count_documents(held),
        "openOffers": db.bookings.count_documents({**held, "waitlistEntryId": {"$exists": True}}),
        "closingEvents": db.events.count_documents({"closing": {"$exists": True}}),
    }
