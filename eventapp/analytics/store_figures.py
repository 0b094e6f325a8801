"""Queries for figures that are computed for each request: events, waitlists, users, the server."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo.errors import PyMongoError

from eventapp.analytics.store_sums import BOOKING_STATUSES, build_organizer_filter
from eventapp.analytics.types import (
    DatabaseHealth,
    EventHeading,
    EventsOfStatus,
    EventStock,
    UserSpending,
    WaitlistSums,
)
from eventapp.core.database import Db, Query, is_unavailable

# Expressions that sum up the ticket types of one event.
STOCK: Query = {
    "capacity": {"$sum": "$ticketTypes.capacity"},
    "sold": {"$sum": "$ticketTypes.soldTickets"},
    "held": {"$sum": "$ticketTypes.heldTickets"},
    "available": {"$sum": "$ticketTypes.availableTickets"},
}
HEADING_FIELDS = ("eventId", "title", "organizerId", "organizer", "nextDate", "views")


def sum_events_by_status(db: Db, organizer_id: ObjectId | None) -> dict[str, EventsOfStatus]:
    """Return sums of an organizer's events, or of all events if the id is None, by their status."""
    sums = {name: {"$sum": amount} for name, amount in STOCK.items()}
    counts = {"events": {"$sum": 1}, "views": {"$sum": "$views"}}
    stages: list[Query] = [
        {"$match": build_organizer_filter(organizer_id)},
        {"$group": {"_id": "$status", **counts, **sums}},
    ]
    rows = {row.pop("_id"): row for row in db.events.aggregate(stages)}
    return cast(dict[str, EventsOfStatus], rows)


def find_stock(
    db: Db,
    organizer_id: ObjectId | None = None,
    status: str | None = None,
    *,
    event_ids: Sequence[int] | None = None,
) -> list[EventStock]:
    """Return the stock of each event.

    Args:
        organizer_id: return only events of this organizer.
        status: return only events with this status.
        event_ids: return only these events.
    """
    where = build_organizer_filter(organizer_id)
    if status:
        where["status"] = status
    if event_ids is not None:
        where["eventId"] = {"$in": list(event_ids)}
    fields = {"_id": 0, "eventId": 1, "status": 1, "organizerId": 1, **STOCK}
    rows = db.events.aggregate([{"$match": where}, {"$project": fields}])
    return cast(list[EventStock], list(rows))


def find_headings(db: Db, event_ids: Iterable[int]) -> dict[int, EventHeading]:
    """Return what is shown together with the figures of events, by eventId.

    Events that do not exist are left out.
    """
    where = {"eventId": {"$in": list(event_ids)}}
    found = db.events.find(where, {"_id": 0, **dict.fromkeys(HEADING_FIELDS, 1)})
    return {event["eventId"]: event for event in cast(Iterable[EventHeading], found)}


def sum_waitlists(db: Db, event_ids: Sequence[int] | None) -> list[WaitlistSums]:
    """Return sums of the active waitlist entries of these events, or of all events, by event."""
    where: Query = {"active": True}
    if event_ids is not None:
        where["eventId"] = {"$in": list(event_ids)}
    sums = {
        "entries": {"$sum": 1},
        "tickets": {"$sum": "$quantity"},
        "since": {"$min": "$joinedAt"},
    }
    rows = db.waitlist.aggregate([{"$match": where}, {"$group": {"_id": "$eventId", **sums}}])
    return cast(list[WaitlistSums], [{"eventId": row.pop("_id"), **row} for row in rows])


def count_open_offers(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """Return the number of open waitlist offers by eventId."""
    stages: list[Query] = [
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


def count_users_by_role(db: Db) -> dict[str, int]:
    """Return the number of accounts by role."""
    stages: list[Query] = [{"$group": {"_id": "$role", "users": {"$sum": 1}}}]
    return {row["_id"]: row["users"] for row in db.users.aggregate(stages)}


def count_users_since(db: Db, moment: datetime) -> int:
    """Return the number of accounts that were created at this time or later."""
    return db.users.count_documents({"_id": {"$gte": ObjectId.from_datetime(moment)}})


def count_bookers_since(db: Db, moment: datetime) -> int:
    """Return the number of users who made a booking at this time or later."""
    stages: list[Query] = [
        {"$match": {"createdAt": {"$gte": moment}, "status": {"$in": BOOKING_STATUSES}}},
        {"$group": {"_id": "$userId"}},
        {"$group": {"_id": None, "users": {"$sum": 1}}},
    ]
    return next((row["users"] for row in db.bookings.aggregate(stages)), 0)


def count_favorites(db: Db) -> int:
    """Return the number of favorites of all users and devices."""
    stages: list[Query] = [{"$group": {"_id": None, "favorites": {"$sum": "$count"}}}]
    return next((row["favorites"] for row in db.favorites.aggregate(stages)), 0)


def sum_spending(db: Db, user_ids: Sequence[ObjectId]) -> list[UserSpending]:
    """Return sums of these users' bookings by user and status."""
    stages: list[Query] = [
        {"$match": {"userId": {"$in": list(user_ids)}, "status": {"$in": BOOKING_STATUSES}}},
        {
            "$group": {
                "_id": {"user": "$userId", "status": "$status"},
                "bookings": {"$sum": 1},
                "cents": {"$sum": "$totalCents"},
            }
        },
    ]
    rows = [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]
    return cast(list[UserSpending], rows)


def count_pending_work(db: Db) -> dict[str, int]:
    """Return the amounts of pending background work, by their names in the health report.

    They count events with in-flight entries, pending stock moves, unpaid refunds, open holds, open
    waitlist offers, and cancelled events whose bookings are still being cancelled.
    """
    held = {"status": "held", "expiresAt": {"$exists": True}}
    return {
        "marksInFlight": db.events.count_documents({"marksSince": {"$exists": True}}),
        "movesDue": db.bookings.count_documents({"restock": "due"})
        + db.waitlist.count_documents({"restock": "due"}),
        "refundsDue": db.bookings.count_documents({"refundDueAt": {"$exists": True}}),
        "openHolds": db.bookings.count_documents(held),
        "openOffers": db.bookings.count_documents({**held, "waitlistEntryId": {"$exists": True}}),
        "closingEvents": db.events.count_documents({"closing": {"$exists": True}}),
    }


def ping(db: Db) -> DatabaseHealth:
    """Measure how long the database takes to answer a ping."""
    began = time.perf_counter()
    try:
        db.command("ping")
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        return {"status": "unavailable", "pingMs": None}
    return {"status": "ok", "pingMs": round((time.perf_counter() - began) * 1000, 2)}
