"""Raising events' scores: no edit, so neither `__v`, `rev` nor `changedAt` change."""

from collections.abc import Mapping

from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from eventapp.core.mongo import Db, is_unavailable

WRITES_AT_ONCE = 500


def raise_scores(db: Db, raises: Mapping[int, tuple[float, int]]) -> list[int]:
    """Add to scores and views, of `{eventId: (score, views)}`; an event that is gone has none.

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
    return UpdateOne({"eventId": event_id}, {"$inc": {"popularity": score, "views": views}})
