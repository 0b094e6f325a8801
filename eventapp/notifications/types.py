"""The stored documents of notifications and mails, and the projections that are read of them."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from bson import ObjectId


class StoredNotification(TypedDict):
    """A document of `notifications`: one message to one user, shown in the app."""

    _id: ObjectId  # orders a user's notifications; made by the process that writes them
    key: str  # unique; names the fact and the recipient, so that each is written once
    userId: ObjectId  # the recipient
    kind: str  # one of rules.KINDS
    title: str  # one line
    message: str  # one or two sentences
    data: dict[str, Any]  # facts about the booking or event; the names depend on `kind`
    createdAt: datetime  # UTC, when the fact happened; removed by a TTL index a year later
    readAt: datetime | None  # UTC, when the user first read it
    unread: NotRequired[bool]  # True until it is read, then absent, for a partial index


class StoredAttachment(TypedDict):
    """A file of a stored mail."""

    name: str  # file name, such as `EVT-ABC234.ics`
    type: str  # media type, such as `text/calendar`
    content: bytes


class QueuedMail(TypedDict):
    """A document of `mails`: a mail that waits to be sent, is being sent, or is finished."""

    _id: ObjectId  # part of the Message-ID
    key: str  # unique; the key of the notification that it belongs to
    userId: ObjectId  # the recipient
    to: str  # the recipient's address
    kind: str  # one of rules.KINDS, or rules.REPORT
    subject: str  # one line, at most rules.MAX_SUBJECT characters
    text: str  # the plain text body
    html: str  # the HTML body
    attachments: list[StoredAttachment]
    status: str  # one of rules.STATUSES
    attempts: int  # how often a process has claimed it
    createdAt: datetime  # UTC
    nextTryAt: NotRequired[datetime]  # UTC, when it may be claimed; absent once it is finished
    claim: NotRequired[ObjectId]  # names the current claim; absent while nobody sends it
    doneAt: NotRequired[datetime]  # UTC, when it was sent, logged or given up
    lastError: NotRequired[str]  # why the last attempt failed


class MailOutcome(TypedDict, total=False):
    """The fields that an attempt to send a mail sets."""

    status: str
    nextTryAt: datetime  # only where it is tried again
    doneAt: datetime  # only where it is finished
    lastError: str  # only where it failed


class DueMail(TypedDict):
    """Projection of a mail that may be claimed."""

    _id: ObjectId
    nextTryAt: datetime


class FailedMail(TypedDict):
    """Projection of a mail that was given up, for the server's health report."""

    _id: ObjectId
    kind: str
    to: str
    subject: str
    lastError: str
    attempts: int
    doneAt: datetime
