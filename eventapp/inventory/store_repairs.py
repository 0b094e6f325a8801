"""Close events while their stock is compared with the bookings, and replace their counters.

`inventory.store` says what a closed event is, and why a repair is safe.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ReturnDocument

from eventapp.core.database import Db, Query
from eventapp.events.types import EventRevision, InFlightState, SaleState, TicketType
from eventapp.inventory import store

_REOPEN: Query = {"$unset": {"closedUntil": "", "closedBy": ""}}


def find_revisions(db: Db, event_ids: list[int]) -> dict[int, int]:
    """Return the revision of each of these events that exists, by eventId."""
    found = db.events.find({"eventId": {"$in": event_ids}}, {"eventId": 1, "rev": 1})
    return {event["eventId"]: event["rev"] for event in cast(Iterable[EventRevision], found)}


def close_event(
    db: Db, event_id: int, token: ObjectId, now: datetime, until: datetime
) -> InFlightState | None:
    """Close an event for a repair until a time, and return it with its in-flight entries.

    Returns:
        None, with nothing written, if there is no such event, or it is closed already.
    """
    found = db.events.find_one_and_update(
        {"eventId": event_id, **store.build_open_guard(now)},
        {"$set": {"closedUntil": until, "closedBy": token}, "$inc": {"rev": 1}},
        projection=store.FIELDS_WITH_ENTRIES,
        return_document=ReturnDocument.AFTER,
    )
    return cast(InFlightState | None, found)


def reopen_event(db: Db, event_id: int, token: ObjectId) -> None:
    """Open an event if it was closed by this token and by no other since."""
    db.events.update_one({"eventId": event_id, "closedBy": token}, {**_REOPEN, "$inc": {"rev": 1}})


def replace_stock(
    db: Db, event: SaleState, token: ObjectId, ticket_types: list[TicketType], available: int
) -> bool:
    """Set all counters of a closed event, and open it.

    Returns:
        False, with nothing written, if the event changed since it was read, or was closed by
        another token since.
    """
    unchanged = {"eventId": event["eventId"], "rev": event["rev"], "closedBy": token}
    update: Query = {
        "$set": {"ticketTypes": ticket_types, "available": available},
        "$inc": {"rev": 1},
        "$currentDate": {"changedAt": True},
    }
    return db.events.update_one(unchanged, {**update, **_REOPEN}).modified_count == 1
