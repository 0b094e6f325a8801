"""The payment providers, and what each of them must do.

To add one, write a class with the methods of `PaymentProvider` here and add it to PROVIDERS.
`open_booking_context` in `eventapp/__init__.py` chooses the one that bookings use.
"""

from typing import Protocol

from bson import ObjectId


class PaymentRefused(Exception):
    """The provider refused a charge; no money was taken."""


class PaymentProvider(Protocol):
    """Charges for held bookings and refunds them.

    Every method may be called again for the same booking, because a process may have died before it
    recorded the result. Only the first call of each has an effect.

    Attributes:
        name: recorded with each payment.
    """

    name: str

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Charge an amount for a booking, once however often it is called; return the charge's id.

        Raises:
            PaymentRefused: no money was taken. This is also raised after `void`.
        """

    def void(self, booking_id: ObjectId) -> int:
        """Refuse every later charge for a booking; return the cents charged before, 0 for none."""

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Pay back what was charged for a booking, once however often it is called.

        A booking that was never held was not charged here, so its refund moves no money.

        Returns:
            The refund's id.
        """


class MockPayments:
    """Accepts every charge and moves no money. The ids are made from the id of the booking.

    It stores nothing, so `void` finds no charge whose result was not recorded.
    """

    name = "mock"

    def charge(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Return the id of a charge that was not made."""
        return f"mock-payment-{booking_id}"

    def void(self, booking_id: ObjectId) -> int:
        """Return 0."""
        return 0

    def refund(self, booking_id: ObjectId, cents: int, currency: str) -> str:
        """Return the id of a refund that was not made."""
        return f"mock-refund-{booking_id}"


PROVIDERS: dict[str, type[PaymentProvider]] = {"mock": MockPayments}
