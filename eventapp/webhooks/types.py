"""Webhooks and their deliveries as stored, as sent in requests and as shown. Times are in UTC."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

# The rules name ids by these, because only types may import bson.
WebhookId: TypeAlias = ObjectId
UserId: TypeAlias = ObjectId
# What a delivery tells of. A webhook subscribes to all of these but the last, which is a test.
EventType: TypeAlias = Literal[
    "booking.confirmed",
    "booking.cancelled",
    "booking.refunded",
    "ticket.checked_in",
    "waitlist.offered",
    "event.updated",
    "event.cancelled",
    "webhook.test",
]
# `pending`: it is sent, or sent again, while the webhook is enabled. `delivered`: the receiver has
# answered with a status from 200 to 299. `failed`: it was given up.
DeliveryStatus: TypeAlias = Literal["pending", "delivered", "failed"]
# Who has disabled a webhook: its owner, or the server after deliveries have failed for too long.
DisabledBy: TypeAlias = Literal["owner", "failures"]


class WebhookInput(TypedDict):
    """The body of a new webhook, as the schema loads it."""

    url: str
    events: list[EventType]
    eventIds: NotRequired[list[int] | None]  # absent or None: all events of the owner


class WebhookChanges(TypedDict, total=False):
    """The body of a change. What is absent stays."""

    url: str
    events: list[EventType]
    eventIds: list[int] | None  # None: all events of the owner
    enabled: bool


class OldSecret(TypedDict):
    """A secret that was replaced, and still signs for a while."""

    sealed: bytes
    validUntil: datetime


class StoredWebhook(TypedDict):
    """A document of `webhooks`."""

    _id: ObjectId
    ownerId: ObjectId  # the organizer whose events it tells of
    slot: int  # from 0, below rules.MAX_WEBHOOKS; unique for the owner
    tokenId: NotRequired[ObjectId]  # the API token that made it; absent if the owner did
    url: str
    events: list[EventType]  # the types that it receives, each once
    eventIds: list[int] | None  # the only events that it follows, ascending; None: all
    sealedSecret: bytes  # encrypted: see core.access.sealing
    oldSecrets: NotRequired[list[OldSecret]]  # the newest last; absent before the first rotation
    enabled: bool
    enabledAt: datetime  # when it was made, or enabled last
    disabledAt: NotRequired[datetime]  # absent while it is enabled
    disabledBy: NotRequired[DisabledBy]  # absent while it is enabled
    ownerNoticeDue: NotRequired[Literal[True]]  # the owner is to be told that it was disabled
    failingSince: NotRequired[datetime]  # the first failure since the last success; else absent
    # When a worker may claim it to send deliveries. Absent if none is pending.
    sendDueAt: NotRequired[datetime]
    wakeCount: int  # how often `sendDueAt` was brought forward
    claim: NotRequired[ObjectId]  # id of the present claim; absent while no worker sends
    claimedUntil: NotRequired[datetime]  # absent like `claim`
    createdAt: datetime
    updatedAt: datetime  # of the last change by its owner


class WebhookView(TypedDict):
    """A webhook as the API shows it."""

    webhookId: ObjectId
    url: str
    events: list[EventType]
    eventIds: list[int] | None
    enabled: bool
    disabledAt: datetime | None
    disabledBy: DisabledBy | None
    failingSince: datetime | None
    tokenId: ObjectId | None
    previousSecretUntil: datetime | None  # until when a replaced secret signs, too
    createdAt: datetime
    updatedAt: datetime


class LastAttempt(TypedDict):
    """The last attempt to send a delivery."""

    at: datetime
    status: int | None  # the HTTP status; None without an answer
    error: str | None  # a word for why there was no answer, or none that counts; else None
    durationMs: int
    excerpt: bytes  # the first bytes of the body of the answer


class StoredDelivery(TypedDict):
    """A document of `webhookDeliveries`."""

    _id: ObjectId  # made when it was stored, so it orders lists
    deliveryId: str  # unique; follows from the webhook and the fact: see `rules.make_delivery_id`
    webhookId: ObjectId
    type: EventType
    eventId: int | None  # None for a test
    sequence: int  # rises for each webhook and event; 0 for a test
    holderId: NotRequired[ObjectId]  # whose personal data is in `body`; absent if nobody's
    body: bytes  # what is sent, the same at each attempt
    status: DeliveryStatus
    attempts: int  # how often it was sent
    pauses: int  # failed attempts since `retriedSince`
    retriedSince: datetime | None  # the first attempt, or the last replay; None before
    dueAt: NotRequired[datetime]  # when it is sent next; absent unless pending
    claim: NotRequired[ObjectId]  # id of the attempt that is under way
    lastAttempt: NotRequired[LastAttempt]  # absent before the first
    erasedAt: NotRequired[datetime]  # when personal data was removed from `body`
    createdAt: datetime


class LastAttemptView(TypedDict):
    """The last attempt to send a delivery, as the API shows it."""

    at: datetime
    status: int | None
    error: str | None
    durationMs: int
    answer: str  # the first bytes of the body of the answer


class DeliveryView(TypedDict):
    """A delivery as the API shows it."""

    deliveryId: str
    type: EventType
    eventId: int | None
    sequence: int
    status: DeliveryStatus
    attempts: int
    createdAt: datetime
    nextAttemptAt: datetime | None  # None unless it is pending
    lastAttempt: LastAttemptView | None
    erased: bool  # personal data was removed, so it cannot be replayed


class DeliveryReceipt(TypedDict):
    """The answer to a test or a replay."""

    deliveryId: str


@dataclass(frozen=True)
class Fact:
    """Something that happened, and that is sent to webhooks.

    Attributes:
        fact_id: names it among all facts of its type.
        subject: names the booking or the event, whose facts are numbered in their order.
        at: when it happened.
        holder_id: whose personal data its body may have; None if nobody's.
        render: returns the data of the body without its sequence. The argument says whether the
            names and emails of attendees are shown.
    """

    fact_id: str
    type: EventType
    event_id: int
    owner_id: ObjectId
    subject: str
    at: datetime
    holder_id: ObjectId | None
    render: Callable[[bool], dict[str, object]]


class WebhookCounts(TypedDict):
    """Webhooks for the report on the server's health."""

    enabled: int
    failing: int  # enabled ones whose last attempt failed
    disabled: int
    pendingDeliveries: int  # also those of disabled webhooks; at most 10,000 are counted
