"""The interface of payment providers, and its implementations.

To add one, write a class with the methods of `PaymentProvider` here and add it to PROVIDERS. The
expression `PROVIDERS["mock"]` in `eventapp/__init__.py` picks the provider of all bookings.
"""

from typing import Protocol

from bson import ObjectId


class PaymentRefused(Exception):
    """The provider refused a charge; no money was taken."""


class PaymentProvider(Protocol):
    """Charges for held bookings and refunds them.

    Every method may be called again for the same booking, because a process may have died before it
    recorded the result. Only the first successful call of each method has an effect.

    Attributes:
        name: recorded with each payment.
    """

    name: str

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Charge an amount for a booking, only once; return the id of the charge.

        Raises:
            PaymentRefused: no money was taken. It is also raised after `forbid_charges`.
        """

    def forbid_charges(self, booking_id: ObjectId) -> int:
        """Refuse every later charge for a booking; return the cents charged before, 0 for none."""

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Pay back what was charged for a booking, only once.

        A booking that was confirmed without a hold was never charged: nothing in this application
        charges for it yet. It is refunded here all the same, so a provider must accept a refund
        without a charge and pay nothing back.

        Returns:
            The refund's id.
        """


class MockPayments:
    """Accepts every charge and moves no money. The ids contain the id of the booking.

    It has no memory, so `forbid_charges` reports that nothing was charged.
    """

    name = "mock"

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Return an id; charge nothing."""
        return f"mock-payment-{booking_id}"

    def forbid_charges(self, booking_id: ObjectId) -> int:
        """Return 0."""
        return 0

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Return an id; refund nothing."""
        return f"mock-refund-{booking_id}"


PROVIDERS: dict[str, type[PaymentProvider]] = {"mock": MockPayments}
