"""Paying: what a payment provider must do, and the one that only pretends."""

from typing import Protocol

from bson import ObjectId


class PaymentRefused(Exception):
    """The provider did not take the money; nothing was charged."""


class PaymentProvider(Protocol):
    """Takes money and gives it back. Both are told the booking, and may be called again for it."""

    name: str

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Charge, once for this booking however often called; the payment's id. PaymentRefused."""

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Give back what this booking was charged and not given back yet; the refund's id.

        Called with nothing charged where a process died before it could, and once more where
        the charge came only after it.
        """


class MockPayments:
    """Always succeeds, moves no money; its ids follow from the booking's."""

    name = "mock"

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        return f"mock-payment-{booking_id}"

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        return f"mock-refund-{booking_id}"


PROVIDERS: dict[str, type[PaymentProvider]] = {"mock": MockPayments}
