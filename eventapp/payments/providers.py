"""The interface of payment providers, and its implementations.

To add one, write a class with the methods of `PaymentProvider` here and add it to PROVIDERS. The
setting PAYMENT_PROVIDER names the provider of new charges. Refunds go to the provider that was
paid, which every payment names, so a provider stays in PROVIDERS as long as bookings name it.
"""

from typing import Protocol

from bson import ObjectId


class PaymentRefused(Exception):
    """The provider refused. A refused charge took no money, a refused refund paid nothing back."""


class PaymentUnavailable(Exception):
    """The provider did not answer. It is unknown whether it did what it was asked for."""


class UnknownProvider(PaymentUnavailable):
    """No provider has this name any more."""


class PaymentProvider(Protocol):
    """Charges for held bookings and refunds them.

    An attempt is one charge of one amount, and its id is unique. Every method may be called again
    for the same attempt, also at the same time, because a process may have died before it recorded
    the result. Only the first successful call of each method has an effect, and of `refund` the
    first one for each key.

    A method must return or raise within a few seconds, because a request waits for it. It raises
    PaymentUnavailable for a timeout and for every error of the connection.

    Attributes:
        name: recorded with each payment.
    """

    name: str

    def charge(self, attempt_id: ObjectId, cents: int, currency: str) -> str:
        """Charge an amount, only once; return the id of the charge.

        Raises:
            PaymentRefused: no money was taken. It is also raised after `forbid_charges`.
            PaymentUnavailable: the charge may have been made.
        """

    def forbid_charges(self, attempt_id: ObjectId) -> int:
        """Refuse every later charge of an attempt; return the cents charged before, 0 for none.

        Raises:
            PaymentUnavailable: later charges may be forbidden or not.
        """

    def refund(self, attempt_id: ObjectId, cents: int, currency: str, key: str) -> str:
        """Pay back all or a part of what an attempt has charged, only once for each key.

        A booking that was confirmed without a hold was never charged: nothing in this application
        charges for it yet. It is refunded here all the same, with its own id as the attempt. So a
        provider must accept a refund without a charge and pay nothing back.

        Args:
            key: the hex id of the attempt for all that was not paid back before; the id with a
                number for the price of cancelled tickets.

        Returns:
            The refund's id.

        Raises:
            PaymentRefused: nothing was paid back.
            PaymentUnavailable: the refund may have been paid.
        """


class MockPayments:
    """Accepts every charge and moves no money. The ids contain the id of the attempt or the key.

    It has no memory, so `forbid_charges` reports that nothing was charged.
    """

    name = "mock"

    def charge(self, attempt_id: ObjectId, cents: int, currency: str) -> str:
        """Return an id; charge nothing."""
        return f"mock-payment-{attempt_id}"

    def forbid_charges(self, attempt_id: ObjectId) -> int:
        """Return 0."""
        return 0

    def refund(self, attempt_id: ObjectId, cents: int, currency: str, key: str) -> str:
        """Return an id; refund nothing."""
        return f"mock-refund-{key}"


PROVIDERS: dict[str, type[PaymentProvider]] = {"mock": MockPayments}


def open_provider(name: str) -> PaymentProvider:
    """Return the provider with this name.

    Raises:
        UnknownProvider: PROVIDERS has none. The text names those that it has.
    """
    if name not in PROVIDERS:
        raise UnknownProvider(f"{name!r} is none of: {', '.join(PROVIDERS)}")
    return PROVIDERS[name]()


def find_provider(name: str, current: PaymentProvider) -> PaymentProvider:
    """Return the provider that a payment names.

    Args:
        current: the provider of new charges.

    Raises:
        UnknownProvider: it is not the current one, and PROVIDERS has none of this name.
    """
    return current if name == current.name else open_provider(name)
