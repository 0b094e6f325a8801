"""Sums over the bookings of one event."""

from eventapp.core.mongo import Db, Document

STATUSES = ["confirmed", "held", "cancelled", "expired"]


def by_day(db: Db, event_id: int) -> list[Document]:
    """By UTC day and status: `{day, status, bookings, tickets, cents}`."""
    day = {"$dateToString": {"format": "%Y-%m-%d", "date": "$createdAt"}}
    stages: list[Document] = [
        {"$match": {"eventId": event_id, "status": {"$in": STATUSES}}},
        {
            "$group": {
                "_id": {"day": day, "status": "$status"},
                "bookings": {"$sum": 1},
                "tickets": {"$sum": "$quantity"},
                "cents": {"$sum": "$totalCents"},
            }
        },
    ]
    return [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]


def by_price(db: Db, event_id: int) -> list[Document]:
    """Confirmed tickets by type and the price they were booked at: `{type, price, tickets}`."""
    stages: list[Document] = [
        {"$match": {"eventId": event_id, "status": "confirmed"}},
        {"$unwind": "$items"},
        {
            "$group": {
                "_id": {"type": "$items.ticketTypeId", "price": "$items.unitPrice"},
                "tickets": {"$sum": "$items.quantity"},
            }
        },
    ]
    return [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]
