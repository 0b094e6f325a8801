"""Notifications before they are written, as they are stored, and what is read of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

# Facts about a booking, an event or a report. Which ones there are depends on the kind of the
# notification: see the composers in rules.py and the templates.
Facts: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A file that is attached to a mail.

    Attributes:
        type: the media type, such as `text/calendar`.
    """

    name: str
    type: str
    content: bytes


@dataclass(frozen=True)
class Recipient:
    """A user who is notified. No mail is sent to a user without an email address."""

    id: ObjectId
    name: str = ""
    email: str | None = None


@dataclass(frozen=True)
class NewNotification:
    """A notification of one fact to one user, before it is written.

    Attributes:
        key: names the fact and the recipient. A key is written once, however often it is notified.
        kind: one of rules.KINDS, or rules.REPORT.
        occurred_at: when the fact happened, in UTC.
        data: the facts that the app shows beside the text.
        mail_data: further facts for the mail.
        in_app: False for a mail that has no notification in the app.
    """

    key: str
    kind: str
    recipient: Recipient
    occurred_at: datetime
    data: Facts
    mail_data: Facts = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    in_app: bool = True


class StoredNotification(TypedDict):
    """A document of `notifications`: one message to one user, shown in the app."""

    _id: ObjectId  # orders a user's notifications; made by the process that writes them
    key: str  # unique; names the fact and the recipient, so that each is written once
    userId: ObjectId  # the recipient
    kind: str  # one of rules.KINDS
    title: str  # one line
    message: str  # one or two sentences
    data: Facts  # what the app shows beside the text
    createdAt: datetime  # UTC, when the fact happened; removed by a TTL index a year later
    readAt: datetime | None  # UTC, when the user first read it
    unread: NotRequired[bool]  # True until it is read, then absent, for a partial index


class NotificationView(TypedDict):
    """A notification as the API shows it."""

    _id: ObjectId
    kind: str
    title: str
    message: str
    data: Facts
    createdAt: datetime
    readAt: datetime | None
    read: bool


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
