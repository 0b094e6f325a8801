"""The `jobs` collection: the last run of each background job."""

from datetime import datetime, timedelta
from typing import cast

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Query
from eventapp.jobs.types import JobRun, StoredJob

# Most runs find nothing to do. Of those, one in this period is stored.
IDLE_RUN_PERIOD = timedelta(seconds=10)


def _jobs(db: Db) -> Collection[StoredJob]:
    return cast(Collection[StoredJob], db.jobs)


def record_run(db: Db, name: str, run: JobRun, *, now: datetime, always: bool) -> None:
    """Store the last run of a job.

    Args:
        always: False to skip the write if a run was stored within IDLE_RUN_PERIOD.
    """
    where: Query = {"_id": name}
    if not always:
        where["lastRun"] = {"$not": {"$gt": now - IDLE_RUN_PERIOD}}
    if db.jobs.update_one(where, {"$set": run}).matched_count:
        return
    try:
        db.jobs.insert_one({"_id": name, **run})
    except DuplicateKeyError:
        return  # A run was stored within IDLE_RUN_PERIOD, or by another worker just now.


def find_job(db: Db, name: str) -> StoredJob | None:
    """Return the last run of a job; None if it has never run."""
    return _jobs(db).find_one({"_id": name})


def find_all(db: Db) -> list[StoredJob]:
    """Return the last run of every job that has run."""
    return list(_jobs(db).find())
