"""The record of an item of due work that fails, as stored and as shown in the health report."""

from datetime import datetime
from typing import TypeAlias, TypedDict

from bson import ObjectId

# The id of an item within its kind, such as the id of a booking or an eventId.
ItemKey: TypeAlias = ObjectId | int | str


class FailedWork(TypedDict):
    """A document of `failedWork`: an item whose last attempt failed. Times are in UTC."""

    _id: str  # "<kind>:<key>"
    kind: str  # what was to be done, such as "refund"
    key: ItemKey
    attempts: int  # failed attempts since the last success, at least 1
    error: str  # of the last attempt
    firstFailedAt: datetime
    lastFailedAt: datetime
    nextAttemptAt: datetime  # the item is left alone until then
    setAsideAt: datetime | None  # when it had failed too often; None before


class FailedWorkView(TypedDict):
    """An item that fails, as the health report shows it."""

    kind: str
    key: str
    attempts: int
    error: str
    firstFailedAt: datetime
    nextAttemptAt: datetime
    setAsideAt: datetime | None


class FailedWorkReport(TypedDict):
    """The items that fail, as the health report shows them."""

    retrying: int  # items that are tried again soon
    setAside: int  # items that failed too often and are seldom tried
    items: list[FailedWorkView]  # those set aside first, at most MAX_LISTED
