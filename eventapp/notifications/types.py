"""Notifications before they are written, notifications and mails as stored, and projections.

Times are aware and in UTC. Amounts of money are in whole currency units.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId


class DateAndLocation(TypedDict):
    """A schedule entry of an event."""

    date: str  # YYYY-MM-DD, in `timezone`
    startsAt: datetime | None  # UTC; None where no time is known
    timezone: str  # IANA name
    location: str


# The facts that the text of a notification is composed of, which the app also shows. The functional
# syntax, because `from` is a keyword.
Facts = TypedDict(
    "Facts",
    {
        # In every notification except a report and `webhook_disabled`:
        "eventId": int,
        "eventTitle": str,
        # In every notification except a report, an announcement and `webhook_disabled`:
        "quantity": int,  # tickets
        # In every notification of a booking, and in `event_changed`, `low_tickets` and, if they are
        # known, in `waitlist_closed`:
        "date": str,  # YYYY-MM-DD, in `timezone`
        "startsAt": datetime | None,  # UTC; None where no time is known, absent in older ones
        "timezone": str | None,  # IANA name; None if unknown, absent in older ones
        "location": str,
        # In every notification of a booking:
        "bookingId": ObjectId,
        "bookingReference": str,
        "currency": str,  # ISO 4217
        "expiresAt": datetime | None,  # the end of a hold or offer, None for other bookings
        "refund": int | float | None,  # None if no money goes back
        # In `tickets_cancelled`, of which `quantity` is the number of cancelled tickets:
        "left": int,  # tickets of the booking that a cancellation has left
        # In `event_changed`:
        "schedule": list[DateAndLocation],  # the event's new schedule
        # In `announcement`:
        "announcementId": ObjectId,
        # In `webhook_disabled`:
        "webhookId": ObjectId,
        "webhookHost": str,  # the host of its URL
        # In `waitlist_closed`: one of `waitlist.types.CloseReason`.
        "reason": str,
        # In `report`:
        "period": str,  # daily or weekly
        "from": str,  # the first day, YYYY-MM-DD
        "to": str,  # the last day, YYYY-MM-DD
    },
    total=False,
)


class MailItem(TypedDict):
    """The tickets of one type in the mail of a booking."""

    ticketTypeId: int
    type: str  # the name of the ticket type
    quantity: int  # tickets
    unitPrice: int | float
    subtotal: int | float


class MailTicket(TypedDict):
    """A ticket that a mail shows with its QR code."""

    ticketId: str
    type: str  # the name of the ticket type
    attendee: str  # the name of who comes with it; empty if the holder has not said so


class ReportAmounts(TypedDict):
    """The amounts of a report in whole currency units, of one event or of all."""

    gross: int | float  # list price of the tickets of confirmed bookings
    discount: int | float  # by promo codes
    revenue: int | float  # price of the confirmed bookings: gross less discount
    charged: int | float  # what buyers paid in the period
    refunded: int | float  # what they got back in the period
    fees: int | float  # what the payment providers kept of it
    net: int | float  # charged less refunded and fees


class ReportRow(ReportAmounts):
    """The sales of one event in a report."""

    title: str  # of the event
    bookings: int  # confirmed bookings
    tickets: int  # tickets of the confirmed bookings
    ended: int  # bookings of the period that were cancelled or have expired


class AnnouncementFacts(TypedDict):
    """What the text of an announcement is composed of."""

    eventTitle: str
    subject: str  # one line
    text: str  # as the organizer has written it


class MailFacts(TypedDict, total=False):
    """Further facts, which the app does not show beside the text of a notification."""

    # Of an announcement:
    organizer: str  # the organizer's name as the event shows it
    subject: str  # one line
    text: str  # as the organizer has written it

    # Of a booking:
    items: Sequence[MailItem]
    totalPrice: int | float
    discount: int | float  # of all items or rows, which totalPrice and revenue have subtracted
    promoCode: str  # empty without one
    ticketList: list[MailTicket]  # empty unless the booking is confirmed
    linkVersion: int  # how often the link of the booking was replaced
    # Of a report:
    rows: list[ReportRow]
    bookings: int  # this and the next eight, and discount: sums of the rows
    tickets: int
    gross: int | float
    revenue: int | float
    charged: int | float
    refunded: int | float
    fees: int | float
    net: int | float
    ended: int
    currency: str  # ISO 4217


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
    """A user who is notified. No mail is sent to a user without an email address.

    Attributes:
        is_verified: False if the address may belong to somebody else, see rules.may_mail.
        language: of the mails, one of core.languages.LANGUAGES.
        credentials_version: how often the email or the password of the account was changed.
    """

    id: ObjectId
    name: str = ""
    email: str | None = None
    is_verified: bool = True
    language: str = "en"
    credentials_version: int = 0


class Subscription(TypedDict):
    """What the recipient of a mail can unsubscribe from."""

    organizerId: ObjectId | None  # announcements of this organizer; None: all announcements


@dataclass(frozen=True)
class NewNotification:
    """A notification of one occurrence to one user, before it is written.

    Attributes:
        key: identifies the occurrence and the recipient. Each key is written only once, however
            often `notify` is called with it.
        kind: one of rules.KINDS, or rules.REPORT.
        occurred_at: the time of the occurrence, in UTC.
        data: the facts that the app shows in addition to the text.
        mail_data: further facts for the text and the mail.
        in_app: False for a mail that has no notification in the app.
        by_mail: False for a notification of which the recipient wants no mail.
        subscription: what the recipient can unsubscribe from by a link in the mail; None for mails
            whose purpose is another than rules.SUBSCRIBED.
    """

    key: str
    kind: str
    recipient: Recipient
    occurred_at: datetime
    data: Facts
    mail_data: MailFacts = field(default_factory=MailFacts)
    attachments: tuple[Attachment, ...] = ()
    in_app: bool = True
    by_mail: bool = True
    subscription: Subscription | None = None


class StoredNotification(TypedDict):
    """A document of `notifications`: one message to one user, shown in the app."""

    _id: ObjectId  # orders a user's notifications; made by the process that writes them
    key: str  # unique; see NewNotification
    userId: ObjectId  # the recipient
    kind: str  # one of rules.KINDS
    title: str  # one line
    message: str  # one or two sentences; of an announcement its text
    data: Facts  # what the app shows in addition to the text
    createdAt: datetime  # the time of the occurrence; a TTL index deletes it a year later
    readAt: datetime | None  # when the user first read it; None before
    unread: NotRequired[bool]  # True until it is read, then absent, for a partial index


class RenderedNotification(TypedDict):
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


# What a mail is for: see `rules.PURPOSES`.
MailPurpose: TypeAlias = Literal["transactional", "subscribed", "without preference"]
# `queued`: waits for the first or the next attempt. `sending`: claimed by a process. `sent`: taken
# by the mail server. `failed`: given up. `logged`: only logged, because there is no mail server.
MailStatus: TypeAlias = Literal["queued", "sending", "sent", "failed", "logged"]


class MailedBooking(TypedDict):
    """The booking of a mail, whose key and QR codes are made when the mail is sent.

    Both versions are those that its link had when the address of the mail was read. So the link is
    of no use to an old address, if the holder has another one by the time that the mail is sent.
    """

    bookingId: ObjectId
    eventId: int
    page: str  # the URL of the page of the booking, as it is in the bodies: without a key
    linkVersion: int
    credentialsVersion: int
    ticketIds: list[str]  # of the QR codes that the HTML body shows


class AccountFacts(TypedDict, total=False):
    """The facts that a mail about an account states."""

    sessions: int  # how many sessions have ended
    api_tokens: int  # how many API tokens have ended
    devices: int  # how many door devices have ended
    has_pending_email: bool  # whether a pending email was dropped


class QueuedMail(TypedDict):
    """A document of `mails`: a mail that waits to be sent, is being sent, or is finished."""

    _id: ObjectId  # part of the Message-ID
    key: str  # unique; the key of the notification that it belongs to, if there is one
    userId: ObjectId  # the recipient
    to: str  # the recipient's address
    language: NotRequired[str]  # of its text; absent in English mails of older versions
    kind: str  # one of rules.KINDS, rules.REPORT, or one of account_texts.KINDS
    subject: str  # one line, at most rules.MAX_SUBJECT characters
    text: str  # the plain text body; empty where it is sealed
    html: str  # the HTML body; empty where it is sealed
    # Both bodies encrypted, because they hold a token: see account_mails. Absent in other mails,
    # and once the mail is finished.
    sealed: NotRequired[bytes]
    # When its link expires: it is not sent then. Absent in mails without a token.
    validUntil: NotRequired[datetime]
    # Absent in mails from which nobody can unsubscribe. The link is added when the mail is sent.
    subscription: NotRequired[Subscription]
    # Absent in mails that are not about one booking, and in those of older versions.
    booking: NotRequired[MailedBooking]
    attachments: list[StoredAttachment]
    status: MailStatus
    attempts: int  # how often a process has claimed it
    createdAt: datetime
    nextTryAt: NotRequired[datetime]  # when it may be claimed; absent once it is finished
    claim: NotRequired[ObjectId]  # id of the current claim; absent while no process sends it
    doneAt: NotRequired[datetime]  # when it was sent, logged or given up; absent before
    lastError: NotRequired[str]  # why the last attempt failed; absent if none has failed


class MailOutcome(TypedDict, total=False):
    """The fields that an attempt to send a mail sets."""

    status: MailStatus
    nextTryAt: datetime  # present if the mail is tried again
    doneAt: datetime  # present if the mail is finished
    lastError: str  # present if the attempt failed


class DueMail(TypedDict):
    """Projection of QueuedMail: a mail that may be claimed."""

    _id: ObjectId
    nextTryAt: datetime


class FailedMail(TypedDict):
    """Projection of QueuedMail: a mail that was given up, for the report on the server's health."""

    _id: ObjectId
    kind: str
    to: str
    subject: str
    lastError: str
    attempts: int
    doneAt: datetime


class MailHealth(TypedDict):
    """The part of the report on the server's health that is about mails."""

    counts: dict[MailStatus, int]  # how many mails have each status
    failures: list[FailedMail]  # the mails that were given up last, newest first
