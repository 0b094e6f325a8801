"""The last run of a background job, as stored and as shown in the health report."""

from datetime import datetime
from typing import NotRequired, TypedDict


class JobRun(TypedDict, total=False):
    """The fields that a run of a job sets."""

    lastRun: datetime  # UTC, when the run started
    durationMs: int
    lastError: str | None  # None if the run succeeded
    lastOk: datetime  # UTC, when the run started; set only if it succeeded
    lastErrorAt: datetime  # UTC, when the run started; set only if it failed


class StoredJob(TypedDict):
    """A document of `jobs`: the last run of one job that was stored. Times are in UTC."""

    _id: str  # the name of the job
    lastRun: datetime  # when the last run started
    durationMs: int  # of the last run
    lastError: str | None  # None if the last run succeeded
    lastOk: NotRequired[datetime]  # start of the last success; absent before the first
    lastErrorAt: NotRequired[datetime]  # start of the last failure; absent before the first


class JobStatus(TypedDict):
    """A job as the server's health report shows it."""

    everySeconds: float
    lastRun: datetime | None  # None if the job has never run
    durationMs: int | None
    lastError: str | None
    lastOk: NotRequired[datetime]
    lastErrorAt: NotRequired[datetime]
