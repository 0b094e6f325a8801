"""The last run of a background job, as stored and as shown in the health report."""

from datetime import datetime
from typing import NotRequired, TypedDict


class JobRun(TypedDict):
    """One run of a job: the fields of `StoredJob` that it sets. Times are in UTC."""

    lastRun: datetime  # when the run started
    durationMs: int
    lastError: str | None  # None if the run succeeded
    lastOk: NotRequired[datetime]  # when the run started; absent if it failed
    lastErrorAt: NotRequired[datetime]  # when the run started; absent if it succeeded


class StoredJob(TypedDict):
    """A document of `jobs`: the last run of one job that was stored. Times are in UTC."""

    _id: str  # the name of the job
    lastRun: datetime  # when the last run started
    durationMs: int  # of the last run
    lastError: str | None  # None if the last run succeeded
    lastOk: NotRequired[datetime]  # start of the last success; absent before the first
    lastErrorAt: NotRequired[datetime]  # start of the last failure; absent before the first


class JobStatus(TypedDict):
    """A job as the server's health report shows it: its period and the fields of `StoredJob`."""

    everySeconds: float
    lastRun: datetime | None  # None if the job has never run
    durationMs: int | None  # None if the job has never run
    lastError: str | None  # None if the last run succeeded, or the job has never run
    lastOk: NotRequired[datetime]
    lastErrorAt: NotRequired[datetime]
