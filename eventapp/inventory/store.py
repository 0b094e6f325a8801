"""Change the stock of an event, each time in one guarded update of its document.

Besides these writes, only an edit changes the stock of an existing event. It replaces `ticketTypes`
as a whole, guarded by the revision that it has read (`eventapp.events.editing`). Every edit raises
`terms`, and every write here that changes counters is guarded by the `terms` that it was computed
from. So no write is based on ticket types, prices, a schedule or a status that an edit replaced.

The protocol that sells a ticket, in the order of its writes:

1. *Take.* One update of the event moves tickets from `availableTickets` to `soldTickets` or
   `heldTickets` and adds an in-flight entry `inFlight.<bookingId>`. Its filter holds the guards
   below: where one fails, nothing is written.
2. *Record.* The booking is inserted under that id. A unique index may refuse it; the take is then
   undone by an update that removes the entry, guarded by the entry still being there.
3. *Clear.* A later update of the event, or the worker, removes the entry.

When a process dies after the take, the worker finds the entry. Before it undoes the take, it
inserts a tombstone under the booking's id. A process that was only suspended can then never record
the booking.

A *join* follows the same steps: it raises `waiting` for a waitlist entry, which is recorded next.
In stored data its key is `wait-<entryId>` and its `kind` is `enter`.

A *move* (tickets go back, holds become sales, an entry leaves the waitlist) has its record first.
It is noted as pending in its booking or waitlist entry, then applied here with an in-flight entry
`give-<bookingId>`, `give-<n>-<bookingId>`, `confirm-<bookingId>` or `leave-<entryId>`, then
recorded as applied in the booking or waitlist entry, and then cleared. A move is never undone.

Invariant: at any moment `soldTickets`, `heldTickets` and `waiting` equal the sums of the confirmed
bookings, held bookings and active waitlist entries, plus the changes by takes and joins in flight
that are not recorded, minus the changes of moves that are pending and have no in-flight entry. The
take of an offer may also lower `waiting`; that part is not recorded until the waitlist entry has
lost its claim, and until then the in-flight entry is not cleared. Available, held and sold tickets
add up to `capacity`, and no counter is ever negative. A process may therefore die between any two
writes: the entry tells the worker what to complete or undo. `eventapp.bookings.auditing` checks
this invariant.

Two processes that sell the last ticket both send a take with the guard `availableTickets >= 1`.
MongoDB applies updates of one document one after the other. The first lowers the counter to 0, so
the filter of the second matches nothing. The second process reads the event again, and then refuses
the request or puts it on the waitlist.

Guards of a take (`update_stock`, `build_sale_guards`, `build_on_sale_guard`):

* `terms`, in every update: the event was not edited since the state was read that the update was
  computed from.
* `ticketTypes.<i>.ticketTypeId`, in every update: the ticket types are at their indexes. `terms`
  implies it; it also holds for documents that were changed by other means.
* `availableTickets >= n`: the tickets are still there.
* The same two for each quota that matches the ticket type and the schedule entry.
* `waiting = 0`: nobody waits for them. The take of an offer (`waiting >= 1`) is the only one that
  passes the waitlist.
* `status` and `schedule.overAt`: the event is still on sale.
* `schedule.<i>.scheduleId` and `schedule.<i>.overAt`: the booked entry is not over yet.
* `promoCodes.<code>.used` is at most `maxUses` less the uses that the take needs.
* `inFlight` has fewer than MAX_ENTRIES entries.
* For a join, `waitSequence` is unchanged since the read, so that no two joins get the same number.
  At the stock that counts it, somebody waits already, or the same update takes every available
  ticket, so that nobody begins to wait while tickets are available.
* A queue that changes is counted where it was when it was read (`inventory.queues`).

The guard of a move is that its in-flight entry does *not* exist. That alone is not enough: if the
entry was added and cleared again while a writer was suspended, the writer would apply the move
twice. The guard therefore also requires that `struck` is unchanged since the event was read
(`build_never_existed_guard`).

A *repair* (`eventapp.bookings.auditing`) closes the event: it sets `closedUntil`, a time a few
seconds ahead, and `closedBy`, a token of its own. While `closedUntil` is ahead, the filter of every
write of this module that changes counters or in-flight entries fails, and so does that of every
edit. The event opens when the repair removes both fields or, if the repair dies, at that time. The
time is compared with the clock of each writing process, and clocks differ. So the closure only
makes room for the repair. What makes it safe is the filter of its write: the event still has the
revision that the repair has read, and its token.

The stored counters and times of an event on which the protocol relies:

rev           counts every write here, except those of `marksSince` alone. Edits, repairs and
              `set_oldest_entry_time` are guarded by it.
terms         counts the edits; absent before the first. It guards every change of counters.
cells         tickets sold and held by schedule entry and ticket type, changed by the update that
              changes those of the type. So what is sold for one date is known at any moment.
quotas        places that types and dates share. What a change adds to a quota follows from the
              change of the cells that it matches (`inventory.quotas`), and is noted nowhere else.
struck        counts the updates that clear entries of moves. It guards moves.
waitSequence  the number of the last waitlist entry. It guards joins.
queues        who waits, by schedule entry and ticket type, changed by the update that changes
              `waiting` of the stock that counts them.
at            of an in-flight entry: when it was added, by the clock of the process that added it.
marksSince    never later than the `at` of the oldest entry, so that the worker finds events with
              old entries by an index.
changedAt     database time of the last write that an answer can show. Clearing entries alone does
              not set it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from pymongo import ASCENDING, IndexModel, ReturnDocument

from eventapp.core.database import Db, Query, exclude_ids
from eventapp.events.stock_types import InFlightEntry
from eventapp.events.types import InFlightState, SaleState
from eventapp.inventory.guards import merge_quota_guards
from eventapp.inventory.types import CellChanges, IndexedChanges, QueueUpdate, QuotaChanges

INDEXES = {
    "events": [
        IndexModel([("marksSince", ASCENDING)], name="marks", sparse=True),
        IndexModel([("hadWaitlist", ASCENDING)], name="waited_for", sparse=True),
    ]
}
SALE_FIELDS = {
    "eventId": 1,
    "title": 1,
    "status": 1,
    "lastDate": 1,
    "schedule": 1,
    "ticketTypes": 1,
    "organizerId": 1,
    "hadWaitlist": 1,
    "closedUntil": 1,
    "terms": 1,
    "cellsCounted": 1,
    "quotas": 1,
    "queues": 1,
    "waitSequence": 1,
    "questions": 1,
    "answeredQuestions": 1,
    "rev": 1,
}
# What is read of a sale state after an update. Only edits change the rest, which can be large.
_EDITED_FIELDS = ("schedule", "quotas", "questions")
COUNTED_FIELDS = {name: 1 for name in SALE_FIELDS if name not in _EDITED_FIELDS} | {
    f"quotas.{name}": 1 for name in ("capacity", "availableTickets", "waiting")
}
FIELDS_WITH_ENTRIES = {**SALE_FIELDS, "available": 1, "inFlight": 1, "marksSince": 1, "struck": 1}
# The most in-flight entries with which an event can be sold. Every update rewrites the document, so
# it must not grow without a limit while no worker clears entries. Moves are not limited.
MAX_ENTRIES = 2000
# The keys of the in-flight entries of moves start with these (see `rules.StockMove`).
MOVE_PREFIXES = ("give-", "confirm-", "leave-")


def find_sale_state(db: Db, event_id: int, promo_codes: Iterable[str] = ()) -> SaleState | None:
    """Return what a sale needs to know of the event, with these folded promo codes of it."""
    fields = {**SALE_FIELDS, **_include_promo_codes(promo_codes)}
    return cast(SaleState | None, db.events.find_one({"eventId": event_id}, fields))


def _include_promo_codes(promo_codes: Iterable[str]) -> Query:
    return {f"promoCodes.{key}": 1 for key in promo_codes}


def find_with_entries(db: Db, event_id: int) -> InFlightState | None:
    """Return the sale state of the event together with its in-flight entries."""
    found = db.events.find_one({"eventId": event_id}, FIELDS_WITH_ENTRIES)
    return cast(InFlightState | None, found)


def update_stock(
    db: Db,
    event: SaleState,
    changes: IndexedChanges,
    *,
    cells: CellChanges,
    quotas: QuotaChanges,
    queues: QueueUpdate,
    guards: Query,
    now: datetime,
    new_entries: Mapping[str, InFlightEntry] | None = None,
    cleared_keys: Sequence[str] = (),
    fields: Query | None = None,
    joins: int = 0,
    promo_uses: Mapping[str, int] | None = None,
) -> SaleState | None:
    """Change counters and in-flight entries of an event in one update, if all guards hold.

    The update also fails when the event was edited since `event` was read, when a ticket type is
    not at its index, and while the event is closed.

    Args:
        changes: what to add to the counters; the guards must keep each of them from falling
            below 0.
        cells: what to add to the cells: the same tickets by schedule entry.
        quotas: what to add to the places of the quotas because of that.
        queues: what to write because of changes of queues.
        guards: conditions that the event must meet.
        now: the time with which the end of a closure is compared.
        new_entries: in-flight entries to add, by their keys.
        cleared_keys: keys of in-flight entries to remove.
        fields: other fields of the event to set.
        joins: what to add to `waitSequence`.
        promo_uses: what to add to the uses of promo codes, by folded code.

    Returns:
        The sale state, with these promo codes, after the update; None, with nothing written, when a
        guard failed.
    """
    where: Query = {
        "eventId": event["eventId"],
        **build_open_guard(now),
        **build_terms_guard(event),
        "cellsCounted": event.get("cellsCounted"),
        **merge_quota_guards(event.get("quotas", []), {**queues.guards, **guards}),
    }
    for index in changes:
        path = f"ticketTypes.{index}.ticketTypeId"
        where[path] = event["ticketTypes"][index]["ticketTypeId"]
    entries = {f"inFlight.{key}": entry for key, entry in (new_entries or {}).items()}
    after = db.events.find_one_and_update(
        where,
        _build_stock_update(
            {
                **_build_increments(changes),
                **_build_cell_increments(event, cells),
                **{f"quotas.{index}.availableTickets": change for index, change in quotas.items()},
                **queues.increments,
                **({"waitSequence": joins} if joins else {}),
            },
            entries,
            cleared_keys,
            queues.removed,
            {**(fields or {}), **queues.fields},
            promo_uses or {},
        ),
        projection={**COUNTED_FIELDS, **_include_promo_codes(promo_uses or {})},
        return_document=ReturnDocument.AFTER,
    )
    return _add_edited_fields(event, after) if after else None


def _add_edited_fields(before: SaleState, after: Query) -> SaleState:
    """Return the sale state after an update, with the fields that it did not read.

    Args:
        before: the state that the update was computed from. It has the fields as they are, because
            only edits change them and the update was guarded by `terms`.
        after: the COUNTED_FIELDS of the event.
    """
    state = cast(SaleState, {**after, "schedule": before["schedule"]})
    if "quotas" in after:
        pairs = zip(before.get("quotas", []), after["quotas"], strict=False)
        state["quotas"] = [{**old, **new} for old, new in pairs]
    if "questions" in before:
        state["questions"] = before["questions"]
    return state


def _build_stock_update(
    increments: Mapping[str, int],
    entries: Mapping[str, InFlightEntry],
    cleared_keys: Sequence[str],
    removed: Sequence[str],
    fields: Query,
    promo_uses: Mapping[str, int],
) -> Query:
    uses = {f"promoCodes.{key}.used": number for key, number in promo_uses.items()}
    update: Query = {
        "$inc": {**increments, **uses, "rev": 1, **_count_clearing(cleared_keys)},
        "$currentDate": {"changedAt": True},
    }
    taken = {f"promoCodes.{key}.taken": True for key in promo_uses}
    if fields or entries or taken:
        update["$set"] = {**fields, **entries, **taken}
    if entries:
        update["$min"] = {"marksSince": min(entry["at"] for entry in entries.values())}
    if cleared_keys or removed:
        cleared = (f"inFlight.{key}" for key in cleared_keys)
        update["$unset"] = dict.fromkeys((*cleared, *removed), "")
    return update


def _build_increments(changes: IndexedChanges) -> dict[str, int]:
    increments = {
        f"ticketTypes.{index}.{counter}": change
        for index, counters in changes.items()
        for counter, change in counters.items()
        if change
    }
    available = sum(counters.get("availableTickets", 0) for counters in changes.values())
    return {**increments, "available": available} if available else increments


def _build_cell_increments(event: SaleState, cells: CellChanges) -> dict[str, int]:
    """Return the increments of the cells; none for an event whose cells are not counted yet."""
    if not event.get("cellsCounted"):
        return {}
    return {
        f"cells.{schedule_id}.{type_id}.{counter}": change
        for (schedule_id, type_id), counters in cells.items()
        for counter, change in counters.items()
        if change
    }


def _count_clearing(keys: Iterable[str]) -> dict[str, int]:
    has_moves = any(key.startswith(MOVE_PREFIXES) for key in keys)
    return {"struck": 1} if has_moves else {}


def build_open_guard(now: datetime) -> Query:
    """Return the guard that no repair has closed the event."""
    return {"closedUntil": {"$not": {"$gt": now}}}


def build_terms_guard(event: SaleState) -> Query:
    """Return the guard that the event was not edited since it was read.

    An event that was never edited has no `terms`, which a comparison with null matches.
    """
    return {"terms": event.get("terms")}


def build_on_sale_guard(now: datetime) -> Query:
    """Return the guard that the event is on sale, as `rules.is_on_sale` defines it.

    It compares the times of the entries. Comparing `overAt` of the event would be equivalent, but
    that has an index, and the query planner of one MongoDB-compatible server scans that index
    instead of finding the event by its eventId.
    """
    return {"status": "published", "schedule.overAt": {"$gt": now}}


def build_entry_guards(entries: Mapping[int, int], now: datetime) -> Query:
    """Return the guards that each booked schedule entry is where it was read, and is not over.

    Args:
        entries: the index of each entry in the array, by scheduleId.
    """
    guards: Query = {}
    for schedule_id, index in entries.items():
        guards[f"schedule.{index}.scheduleId"] = schedule_id
        guards[f"schedule.{index}.overAt"] = {"$gt": now}
    return guards


def build_offer_guards(index: int, quantity: int) -> Query:
    """Return the guard for holding tickets of the type at this index for an offer."""
    return {f"ticketTypes.{index}.availableTickets": {"$gte": quantity}}


def build_quota_offer_guards(changes: QuotaChanges) -> Query:
    """Return the guards of the quotas that an offer takes places of."""
    return {
        f"quotas.{index}.availableTickets": {"$gte": -taken} for index, taken in changes.items()
    }


def build_room_guard() -> Query:
    """Return the guard that the event has fewer than MAX_ENTRIES in-flight entries."""
    entries: Query = {"$size": {"$objectToArray": {"$ifNull": ["$inFlight", {}]}}}
    return {"$expr": {"$lt": [entries, MAX_ENTRIES]}}


def build_exists_guard(key: str) -> Query:
    """Return the guard that this in-flight entry exists."""
    return {f"inFlight.{key}": {"$exists": True}}


def build_never_existed_guard(event: InFlightState, keys: Iterable[str]) -> Query:
    """Return the guard that none of these entries of moves exists or was cleared since the read."""
    return {**build_absent_guard(keys), "struck": event.get("struck")}


def build_absent_guard(keys: Iterable[str]) -> Query:
    """Return the guard that the event has none of these in-flight entries."""
    return {f"inFlight.{key}": {"$exists": False} for key in keys}


def clear_entries(db: Db, event_id: int, keys: Sequence[str], now: datetime) -> None:
    """Remove in-flight entries, unless the event is closed; ignore keys that do not exist."""
    cleared = {f"inFlight.{key}": "" for key in keys}
    counts = {"rev": 1, **_count_clearing(keys)}
    where = {"eventId": event_id, **build_open_guard(now)}
    db.events.update_one(where, {"$unset": cleared, "$inc": counts})


def find_ids_with_entries_before(
    db: Db, moment: datetime, limit: int, without: Sequence[object] = ()
) -> list[int]:
    """Return the ids of events that may have an in-flight entry from before this moment.

    Args:
        without: eventIds to leave out.

    Returns:
        The event with the oldest entry first.
    """
    where = {"marksSince": {"$lt": moment}, **exclude_ids(without, "eventId")}
    found = db.events.find(where, {"eventId": 1}).sort("marksSince", ASCENDING).limit(limit)
    return [event["eventId"] for event in found]


def set_oldest_entry_time(db: Db, event: InFlightState, oldest: datetime | None) -> None:
    """Set `marksSince`, or remove it for None, if the event is unchanged since it was read."""
    unchanged = {"eventId": event["eventId"], "rev": event["rev"]}
    if oldest is None:
        db.events.update_one({**unchanged, "inFlight": {}}, {"$unset": {"marksSince": ""}})
    else:
        db.events.update_one(unchanged, {"$set": {"marksSince": oldest}})
