"""Queries of the stored ranks of events; ranking.py says what they are and who writes them.

Each list is in the order of an index, which also holds the field that the list is filtered by. A
list of one organizer and one status is read from the index of the organizer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from eventapp.analytics.store_sums import SumsDocument, build_organizer_filter, save_sums
from eventapp.analytics.types import FiguresOfEvent, RankKey, WaitlistTotals
from eventapp.core.database import Db, Query

WANTED = "wanted"
FIGURES = ("revenue", "sold", "utilization", WANTED)
# A rank of a deleted event stays this long, so that a process that was suspended cannot restore it.
SECONDS_AFTER_DELETION = 86_400
# `find_changed_event_ids` returns all events.
NO_LIMIT = 0


def _make_index(figure: str, *fields: str) -> IndexModel:
    keys = [*((name, ASCENDING) for name in fields), (figure, DESCENDING), ("_id", ASCENDING)]
    return IndexModel(keys, name="_".join((*fields, figure)))


INDEXES = {
    "eventRanks": [
        *(_make_index(figure) for figure in FIGURES),
        *(_make_index(figure, "organizerId") for figure in FIGURES),
        *(_make_index(figure, "status") for figure in FIGURES if figure != WANTED),
        IndexModel("goneAt", name="gone", expireAfterSeconds=SECONDS_AFTER_DELETION),
    ]
}


@dataclass(frozen=True)
class RankList:
    """A list of events in the order of one figure, the highest first, and then by eventId.

    Attributes:
        figure: one of FIGURES. Events without a waitlist are not in a list of WANTED.
        organizer_id: only events of this organizer are listed; None for all.
        status: only events with this status are listed; None for all.
    """

    figure: str
    organizer_id: ObjectId | None = None
    status: str | None = None

    def build_filter(self, excluded: Sequence[int]) -> Query:
        """Return the filter of the stored ranks of this list, without the excluded events."""
        where: Query = build_organizer_filter(self.organizer_id)
        if self.status:
            where["status"] = self.status
        # The condition also leaves out deleted events, and makes the index usable.
        where[self.figure] = {"$gt": 0} if self.figure == WANTED else {"$gte": 0}
        if excluded:
            where["_id"] = {"$nin": list(excluded)}
        return where


def find_changed_event_ids(db: Db, since: datetime, limit: int) -> set[int]:
    """Return the events that were changed or deleted at this time or later, about `limit` of them.

    Every sale, every entry of a waitlist and every edit sets the time of the event's change.
    """
    changed: set[int] = set()
    for collection in (db.events, db.goneEvents):
        found = collection.find({"changedAt": {"$gte": since}}, {"_id": 0, "eventId": 1})
        changed |= {event["eventId"] for event in found.limit(limit)}
    return changed


def find_event_ids_after(db: Db, event_id: int, limit: int) -> list[int]:
    """Return eventIds higher than this one, in order."""
    found = db.events.find({"eventId": {"$gt": event_id}}, {"_id": 0, "eventId": 1})
    return [event["eventId"] for event in found.sort("eventId", ASCENDING).limit(limit)]


def save_ranks(
    db: Db, run: int, event_ids: Iterable[int], figures: Iterable[FiguresOfEvent], now: datetime
) -> None:
    """Store the ranks of these events, except those that a later run of the job has written.

    Args:
        figures: the figures of those of the events that exist.
    """
    names = (*FIGURES, "entries", "organizerId", "status")
    gone: Query = {**dict.fromkeys(names), "goneAt": now}
    fields = dict.fromkeys(event_ids, gone)
    for each in figures:
        fields[each["eventId"]] = {name: value for name, value in each.items() if name in names}
    documents = [SumsDocument({"_id": id_}, values) for id_, values in fields.items()]
    save_sums(db, "eventRanks", run, documents)


def count_ranks(db: Db, listed: RankList, excluded: Sequence[int], limit: int) -> int:
    """Return the number of events in a list, counted up to `limit`."""
    return db.eventRanks.count_documents(listed.build_filter(excluded), limit=limit)


def find_ranks(
    db: Db, listed: RankList, excluded: Sequence[int], *, skip: int, limit: int
) -> list[RankKey]:
    """Return events of a list without the excluded ones, beginning after `skip` of them."""
    where = listed.build_filter(excluded)
    return _find_ordered(db, where, listed.figure, skip=skip, limit=limit)


def find_ranks_after(
    db: Db, listed: RankList, excluded: Sequence[int], *, after: RankKey, limit: int
) -> list[RankKey]:
    """Return the events of a list that follow a position, without the excluded ones.

    Events with the same figure as the position are read by a query of their own. Then each query
    is one range of the index, however many events have the same figure.
    """
    figure, (value, event_id) = listed.figure, after
    where = listed.build_filter(excluded)
    same = {**where, figure: value, "_id": {**where.get("_id", {}), "$gt": event_id}}
    found = _find_ordered(db, same, figure, skip=0, limit=limit)
    if len(found) < limit:
        lower = {**where, figure: {**where[figure], "$lt": value}}
        found += _find_ordered(db, lower, figure, skip=0, limit=limit - len(found))
    return found


def _find_ordered(db: Db, where: Query, figure: str, *, skip: int, limit: int) -> list[RankKey]:
    found = db.eventRanks.find(where, {figure: 1})
    ordered = found.sort([(figure, DESCENDING), ("_id", ASCENDING)]).skip(skip).limit(limit)
    return [RankKey(rank[figure], rank["_id"]) for rank in ordered]


def sum_ranked_waitlists(db: Db, listed: RankList, excluded: Sequence[int]) -> WaitlistTotals:
    """Return the sums of the waitlists of all events in a list, without the excluded ones."""
    sums = {"entries": {"$sum": "$entries"}, "tickets": {"$sum": "$wanted"}}
    stages: list[Query] = [
        {"$match": listed.build_filter(excluded)},
        {"$group": {"_id": None, **sums}},
        {"$project": {"_id": 0, **dict.fromkeys(sums, 1)}},
    ]
    found = cast(list[WaitlistTotals], list(db.eventRanks.aggregate(stages)))
    return found[0] if found else {"entries": 0, "tickets": 0}
