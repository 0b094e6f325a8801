"""Paying: what a payment provider must do, and the one that only pretends."""

from typing import Protocol

from bson import ObjectId


class PaymentRefused(Exception):
    """The provider did not take the money; nothing was charged."""


class PaymentProvider(Protocol):
    """Takes money for holds and gives it back. Each call may come again for the same booking."""

    name: str

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Charge, once for this booking however often called; the payment's id.

        PaymentRefused, also for what is void.
        """

    def void(self, booking_id: ObjectId) -> int:
        """Charge nothing more for this booking, whoever asks; the cents charged before, or 0."""

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Give back what this booking was charged, once however often called; the refund's id.

        What was booked without a hold was not charged here: its refund moves nothing.
        """


class MockPayments:
    """Always succeeds, moves no money; its ids follow from the booking's.

    It keeps no accounts: a charge that was never heard of is one that was not made.
    """

    name = "mock"

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        return f"mock-payment-{booking_id}"

    def void(self, booking_id: ObjectId) -> int:
        return 0

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        return f"mock-refund-{booking_id}"


PROVIDERS: dict[str, type[PaymentProvider]] = {"mock": MockPayments}
