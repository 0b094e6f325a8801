"""A payment provider that moves no money: every payment succeeds at once."""

from collections.abc import Mapping
from datetime import datetime

from eventapp.payments.provider import (
    Attempt,
    ProviderEvent,
    ProviderPayment,
    SendsNoEvents,
)


class MockPayments:
    """Lets every payment succeed. The ids contain the id of the attempt or the key of the refund.

    It has no memory, so `cancel` always reports that no money came.
    """

    name = "mock"
    charges_at_once = True
    buyer_pays = False

    def create(self, attempt: Attempt) -> ProviderPayment:
        """Return a payment that has succeeded; charge nothing."""
        provider_id = f"mock-payment-{attempt.attempt_id}"
        return ProviderPayment(provider_id, "succeeded", attempt.cents, fee_cents=0)

    def fetch(self, attempt: Attempt) -> ProviderPayment:
        """Return what `create` returns."""
        return self.create(attempt)

    def cancel(self, attempt: Attempt) -> ProviderPayment:
        """Return a payment that is cancelled."""
        return ProviderPayment(f"mock-payment-{attempt.attempt_id}", "cancelled")

    def refund(self, attempt: Attempt, cents: int, key: str) -> str:
        """Return an id; refund nothing."""
        return f"mock-refund-{key}"

    def read_event(self, body: bytes, headers: Mapping[str, str], now: datetime) -> ProviderEvent:
        """Refuse every event: this provider sends none."""
        raise SendsNoEvents


class LegacyPayments(MockPayments):
    """Stands for payments that were made before payments were recorded.

    A refund of one moves no money: if there was any, it is paid back by hand.
    """

    name = "legacy"

    def refund(self, attempt: Attempt, cents: int, key: str) -> str:
        """Return an id; refund nothing."""
        return f"legacy-refund-{key}"
