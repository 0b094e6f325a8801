"""Bring webhook events of payment providers into the bookings."""

from collections.abc import Mapping
from datetime import datetime

import structlog
from bson import ObjectId

from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import AttemptNotFound, BookingNotFound
from eventapp.bookings.payments.refunds import record_returned_refund
from eventapp.bookings.payments.settlement import settle
from eventapp.payments import webhooks
from eventapp.payments.provider import ProviderEvent
from eventapp.payments.webhooks import MAX_EVENT_BYTES, EventRefused

# The route uses these, and cannot import the services of other features.
__all__ = ["MAX_EVENT_BYTES", "EventRefused"]

log = structlog.get_logger("payments")


def receive_event(
    context: BookingContext,
    provider_name: str,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
) -> None:
    """Verify an event, and bring it into the booking that it concerns, once.

    Args:
        provider_name: the name in the address that the event was sent to.
        body: the raw body, which the provider has signed.

    Raises:
        WebhookNotFound: there is no such provider, or it sends no events.
        EventRefused: the event must not be believed.
        UnexpectedAmount, Conflict, EventBusy, EventClosed, DatabaseUnavailable: the event must be
            delivered again.
    """

    def apply(event: ProviderEvent, _provider_name: str) -> None:
        apply_event(context, event, now)

    webhooks.receive_event(context.db, context.payments, provider_name, body, headers, now, apply)


def apply_event(context: BookingContext, event: ProviderEvent, now: datetime) -> None:
    """Bring a verified event into the booking that it concerns. It may be repeated.

    An event that concerns no booking of this database is ignored: several applications may share an
    account of the provider.

    Raises:
        UnexpectedAmount, Conflict, EventBusy, EventClosed, DatabaseUnavailable: the event must be
            delivered again.
    """
    booking_id, attempt_id = _read_id(event.booking_id), _read_id(event.attempt_id)
    if booking_id is None:
        return
    try:
        if event.failed_refund_key is not None:
            record_returned_refund(context, booking_id, event.failed_refund_key, now)
        if event.payment is not None and attempt_id is not None:
            settle(context, booking_id, attempt_id, event.payment, now)
    except (AttemptNotFound, BookingNotFound):
        log.warning("event of an unknown payment", eventId=event.event_id)


def _read_id(text: str | None) -> ObjectId | None:
    return ObjectId(text) if text and ObjectId.is_valid(text) else None
