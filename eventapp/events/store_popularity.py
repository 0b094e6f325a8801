"""Raising events' scores: no edit, so neither `__v`, `rev` nor `changedAt` change."""

from collections.abc import Mapping

from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from eventapp.core.database import Db, Document, is_unavailable

WRITES_AT_ONCE = 500
# 2 to the power of it is lost in a double beside 1; of much less some servers refuse to make it.
FAR = -100.0


def raise_scores(db: Db, raises: Mapping[int, tuple[float, int]]) -> list[int]:
    """Raise scores and views, by `{eventId: (score, views)}`; an event that is gone has none.

    Returns:
        The eventIds done: not all where the database does not answer.
    """
    done: list[int] = []
    ids = list(raises)
    for start in range(0, len(ids), WRITES_AT_ONCE):
        part = ids[start : start + WRITES_AT_ONCE]
        writes = [_raise(event_id, *raises[event_id]) for event_id in part]
        try:
            db.events.bulk_write(writes, ordered=False)
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
            return done
        done += part
    return done


def _raise(event_id: int, score: float, views: int) -> UpdateOne:
    """As `rules_popularity.raised`, but by the database: others may raise it at the same time."""
    old: Document = {"$ifNull": ["$popularity", 0.0]}
    more: Document = {"$max": [old, score]}
    powers = [{"$pow": [2.0, _difference(value, more)]} for value in (old, score)]
    raised = {"$add": [more, {"$log": [{"$add": powers}, 2]}]}
    seen = {"$add": [{"$ifNull": ["$views", 0]}, views]}
    return UpdateOne({"eventId": event_id}, [{"$set": {"popularity": raised, "views": seen}}])


def _difference(value: Document | float, more: Document) -> Document:
    """How far the one is below the other; so far that it counts nothing is far enough."""
    return {"$max": [FAR, {"$subtract": [value, more]}]}
