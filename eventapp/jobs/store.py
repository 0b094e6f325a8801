"""How each background job fared: `{_id: its name, lastRun, lastOk, durationMs, lastError}`."""

from datetime import datetime, timedelta

from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document

# Most runs find nothing to do: of those, one in so long is noted.
NOTED_EVERY = timedelta(seconds=10)


def note(db: Db, name: str, fields: Document, *, now: datetime, always: bool) -> None:
    """Note a run; one that did nothing only where the last was noted a while ago."""
    due = {} if always else {"lastRun": {"$not": {"$gt": now - NOTED_EVERY}}}
    if db.jobs.update_one({"_id": name, **due}, {"$set": fields}).matched_count:
        return
    try:
        db.jobs.insert_one({"_id": name, **fields})
    except DuplicateKeyError:
        return  # another worker has just noted one


def of(db: Db, name: str) -> Document | None:
    found: Document | None = db.jobs.find_one({"_id": name})
    return found


def all_of(db: Db) -> list[Document]:
    return list(db.jobs.find())
