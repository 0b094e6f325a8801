"""What the bookings of some events add up to, for the auditor."""

from eventapp.core.database import Db, Document


def active_sums(db: Db, event_ids: list[int]) -> dict[int, list[Document]]:
    """Tickets of active bookings by event: rows of `{type, status, quantity}`."""
    stages: list[Document] = [
        {"$match": {"eventId": {"$in": event_ids}, "active": True}},
        {"$unwind": "$items"},
        {
            "$group": {
                "_id": {"event": "$eventId", "type": "$items.ticketTypeId", "status": "$status"},
                "quantity": {"$sum": "$items.quantity"},
            }
        },
    ]
    sums: dict[int, list[Document]] = {}
    for row in db.bookings.aggregate(stages):
        sums.setdefault(row["_id"]["event"], []).append({**row["_id"], "quantity": row["quantity"]})
    return sums


def due_of_events(db: Db, event_ids: list[int]) -> list[Document]:
    """Bookings of the events whose move of tickets is not recorded as made."""
    return list(db.bookings.find({"restock": "due", "eventId": {"$in": event_ids}}))
