"""Reads for those who watch events change: what changed, and the events it changed."""

from collections.abc import Iterable

from eventapp.core.database import Db


def revs(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """The revision of each of these events that exists; every write raises it."""
    found = db.events.find(
        {"eventId": {"$in": list(event_ids)}}, {"_id": 0, "eventId": 1, "rev": 1}
    )
    return {event["eventId"]: event["rev"] for event in found}
