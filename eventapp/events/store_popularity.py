"""Raising the popularity of events.

This is no edit, so neither `__v`, `rev` nor `changedAt` change, and no other process learns of it.
"""

from collections.abc import Mapping

from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from eventapp.core.database import Db, Query, is_unavailable

BATCH_SIZE = 500
# 2 ** -100 vanishes in a double beside 1. Some servers refuse to compute much smaller powers.
MIN_EXPONENT = -100.0


def raise_scores(db: Db, raises: Mapping[int, tuple[float, int]]) -> list[int]:
    """Raise the score and the views of events. A deleted event is passed over.

    Args:
        raises: for each eventId the scaled weight and the number of views to add.

    Returns:
        The eventIds that were written: not all of them where the database does not answer.
    """
    written: list[int] = []
    ids = list(raises)
    for start in range(0, len(ids), BATCH_SIZE):
        batch = ids[start : start + BATCH_SIZE]
        writes = [_raise(event_id, *raises[event_id]) for event_id in batch]
        try:
            db.events.bulk_write(writes, ordered=False)
        except PyMongoError as error:
            if not is_unavailable(error):
                raise
            return written
        written += batch
    return written


def _raise(event_id: int, scaled: float, views: int) -> UpdateOne:
    """Build the update that does what `popularity.raise_score` does.

    The database computes it, for other processes may raise the same score at the same time.
    """
    score: Query = {"$ifNull": ["$popularity", 0.0]}
    larger: Query = {"$max": [score, scaled]}
    powers = [{"$pow": [2.0, _exponent(value, larger)]} for value in (score, scaled)]
    raised = {"$add": [larger, {"$log": [{"$add": powers}, 2]}]}
    all_views = {"$add": [{"$ifNull": ["$views", 0]}, views]}
    return UpdateOne({"eventId": event_id}, [{"$set": {"popularity": raised, "views": all_views}}])


def _exponent(value: Query | float, larger: Query) -> Query:
    """Return the difference of the two, no lower than MIN_EXPONENT."""
    return {"$max": [MIN_EXPONENT, {"$subtract": [value, larger]}]}
