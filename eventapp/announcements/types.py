"""Announcements as stored, as sent in requests and as shown. Times are aware and in UTC."""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

from eventapp.bookings.types import HolderFilter, RequestDigests
from eventapp.events.log_types import LogEntry

# The rules name ids by this, because only types may import bson.
AnnouncementId: TypeAlias = ObjectId
# `scheduled`: waits for its time. `sending`: some holders may have got it. `sent`: all have.
# `withdrawn`: not sent, or not to all, because the event or its organizer is gone.
Status: TypeAlias = Literal["scheduled", "sending", "sent", "withdrawn"]


class AnnouncementInput(TypedDict):
    """The body of a request, as the schema loads it."""

    subject: str  # one line
    text: str  # plain text
    to: HolderFilter
    sendAt: NotRequired[datetime]  # absent: at once


class Position(TypedDict):
    """The last booking whose holder was handled, in the order of lists of bookings."""

    createdAt: datetime
    bookingId: ObjectId


class StoredAnnouncement(TypedDict):
    """A document of `announcements`."""

    _id: ObjectId  # made when it was written, so it orders lists
    eventId: int
    subject: str  # one line
    text: str  # plain text
    to: HolderFilter
    status: Status
    sendAt: datetime  # when it is to be sent
    day: str  # YYYY-MM-DD of `sendAt` in UTC
    slot: int  # from 0, below rules.MAX_PER_DAY; unique in the event and the day
    createdAt: datetime
    recipients: int  # holders when it was written
    byAdmin: NotRequired[Literal[True]]  # written by an admin; absent for others
    request: NotRequired[RequestDigests]  # absent without an Idempotency-Key
    # When a worker may claim it: its `sendAt`, the end of a claim, or the time at which a worker
    # left the rest to the next run. Absent once it is finished.
    dueAt: NotRequired[datetime]
    claim: NotRequired[ObjectId]  # id of the current claim; absent while no worker sends it
    position: NotRequired[Position]  # absent before the first batch
    sentAt: NotRequired[datetime]  # when the last holder was handled; absent before
    notified: NotRequired[int]  # holders who got the notification; absent until it is sent
    mailed: NotRequired[int]  # mails that were put in the outbox; absent until it is sent
    logEntries: NotRequired[list[LogEntry]]  # to be moved into the log of the event; absent: none
    logDue: NotRequired[Literal[True]]  # `logEntries` has some
    deleted: NotRequired[Literal[True]]  # to be removed once its entries are moved; else absent


class NotedAnnouncement(TypedDict):
    """Projection of StoredAnnouncement: the entries to be moved."""

    _id: ObjectId
    eventId: int
    logEntries: list[LogEntry]


class DueAnnouncement(TypedDict):
    """Projection of StoredAnnouncement: one that may be claimed."""

    _id: ObjectId
    dueAt: datetime


class AnnouncementView(TypedDict):
    """An announcement as the API shows it to those who manage the event."""

    announcementId: ObjectId
    eventId: int
    subject: str
    text: str
    to: HolderFilter
    status: Status
    createdAt: datetime
    sendAt: datetime
    sentAt: datetime | None  # None until it is sent
    recipients: int  # holders when it was written
    notified: int | None  # holders who got the notification; None until it is sent
    mailed: int | None  # mails that were put in the outbox; None until it is sent


class AnnouncementReceipt(TypedDict):
    """The answer to a new announcement."""

    announcementId: ObjectId
    recipients: int  # holders at this moment
