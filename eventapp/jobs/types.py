"""The last run of a background job, as it is stored and as it is shown."""

from datetime import datetime
from typing import NotRequired, TypedDict


class JobRun(TypedDict, total=False):
    """The fields that a run of a job sets."""

    lastRun: datetime  # UTC, when the run started
    durationMs: int
    lastError: str | None  # None if the run succeeded
    lastOk: datetime  # UTC, when the last successful run started; set only by those
    lastErrorAt: datetime  # UTC, when the last failed run started; set only by those


class StoredJob(TypedDict):
    """A document of `jobs`: the last run of one job that was stored."""

    _id: str  # the name of the job
    lastRun: datetime
    durationMs: int
    lastError: str | None
    lastOk: NotRequired[datetime]  # absent before the first success
    lastErrorAt: NotRequired[datetime]  # absent before the first failure


class JobStatus(TypedDict):
    """A job as the server's health report shows it."""

    everySeconds: float
    lastRun: datetime | None  # None if the job has never run
    durationMs: int | None
    lastError: str | None
    lastOk: NotRequired[datetime]
    lastErrorAt: NotRequired[datetime]
