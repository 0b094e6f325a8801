"""The events of the rows that compare bookings of an event with those of a plain one.

Each load gets a new event, so that every user can book in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import cast

from bson import ObjectId

from eventapp.core.clock import utc_now
from eventapp.core.database import Db, Document
from eventapp.events.bodies import EventInput
from eventapp.events.promo_codes import StoredPromoCode
from eventapp.events.stock_types import Cells, Quota, TakeEntry
from scripts.bench.data import SEED
from scripts.bulk_load import insert_events, make_unowned_event
from scripts.synthetic_events import generate_bodies

CODE = "BENCH-0"
# The largest event that is accepted: dates and types, quotas with their ids, and promo codes. Of
# the in-flight entries, some are left to the bookings.
DATES, TYPES, QUOTAS, IDS, CODES, ENTRIES = 366, 5, 50, 366, 200, 1_900
# More tickets, places and uses than any run sells.
AMPLE = 10_000_000
# The entries that fill the event have a time ahead, so that no job undoes their takes in the run.
FILLER_DELAY = timedelta(hours=12)


def store_plain_event(db: Db) -> int:
    """Store an event with one date and one ticket type; return its eventId."""
    return _store_event(db, dates=1, types=1)


def store_event_with_code(db: Db) -> int:
    """Store a plain event with two quotas, of its type and of its date, and the promo code CODE."""
    quotas = [_make_quota(1, {"ticketTypeIds": [1]}), _make_quota(2, {"scheduleIds": [1]})]
    return _store_event(db, dates=1, types=1, quotas=quotas, codes=1)


def store_event_at_limits(db: Db) -> int:
    """Store an event with as many dates, quotas, promo codes and entries as it can have."""
    dates, types = list(range(1, DATES + 1)), list(range(1, TYPES + 1))
    lists = {"scheduleIds": dates[: IDS - TYPES], "ticketTypeIds": types}
    quotas = [_make_quota(number, lists) for number in range(1, QUOTAS + 1)]
    event_id = _store_event(db, dates=DATES, types=TYPES, quotas=quotas, codes=CODES)
    cells: Cells = {str(d): {str(t): {"sold": 0, "held": 0} for t in types} for d in dates}
    entries = {f"inFlight.{ObjectId()}": _make_entry() for _ in range(ENTRIES)}
    db.events.update_one({"eventId": event_id}, {"$set": {"cells": cells, **entries}})
    return event_id


def remove_filler(db: Db, event_id: int) -> None:
    """Remove the in-flight entries with which an event at all limits was stored."""
    event = db.events.find_one({"eventId": event_id}, {"inFlight": 1}) or {}
    now = utc_now()
    keys = [key for key, entry in event["inFlight"].items() if entry["at"] > now]
    update = {"$unset": {f"inFlight.{key}": "" for key in keys}, "$inc": {"rev": 1}}
    db.events.update_one({"eventId": event_id}, update)


def _store_event(
    db: Db, *, dates: int, types: int, quotas: Iterable[Quota] = (), codes: int = 0
) -> int:
    today = utc_now().date()
    (texts,) = generate_bodies(1, seed=SEED, today=today)
    body: EventInput = {
        **texts,
        "schedule": [
            {"date": today + timedelta(days=60 + number), "location": "Volos"}
            for number in range(dates)
        ],
        "ticketTypes": [
            {"type": f"Type {number}", "price": 20, "availableTickets": AMPLE}
            for number in range(1, types + 1)
        ],
    }
    event: Document = {
        **make_unowned_event(body),
        "quotas": list(quotas),
        "nextQuotaId": QUOTAS + 1,
        "promoCodes": {f"bench-{number}": _make_code(number) for number in range(codes)},
        "nextCodeId": codes + 1,
    }
    return insert_events(db, [event])[0]


def _make_quota(number: int, lists: Mapping[str, Sequence[int]]) -> Quota:
    quota = {"quotaId": number, "name": f"Quota {number}", "capacity": AMPLE, "waiting": 0}
    return cast(Quota, {**quota, "availableTickets": AMPLE, **lists})


def _make_code(number: int) -> StoredPromoCode:
    return {
        "codeId": number + 1,
        "code": f"BENCH-{number}",
        "kind": "percent",
        "value": 1_000,
        "maxUses": AMPLE,
        "active": True,
        "used": 0,
        "taken": False,
    }


def _make_entry() -> TakeEntry:
    return {
        "kind": "take",
        "items": [[1, 1]],
        "held": False,
        "scheduleId": 1,
        "by": f"{ObjectId()} {'d' * 43}",
        "at": utc_now() + FILLER_DELAY,
    }
