"""Decide what webhooks receive and when it is sent again, and render webhooks for the API."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from eventapp.webhooks.types import (
    DeliveryView,
    EventType,
    Fact,
    LastAttempt,
    LastAttemptView,
    StoredDelivery,
    StoredWebhook,
    WebhookView,
)

# The most webhooks of an organizer, and the most events of one webhook.
MAX_WEBHOOKS, MAX_EVENTS = 20, 50
EVENT_TYPES: tuple[EventType, ...] = (
    "booking.confirmed",
    "booking.cancelled",
    "booking.refunded",
    "ticket.checked_in",
    "waitlist.offered",
    "event.updated",
    "event.cancelled",
)
TEST_TYPE: EventType = "webhook.test"
STATUSES = ("pending", "delivered", "failed")
DISABLERS = ("owner", "failures")
# How long a replaced secret signs beside the new one, and how many of them do at most.
OLD_SECRET_VALID, MAX_OLD_SECRETS = timedelta(hours=24), 4
# The pause after the first failure. Each further one is longer by the factor, up to the longest.
FIRST_PAUSE, PAUSE_FACTOR, LONGEST_PAUSE = timedelta(seconds=30), 4, timedelta(hours=12)
# The factor to this power is more than LONGEST_PAUSE needs. It keeps the number small.
MAX_POWER = 10
# The last attempt is made so long after the first.
GIVE_UP_AFTER = timedelta(days=3)

# The type of delivery for each kind of ledger entry. Other entries are not sent.
BOOKING_TYPES: Mapping[str, EventType] = {
    "sold": "booking.confirmed",
    "confirmed": "booking.confirmed",
    "retaken": "booking.confirmed",
    "cancelled": "booking.cancelled",
    "part_cancelled": "booking.cancelled",
    "event_cancelled": "booking.cancelled",
    "refunded": "booking.refunded",
    "checked_in": "ticket.checked_in",
}
# The entry of a new hold. It is sent only if the hold is an offer to the waitlist.
HELD_ENTRY = "held"
OFFER_TYPE: EventType = "waitlist.offered"
# The type of delivery for each action in the log of an event. Other actions are not sent.
LOG_TYPES: Mapping[str, EventType] = {
    "edited": "event.updated",
    "published": "event.updated",
    "cancelled": "event.cancelled",
}


def receives(webhook: StoredWebhook, fact: Fact, token_event_ids: Iterable[int] | None) -> bool:
    """Return whether a webhook receives a fact.

    Args:
        token_event_ids: the only events of the API token that made the webhook; None for all.
    """
    return (
        webhook["ownerId"] == fact.owner_id
        and fact.type in webhook["events"]
        and (webhook["eventIds"] is None or fact.event_id in webhook["eventIds"])
        and (token_event_ids is None or fact.event_id in token_event_ids)
    )


def make_delivery_id(webhook_id: object, fact: Fact) -> str:
    """Return the id of the delivery of a fact to a webhook, the same however often it is made."""
    named = f"{webhook_id}:{fact.type}:{fact.fact_id}"
    return f"msg_{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def is_accepted(status: int | None) -> bool:
    """Return whether the receiver has accepted a delivery by answering with this HTTP status."""
    return status is not None and 200 <= status <= 299


def schedule_next_attempt(pauses: int, since: datetime, now: datetime) -> datetime | None:
    """Return when a delivery is sent again after a failure; None if it is given up.

    Args:
        pauses: the failed attempts since then, this one included.
        since: the first attempt, the last replay, or when the webhook was last enabled.
    """
    last = since + GIVE_UP_AFTER
    if now >= last:
        return None
    factor: int = PAUSE_FACTOR ** min(pauses - 1, MAX_POWER)
    return min(now + min(FIRST_PAUSE * factor, LONGEST_PAUSE), last)


def remove_personal_data(payload: dict[str, object]) -> dict[str, object]:
    """Return a payload without the fields that say something of the holder of a booking."""
    data = dict(_as_object(payload.get("data")))
    if booking := _as_object(data.get("booking")):
        data["booking"] = {**booking, "userId": None, "attendees": None}
    if ticket := _as_object(data.get("ticket")):
        data["ticket"] = {**ticket, "name": None}
    return {**payload, "data": data}


def _as_object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def render_webhook(webhook: StoredWebhook, now: datetime) -> WebhookView:
    """Return a webhook as the API shows it, without its secret."""
    old = webhook.get("oldSecrets", [])
    valid_until = max((each["validUntil"] for each in old), default=now)
    return {
        "webhookId": webhook["_id"],
        "url": webhook["url"],
        "events": webhook["events"],
        "eventIds": webhook["eventIds"],
        "enabled": webhook["enabled"],
        "disabledAt": webhook.get("disabledAt"),
        "disabledBy": webhook.get("disabledBy"),
        "failingSince": webhook.get("failingSince"),
        "tokenId": webhook.get("tokenId"),
        "previousSecretUntil": valid_until if valid_until > now else None,
        "createdAt": webhook["createdAt"],
        "updatedAt": webhook["updatedAt"],
    }


def render_delivery(delivery: StoredDelivery) -> DeliveryView:
    """Return a delivery as the API shows it, without its body."""
    attempt = delivery.get("lastAttempt")
    return {
        "deliveryId": delivery["deliveryId"],
        "type": delivery["type"],
        "eventId": delivery["eventId"],
        "sequence": delivery["sequence"],
        "status": delivery["status"],
        "attempts": delivery["attempts"],
        "createdAt": delivery["createdAt"],
        "nextAttemptAt": delivery.get("dueAt"),
        "lastAttempt": _render_attempt(attempt) if attempt else None,
        "erased": "erasedAt" in delivery,
    }


def _render_attempt(attempt: LastAttempt) -> LastAttemptView:
    return {
        "at": attempt["at"],
        "status": attempt["status"],
        "error": attempt["error"],
        "durationMs": attempt["durationMs"],
        "answer": bytes(attempt["excerpt"]).decode("utf-8", "replace"),
    }
