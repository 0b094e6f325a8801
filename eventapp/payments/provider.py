"""The interface of payment providers.

A provider takes the money for an *attempt*: one try to pay one amount for one booking. The buyer
pays at the provider, which may take minutes, so `create` only asks for the payment. Its outcome is
read by `fetch`, or the provider reports it in a webhook event, which `read_event` verifies.

Every method may be called again for the same attempt, also by several processes at the same time,
because a process may have died before it recorded the answer. A provider therefore recognizes an
attempt by its id and a refund by its key, and does each at most once.

A method returns or raises within `TIMEOUT_SECONDS`, because a request waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

# The longest that a call of a provider may take, with all its retries.
TIMEOUT_SECONDS = 10.0

# What a provider says of a payment:
PaymentStatus: TypeAlias = Literal[
    "open",  # the buyer has not paid yet
    "refused",  # the last card or account of the buyer was refused; another one may still pay
    "processing",  # the buyer has paid, and the provider does not know yet whether money comes
    "succeeded",  # the money came
    "cancelled",  # no money came, and none can come any more
]


class PaymentRefused(Exception):
    """The provider refused what it was asked for, and did nothing.

    Attributes:
        reason: the provider's code, such as `card_declined`; empty if it gives none.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "refused")
        self.reason = reason


class PaymentUnavailable(Exception):
    """The provider did not answer. It is unknown whether it did what it was asked for."""


class UnknownProvider(PaymentUnavailable):
    """No provider has this name any more, or its settings are gone."""


class InvalidEvent(Exception):
    """A webhook event is not from the provider, is too old, or cannot be read."""


class SendsNoEvents(InvalidEvent):
    """The provider sends no webhook events, so there is no address for them."""


@dataclass(frozen=True)
class Attempt:
    """What a provider has to know of an attempt.

    Attributes:
        attempt_id: the hex id of the attempt, unique over all bookings.
        booking_id: the hex id of the booking.
        cents: the amount, in hundredths of the currency's unit.
        currency: ISO 4217, in capitals.
        description: what the buyer reads on a statement: the booking's reference.
        provider_id: the provider's id of the payment; None until an answer told it.
    """

    attempt_id: str
    booking_id: str
    cents: int
    currency: str
    description: str
    provider_id: str | None = None


@dataclass(frozen=True)
class ProviderPayment:
    """What a provider says of an attempt.

    Attributes:
        provider_id: the provider's id of the payment; empty if it refused to have one, and so there
            is nothing to cancel.
        cents: the money that came; 0 unless it has succeeded.
        client_secret: lets the buyer pay; None if the buyer has nothing to do. It is given to the
            holder of the booking alone, and never stored or logged.
        refusal: why the last try was refused, such as `card_declined`; None if it was not.
        fee_cents: what the provider keeps, in the currency of the payment; None if not known.
    """

    provider_id: str
    status: PaymentStatus
    cents: int = 0
    client_secret: str | None = field(default=None, repr=False)
    refusal: str | None = None
    fee_cents: int | None = None


@dataclass(frozen=True)
class ProviderEvent:
    """A verified webhook event.

    Events may come late, repeated and in any order. So an event says what became of a payment, and
    a status that a later one cannot follow is ignored (see `payments.states`).

    Attributes:
        event_id: the provider's id of the event, equal for all deliveries.
        booking_id, attempt_id: hex ids, from what the provider was told in `create`; None if the
            event concerns nothing of this application.
        payment: what became of the payment; None for other events.
        failed_refund_key: the key of a refund that was accepted and has failed later; None for
            other events.
    """

    event_id: str
    booking_id: str | None = None
    attempt_id: str | None = None
    payment: ProviderPayment | None = None
    failed_refund_key: str | None = None


class PaymentProvider(Protocol):
    """Takes payments and pays them back.

    Attributes:
        name: recorded with each attempt, so that refunds go to the provider that was paid.
        charges_at_once: True if `create` always succeeds, at once and without the buyer, so that
            it may be called for a booking that is not stored yet. False for all real providers.
        buyer_pays: True if the buyer pays at the provider after `create`; False if `create` itself
            takes the money.
    """

    name: str
    charges_at_once: bool
    buyer_pays: bool

    def create(self, attempt: Attempt) -> ProviderPayment:
        """Ask for the payment of an attempt, only once; return it as it is now.

        Raises:
            PaymentRefused: there is no payment, and no money was taken.
            PaymentUnavailable: the payment may exist.
        """

    def fetch(self, attempt: Attempt) -> ProviderPayment:
        """Return the payment of an attempt as it is now; create it if its id is not known.

        Raises:
            PaymentRefused, PaymentUnavailable: as `create`.
        """

    def cancel(self, attempt: Attempt) -> ProviderPayment:
        """Make sure that no money can come any more, and return the payment as it is then.

        Its status is `cancelled`, or `succeeded` or `processing` if it is too late.

        Raises:
            PaymentUnavailable: money may still come.
        """

    def refund(self, attempt: Attempt, cents: int, key: str) -> str:
        """Pay back all or a part of what an attempt has brought, only once for each key.

        Args:
            key: unique for each refund of all bookings.

        Returns:
            The provider's id of the refund.

        Raises:
            PaymentRefused: nothing was paid back.
            PaymentUnavailable: the refund may have been paid.
        """

    def read_event(self, body: bytes, headers: Mapping[str, str], now: datetime) -> ProviderEvent:
        """Verify and read a webhook event.

        Args:
            body: the raw body, over which the provider has made its signature.
            now: UTC, which the time of the signature is compared with.

        Raises:
            InvalidEvent: the event must not be believed.
        """
