"""The `jobs` collection: the last run of each background job."""

from datetime import timedelta
from typing import cast

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Query
from eventapp.jobs.types import JobRun, StoredJob

# Most runs are idle: they find nothing to do. At most one idle run in this period is stored.
IDLE_RUN_PERIOD = timedelta(seconds=10)


def _jobs(db: Db) -> Collection[StoredJob]:
    return cast(Collection[StoredJob], db.jobs)


def record_run(db: Db, name: str, run: JobRun, *, is_idle: bool) -> None:
    """Store the last run of a job, but not an idle run within IDLE_RUN_PERIOD of the stored one.

    Args:
        is_idle: whether the run found nothing to do.
    """
    query: Query = {"_id": name}
    if is_idle:
        query["lastRun"] = {"$not": {"$gt": run["lastRun"] - IDLE_RUN_PERIOD}}
    if db.jobs.update_one(query, {"$set": run}).matched_count:
        return
    try:
        db.jobs.insert_one({"_id": name, **run})
    except DuplicateKeyError:
        return  # This idle run is skipped, or another worker has stored a run just now.


def find_job(db: Db, name: str) -> StoredJob | None:
    """Return the last run of a job; None if it has never run."""
    return _jobs(db).find_one({"_id": name})


def find_jobs(db: Db) -> list[StoredJob]:
    """Return the last run of every job that has run."""
    return list(_jobs(db).find())
