"""Describe attempts to providers, and charge for bookings that are confirmed when they are made."""

from datetime import datetime

from eventapp.bookings.types import StoredBooking
from eventapp.payments import states
from eventapp.payments.provider import Attempt, PaymentProvider
from eventapp.payments.types import Payment, StoredAttempt


def describe_attempt(booking: StoredBooking, attempt: StoredAttempt) -> Attempt:
    """Return what the provider has to know of an attempt of a booking."""
    return Attempt(
        attempt_id=str(attempt["attemptId"]),
        booking_id=str(booking["_id"]),
        cents=attempt["cents"],
        currency=booking["currency"],
        description=booking["bookingReference"],
        provider_id=attempt.get("providerId"),
    )


def charge_at_once(provider: PaymentProvider, booking: StoredBooking, now: datetime) -> Payment:
    """Return the payment of a booking that is confirmed when it is made.

    Args:
        provider: one with `charges_at_once`.
    """
    attempt = states.build_attempt(booking["_id"], provider.name, booking["totalCents"], now)
    seen = provider.create(describe_attempt(booking, attempt))
    return states.add_attempt(None, states.follow(attempt, seen, now))
