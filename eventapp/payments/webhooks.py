"""Receive webhook events of payment providers.

An event is recorded only after it was applied. So a crash in between leads to a repeated delivery,
never to a lost event. Two deliveries at the same time are both applied; applying is idempotent.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from eventapp.core.database import Db
from eventapp.payments import store_events
from eventapp.payments.errors import EventRefused, WebhookNotFound
from eventapp.payments.provider import (
    InvalidEvent,
    PaymentProvider,
    ProviderEvent,
    SendsNoEvents,
    UnknownProvider,
)

# Other features use this error, and cannot import those of this one.
__all__ = ["MAX_EVENT_BYTES", "EventRefused", "receive_event"]

# The greatest size of an event, in bytes. Those of real providers have a few thousand.
MAX_EVENT_BYTES = 256 * 1024

log = structlog.get_logger("payments")

# Brings an event of the provider with this name into the booking that it concerns. It returns when
# the change is durable, and has no further effect when it is called again.
ApplyEvent = Callable[[ProviderEvent, str], None]


class ProviderLookup(Protocol):
    """The part of `payments.providers.Providers` that is used here."""

    def find(self, name: str) -> PaymentProvider:
        """Return the provider with this name, or raise UnknownProvider."""


def receive_event(
    db: Db,
    providers: ProviderLookup,
    provider_name: str,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
    apply: ApplyEvent,
) -> None:
    """Verify an event, and apply it unless it was processed before.

    Args:
        provider_name: the name in the address that the event was sent to.
        body: the raw body.
        now: UTC.

    Raises:
        WebhookNotFound: there is no such provider, or it sends no events.
        EventRefused: the event must not be believed.
    """
    event = _verify(providers, provider_name, body, headers, now)
    if event.booking_id is None:
        log.debug("payment event concerns no booking", provider=provider_name, id=event.event_id)
        return
    key = f"{provider_name}:{event.event_id}"
    if store_events.was_processed(db, key):
        return
    apply(event, provider_name)
    store_events.record_processed(db, key, now)
    log.info("payment event processed", provider=provider_name, id=event.event_id)


def _verify(
    providers: ProviderLookup,
    provider_name: str,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
) -> ProviderEvent:
    try:
        return providers.find(provider_name).read_event(body, headers, now)
    except (UnknownProvider, SendsNoEvents):
        raise WebhookNotFound from None
    except InvalidEvent as error:
        log.warning("payment event refused", provider=provider_name, reason=str(error))
        raise EventRefused from None
