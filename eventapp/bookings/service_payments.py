"""Paying: what a payment provider must do, and the one that only pretends."""

from typing import Protocol

from bson import ObjectId


class PaymentRefused(Exception):
    """The provider did not take the money; nothing was charged."""


class PaymentProvider(Protocol):
    """Takes money and gives it back. Both are told the booking, and do each once for it."""

    name: str

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Charge once for this booking; the payment's id. PaymentRefused."""

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Give back once what this booking was charged; the refund's id."""


class MockPayments:
    """Always succeeds, moves no money; its ids follow from the booking's."""

    name = "mock"

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        return f"mock-payment-{booking_id}"

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        return f"mock-refund-{booking_id}"


PROVIDERS: dict[str, type[PaymentProvider]] = {"mock": MockPayments}
