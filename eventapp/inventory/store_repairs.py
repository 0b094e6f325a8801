"""Close events while their stock is compared with the bookings, and replace their counters.

`inventory.store` says what a closed event is, and why a repair is safe.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, ReturnDocument, UpdateOne

from eventapp.core.database import Db, Query
from eventapp.events.stock_types import Cells
from eventapp.events.types import AuditedState, CountedStock, EventRevision, SaleState
from eventapp.inventory import store

AUDITED_FIELDS = {**store.FIELDS_WITH_ENTRIES, "cells": 1, "promoCodes": 1}
_REOPEN: Query = {"$unset": {"closedUntil": "", "closedBy": ""}}


def find_to_audit(db: Db, event_id: int) -> AuditedState | None:
    """Return what an audit reads of the event."""
    found = db.events.find_one({"eventId": event_id}, AUDITED_FIELDS)
    return cast(AuditedState | None, found)


def find_after(db: Db, event_id: int, limit: int) -> list[AuditedState]:
    """Return the next events after this eventId, in that order, as audits read them."""
    later = db.events.find({"eventId": {"$gt": event_id}}, AUDITED_FIELDS)
    return cast(list[AuditedState], list(later.sort("eventId", ASCENDING).limit(limit)))


def find_revisions(db: Db, event_ids: list[int]) -> dict[int, int]:
    """Return the revision of each of these events that exists, by eventId."""
    found = db.events.find({"eventId": {"$in": event_ids}}, {"eventId": 1, "rev": 1})
    return {event["eventId"]: event["rev"] for event in cast(Iterable[EventRevision], found)}


def close_event(
    db: Db, event_id: int, token: ObjectId, now: datetime, until: datetime
) -> AuditedState | None:
    """Close an event for a repair until a time, and return it with what an audit compares.

    Returns:
        None, with nothing written, if there is no such event, or it is closed already.
    """
    found = db.events.find_one_and_update(
        {"eventId": event_id, **store.build_open_guard(now)},
        {"$set": {"closedUntil": until, "closedBy": token}, "$inc": {"rev": 1}},
        projection=AUDITED_FIELDS,
        return_document=ReturnDocument.AFTER,
    )
    return cast(AuditedState | None, found)


def reopen_event(db: Db, event_id: int, token: ObjectId) -> None:
    """Open an event if it was closed by this token and by no other since."""
    db.events.update_one({"eventId": event_id, "closedBy": token}, {**_REOPEN, "$inc": {"rev": 1}})


def replace_stock(
    db: Db,
    event: SaleState,
    token: ObjectId,
    stock: CountedStock,
    cells: Cells,
    promo_uses: Mapping[str, int],
) -> bool:
    """Set all counters of a closed event, and open it.

    Args:
        promo_uses: the uses of each promo code, by folded code.

    Returns:
        False, with nothing written, if the event changed since it was read, or was closed by
        another token since.
    """
    unchanged = {"eventId": event["eventId"], "rev": event["rev"], "closedBy": token}
    available = sum(each["availableTickets"] for each in stock.ticket_types)
    update: Query = {
        "$set": {
            "available": available,
            **_build_counts(event, cells, stock),
            **{f"promoCodes.{key}.used": used for key, used in promo_uses.items()},
        },
        "$inc": {"rev": 1},
        "$currentDate": {"changedAt": True},
    }
    return db.events.update_one(unchanged, {**update, **_REOPEN}).modified_count == 1


def write_counts(db: Db, counts: Iterable[tuple[AuditedState, Cells, CountedStock]]) -> int:
    """Set the cells, queues, types and quotas of events that have the revision that was read.

    Returns:
        How many events were written.
    """
    writes = [
        UpdateOne(
            {"eventId": event["eventId"], "rev": event["rev"]},
            {
                "$set": _build_counts(event, cells, stock),
                "$inc": {"rev": 1},
            },
        )
        for event, cells, stock in counts
    ]
    return db.events.bulk_write(writes, ordered=False).modified_count


def _build_counts(event: SaleState, cells: Cells, stock: CountedStock) -> Query:
    """Return the fields to set when an event is counted; no type or quota is added or removed.

    An event of schema version 2 numbers the waitlist entries of each ticket type on their own.
    """
    types = cast(list[dict[str, object]], stock.ticket_types)
    numbers = [cast(int, each.get("waitSequence", 0)) for each in types]
    counts: Query = {
        "cells": cells,
        "cellsCounted": True,
        "queues": stock.queues,
        "waitSequence": event.get("waitSequence", max(numbers)),
        "ticketTypes": [
            {name: value for name, value in each.items() if name != "waitSequence"}
            for each in types
        ],
    }
    return {**counts, "quotas": stock.quotas} if stock.quotas else counts
